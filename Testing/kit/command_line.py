"""``covidseg`` as a real process, for tests: run it, interrupt it, see what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel
import numpy as np

from . import forked, no_sockets
from .fork_server import SERVER
from .ordinary_user import obey_permissions

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = ROOT / "Testing" / "kit" / "stand_in_pipeline"
CLEAN, PRINTS, IS_REFUSED, HAS_A_BUG, IS_KILLED, NEVER_ENDS, OUT_OF_MEMORY, TAKES_A_SECOND = range(8)
"""What the stand-in for the pipeline is told by the first voxel of a scan."""


class CommandLine:
    """Runs ``covidseg`` in ``folder`` with a folder for temporary files of its own.

    ``stand_in``: with a pipeline that does as it is told, instead of the real one. ``sockets``: without, whoever opens
    one is killed, where the kernel can do that (:mod:`.no_sockets`). ``obedient``: permissions of files hold for it,
    also where the tests run as root.
    """

    def __init__(self, folder: Path, *, stand_in: bool = False, sockets: bool = True, obedient: bool = False) -> None:
        self.folder = folder
        self._sockets = sockets or not no_sockets.AVAILABLE
        self.obedient = obedient
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        paths = [str(ROOT / "CovidSeg"), *([str(STAND_IN)] if stand_in else [])]
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TMPDIR": str(self.temporary)}

    def start(self, *arguments: object, **options: object) -> subprocess.Popen[str]:
        """Start the command; standard output and error are pipes unless ``options`` say otherwise.

        Where nothing speaks against it, it is forked from a process that has loaded the libraries (:mod:`.forked`).
        """
        if self._sockets and not self.obedient:
            forked.ready()
            return self._popen(forked.Popen, arguments, **options)
        return self.start_anew(*arguments, **options)

    def start_anew(self, *arguments: object, **options: object) -> subprocess.Popen[str]:
        """Start the command as a user does: Python loads all of it again."""
        return self._popen(subprocess.Popen, arguments, preexec_fn=self._prepare, **options)

    def _popen(
        self, kind: type[subprocess.Popen[str]], arguments: Sequence[object], **options: object
    ) -> subprocess.Popen[str]:
        return kind(
            [sys.executable, "-m", "CovidSegLib.cli", *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    def _prepare(self) -> None:
        # Where the tests run in the background, Ctrl-C is ignored, and children inherit that.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if not self._sockets:
            no_sockets.forbid_sockets()
        if self.obedient:
            obey_permissions()

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, which must come within five minutes and leave no temporary files."""
        with self.start(*arguments, stdin=subprocess.DEVNULL) as process:
            output, errors = process.communicate(timeout=300)
        assert list(self.temporary.iterdir()) == []
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def refused(self, *arguments: object) -> str:
        """Run a command that must end with code 2, one line of error, and no new file; returns the line."""
        before = self.files()
        ended = self.run(*arguments)
        assert ended.returncode == 2, ended.stderr
        assert ended.stdout == ""
        (line,) = [line for line in ended.stderr.splitlines() if not line.endswith(" ...")]
        assert line.startswith("error: ")
        assert self.files() == before
        return line

    def files(self) -> list[str]:
        """Everything in the folder, hidden files too."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))


def write_scan(path: Path, voxels: np.ndarray, spacing_mm: tuple[float, float, float] = (3.0, 3.0, 5.0)) -> Path:
    """Write int16 HU (z, y, x; upright: to head, back, left) as NIfTI."""
    affine = np.diag([-spacing_mm[0], -spacing_mm[1], spacing_mm[2], 1.0])
    nibabel.Nifti1Image(voxels.astype(np.int16).transpose(2, 1, 0), affine).to_filename(path)
    return path


def told_scan(path: Path, ending: int, slices: int = 4) -> Path:
    """Write a scan that tells the stand-in for the pipeline how to end."""
    voxels = np.full((slices, 32, 32), -1000, np.int16)
    voxels[:, 2:30, 2:30] = 40
    voxels[:, 8:24, 8:24] = -800
    voxels[0, 0, 0] = ending
    return write_scan(path, voxels)


def tell(told: CommandLine, **endings: int) -> None:
    """Write a scan for each of ``endings`` into the folder ``scans``: its name, and how it ends."""
    for stem, ending in endings.items():
        told_scan(told.folder / "scans" / f"{stem}.nii.gz", ending)


def rough_chest(slices: int = 6, noise_hu: float = 15) -> np.ndarray:
    """HU (z, y, x) of a body of soft tissue with two lungs in it, 128 x 128 pixels of 3 mm."""
    rows, columns = np.mgrid[:128, :128]
    rng = np.random.default_rng(0)
    voxels = np.full((slices, 128, 128), -1000, np.int16)
    voxels[:, ((rows - 64) / 38) ** 2 + ((columns - 64) / 55) ** 2 < 1] = 40
    for centre in (40, 88):
        voxels[:, ((rows - 62) / 28) ** 2 + ((columns - centre) / 18) ** 2 < 1] = -850
    return voxels + rng.normal(0, noise_hu, voxels.shape).astype(np.int16)


def stored_chest(slices: int) -> np.ndarray:
    """As :func:`rough_chest`, with what a scanner can store without a sign: nothing below -1024."""
    return np.maximum(rough_chest(slices, 25), -1024).astype(np.int16)


def children(process: int) -> list[int]:
    """Processes whose parent is ``process``, without those that have ended and the servers of :mod:`.forked`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = entry.read_text().rsplit(")", 1)
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if int(parent) == process and state != "Z" and not name.endswith(f"({SERVER}"):
            found.append(int(entry.parent.name))
    return found


def computes_for_ever(process: subprocess.Popen) -> bool:
    """Whether a child of ``process`` is at a scan that never ends (the stand-in then starts a program)."""
    return any(children(child) for child in children(process.pid))


def is_alive(process: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], object], seconds: float = 180.0) -> None:
    """Wait until ``condition`` is true; fails after ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
