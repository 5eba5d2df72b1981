"""The network, kept open in a child process for as many scans as come; files are read in another one."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import numpy as np

from ..errors import CovidSegError, InputError
from ..geometry.volume import CtVolume
from ..measures import Rules, measure
from ..options import Options
from ..progress import Progress, Report
from ..reading import inspect
from ..worker.parent import Worker
from .result import Result
from .scans import as_volume

if TYPE_CHECKING:
    from .scans import Scan

Listener = Callable[[Report], None]


def segment(
    scan: Scan,
    *,
    affine: np.ndarray | None = None,
    device: str = "auto",
    model: str = "default",
    engine: str = "auto",
    progress: bool | Listener = False,
) -> Result:
    """Segment one scan: lungs, infection, and all numbers.

    Parameters
    ----------
    scan
        The path of a file (.nii, .nii.gz, .nrrd, .mha) or of a DICOM folder; an image of SimpleITK or nibabel in HU; an
        array (z, y, x) in HU; in Slicer a volume node.
    affine
        Of an array: IJK→RAS, 4x4, mm. I is the last axis of the array.
    device, model, engine
        As the command ``covidseg segment`` takes them.
    progress
        True shows a bar (with the package tqdm); a function is called with each :class:`Report`.

    Returns
    -------
    Result
        Masks on the scan's own grid, and all numbers: volumes in mL, shares in %, densities in HU.

    Raises
    ------
    InputError
        The scan or an argument cannot be used.
    ModelError
        The network is missing or altered.
    EngineError
        The runtime is absent or failed, or the child process ended.
    """
    with Segmenter(device=device, model=model, engine=engine, progress=progress) as segmenter:
        return segmenter(scan, affine=affine)


class Segmenter:
    """Segments scan after scan with one network, which is loaded once.

    Use it in a ``with`` statement: its child processes end with it.

    Parameters
    ----------
    device, model, engine
        As the command ``covidseg segment`` takes them.
    threads
        How many processor cores the network may use; 0: all.
    progress
        As :func:`segment` takes it.
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        model: str = "default",
        engine: str = "auto",
        threads: int = 0,
        progress: bool | Listener = False,
    ) -> None:
        # In Slicer sys.executable is Slicer itself.
        python = shutil.which("PythonSlicer") if "slicer" in sys.modules else None
        self._worker = Worker(Options(engine, device, model, threads), python=python)
        # A file that breaks a library breaks a process, which must not be the user's own.
        self._file_worker, self._reading = Worker(None, python=python), threading.Lock()
        self._progress = progress

    def __enter__(self) -> Segmenter:
        self._worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child processes."""
        self._worker.close()
        self._file_worker.close()

    def __call__(self, scan: Scan, *, affine: np.ndarray | None = None) -> Result:
        """Segment one scan, as :func:`segment` does.

        Parameters
        ----------
        scan, affine
            As :func:`segment` takes them.

        Returns
        -------
        Result
            Masks and numbers of the scan.

        Raises
        ------
        CovidSegError
            As :func:`segment` does; the next scan can be segmented all the same.
        """
        with _shown(self._progress) as progress:
            return self._result(scan, *self._read(scan, affine, progress), progress)

    def _read(self, scan: Scan, affine: np.ndarray | None, progress: Progress) -> tuple[CtVolume, float]:
        """``scan`` as a volume, and the seconds that took; a path is read by a child. From one thread at a time."""

        def read(path: Path) -> CtVolume:
            with self._reading:
                return self._file_worker.read(path, progress)

        began = time.perf_counter()
        return as_volume(scan, affine, read), time.perf_counter() - began

    @overload
    def map(self, scans: Iterable[Scan]) -> Iterator[Result]: ...

    @overload
    def map(self, scans: Iterable[Scan], *, errors: Literal["raise"]) -> Iterator[Result]: ...

    @overload
    def map(self, scans: Iterable[Scan], *, errors: Literal["return"]) -> Iterator[Result | CovidSegError]: ...

    def map(
        self, scans: Iterable[Scan], *, errors: Literal["raise", "return"] = "raise"
    ) -> Iterator[Result] | Iterator[Result | CovidSegError]:
        """A result for each of ``scans``, in their order; the next one is read while one is computed.

        Parameters
        ----------
        scans
            Each as :func:`segment` takes it; an array, which needs an affine, goes to the segmenter itself.
        errors
            "raise" ends with the first scan that fails; "return" gives its error in the place of its result.

        Returns
        -------
        iterator of Result
            Also of :class:`CovidSegError` with ``errors="return"``.

        Raises
        ------
        InputError
            ``errors`` is another word.
        CovidSegError
            A scan failed, with ``errors="raise"``.
        """
        if errors not in ("raise", "return"):
            raise InputError(f"errors cannot be {errors!r}.", "Choose 'raise' or 'return'.")
        waiting = iter(scans)
        with ThreadPoolExecutor(1) as ahead:
            coming = self._read_next(waiting, ahead)
            while coming is not None:
                scan, read = coming
                coming = self._read_next(waiting, ahead)
                try:
                    with _shown(self._progress) as progress:
                        yield self._result(scan, *read.result(), progress)
                except CovidSegError as error:
                    if errors == "raise":
                        raise
                    yield error

    def _read_next(
        self, scans: Iterator[Scan], ahead: ThreadPoolExecutor
    ) -> tuple[Scan, Future[tuple[CtVolume, float]]] | None:
        for scan in scans:
            return scan, ahead.submit(self._read, scan, None, Progress())
        return None

    def _result(self, scan: Scan, volume: CtVolume, reading: float, progress: Progress) -> Result:
        began = time.perf_counter()
        findings = inspect(volume)
        checked = time.perf_counter()
        segmentation = self._worker.segment(volume, progress, findings)
        segmented = time.perf_counter()
        measured = measure(
            segmentation.labels,
            volume.grid,
            voxels=volume.voxels,
            rules=Rules(),
            stability=True,
            verdict=findings.verdict,
        )
        now = time.perf_counter()
        seconds = {"reading": reading, **segmentation.provenance.seconds, "checks": checked - began}
        seconds |= {"measures": now - segmented}
        path = Path(scan) if isinstance(scan, str | os.PathLike) else None
        return Result(volume, segmentation, measured, path, seconds | {"total": sum(seconds.values())})


@contextmanager
def _shown(wanted: bool | Listener) -> Iterator[Progress]:
    """What tells of the work: a function of the caller's, a bar, or nothing."""
    if callable(wanted):
        yield Progress(wanted)
    elif not wanted:
        yield Progress()
    else:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise InputError("progress=True needs the Python package tqdm.", "pip install tqdm") from error
        with tqdm(total=100, unit="%", leave=False) as bar:

            def told(report: Report) -> None:
                if report.notice:
                    tqdm.write(report.notice)
                    return
                if report.stage != bar.desc.removesuffix(": "):
                    bar.reset()
                    bar.set_description(report.stage)
                bar.update(round(100 * report.fraction) - bar.n)

            yield Progress(told)
