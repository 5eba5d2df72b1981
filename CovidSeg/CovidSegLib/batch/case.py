"""One scan, from its file to the files of its result."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..i18n import tr as _
from ..measures.edits import reader_edits
from ..progress import Progress
from ..reading import read_ct
from ..report.record import json_text, result_record
from ..report.thumbnails import thumbnail
from ..segmentation import Segmentation
from ..volume import CtVolume, voxel_ml
from ..writing import NOTHING_LOST, ExistingFiles
from ..writing.unfinished import sweep, unfinished_prefix
from .outputs import CaseOutputs
from .reports import ReportRequest

SegmentFunction = Callable[[CtVolume, Progress], Segmentation]
"""What segments a volume: :meth:`CovidSegLib.worker.Worker.segment`, or the pipeline in this process."""


def segment_case(
    source: Path,
    outputs: Sequence[Path],
    *,
    segment: SegmentFunction,
    progress: Progress,
    json_file: Path | None = None,
    picture: Path | None = None,
    files: Sequence[Path] = (),
    existing: ExistingFiles = NOTHING_LOST,
    report: ReportRequest | None = None,
) -> dict[str, Any]:
    """Read the scan at ``source``, segment it and write every one of ``outputs``, and ``json_file`` if it is given.

    ``picture``: where a small picture (JPEG) goes; ``files``: those of the study that is meant, where the folder
    ``source`` holds several. Returns the record that the JSON file holds
    (:func:`CovidSegLib.report.record.result_record`): it names neither patient nor file. Warnings are also passed to
    ``progress``. ``existing``: what may be done with outputs that are there already; corrections that were kept are in
    all outputs and in the numbers. ``report``: reports to write as well. Raises InputError, ModelError, EngineError,
    OutputError or Cancelled; then none of the files is there, and one that was there is as it was.
    """
    began = time.perf_counter()
    progress.step("reading", 0, 1)
    volume = read_ct(source, progress, files)
    source_words, notes = volume.source, volume.notes
    for note in notes:
        progress.notice("reading", note)
    read = time.perf_counter()
    plan = CaseOutputs.prepare(source, files, volume, outputs, existing, progress)
    network = segment(volume, progress)
    segmentation = plan.joined(network)
    segmented = time.perf_counter()
    report = report or ReportRequest()
    measured = report.measure(source, volume, segmentation, files)
    drawn = thumbnail(volume, segmentation) if picture is not None else b""
    counted = time.perf_counter()
    with OutputSet() as files_to_be:
        if report.files:
            edits = reader_edits(segmentation.labels, network.labels, voxel_ml(network.affine))
            places = [files_to_be.add(file) for file in report.files]
            report.write(volume, segmentation, measured, edits, places, progress)
        del volume, network  # a large scan need not stay in memory while the result is packed
        for number, output in enumerate(outputs):
            progress.step("writing", number, len(outputs))
            plan.write(segmentation, output, files_to_be.add(output))
        if picture is not None:
            _write_bytes(drawn, files_to_be.add(picture))
        now = time.perf_counter()
        seconds = {"reading": read - began, **segmentation.provenance.seconds}
        seconds |= {"measures": counted - segmented, "writing": now - counted, "total": now - began}
        record = result_record(measured, segmentation.provenance, seconds, notes) | {"source": source_words}
        if json_file is not None:
            _write_bytes(_encoded(json_text(record)), files_to_be.add(json_file))
        plan.check()
        files_to_be.publish()
    for warning in record["warnings"]:
        progress.notice("writing", warning)
    progress.step("writing", 1, 1)
    return record


def replace_text(text: str, path: Path) -> None:
    """Put ``text`` (UTF-8) in the place of ``path`` in one step. Raises OutputError; then the old file is there."""
    replace_bytes(_encoded(text), path)


def replace_bytes(content: bytes, path: Path) -> None:
    """Put ``content`` in the place of ``path`` in one step. Raises OutputError; then the old file is there."""
    with OutputSet() as files:
        _write_bytes(content, files.add(path))
        files.publish()


def _encoded(text: str) -> bytes:
    # A file name may hold bytes that are no UTF-8; they are written as \udc.., not as broken text.
    return text.encode("utf-8", errors="backslashreplace")


def _write_bytes(content: bytes, path: Path) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise _cannot_write(error) from error


class OutputSet:
    """Files that appear together or not at all.

    :meth:`add` gives a place to write to, in a temporary folder beside the target and under the target's own name;
    :meth:`publish` moves all of them. Leaving the context removes what was not published. Where a target is a link, the
    file that it leads to is replaced and the link stays: there are not two versions of a reader's work afterwards.
    """

    def __init__(self) -> None:
        self._folders: dict[tuple[Path, Path], Path] = {}
        self._moves: list[tuple[Path, Path]] = []

    def __enter__(self) -> OutputSet:
        return self

    def __exit__(self, *_: object) -> None:
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, target: Path) -> Path:
        """Where to write what :meth:`publish` will move to ``target``. Raises OutputError."""
        try:
            real = target.resolve() if target.is_symlink() else target
            # By both folders: links of one name in two of them may lead into the same one.
            key = target.parent, real.parent
            if key not in self._folders:
                sweep(real.parent)
                self._folders[key] = Path(tempfile.mkdtemp(prefix=unfinished_prefix(), dir=real.parent))
        except (OSError, RuntimeError) as error:  # links in a circle are a RuntimeError in older Pythons
            raise _cannot_write(error) from error
        place = self._folders[key] / target.name  # under its own name, whose ending says which form is written
        self._moves.append((place, real))
        return place

    def publish(self) -> None:
        """Move every file to its target. Raises OutputError; then the targets are as they were before.

        At every moment a target is the old file or the new one, whole, also when the process is killed in between.
        """
        moved: list[tuple[Path | None, Path]] = []
        try:
            for place, target in self._moves:
                before = None
                if target.exists():
                    before = place.with_name(f"before-{len(moved)}")
                    _keep_aside(target, before)
                moved.append((before, target))
                _flush(place)
                if before is not None:
                    with suppress(OSError):
                        shutil.copymode(before, place)  # who could correct it still can
                os.replace(place, target)
        except BaseException as error:
            for before, target in moved:
                with suppress(OSError):
                    if before is None:
                        target.unlink(missing_ok=True)
                    else:
                        os.replace(before, target)
            if isinstance(error, OSError):
                raise _cannot_write(error) from error
            raise


def _keep_aside(target: Path, before: Path) -> None:
    """Let ``before`` be the same file as ``target``, which stays where it is; a copy where there are no links."""
    try:
        os.link(target, before)
    except OSError:
        shutil.copy2(target, before)


def _flush(path: Path) -> None:
    """Bring a finished file to the disk before its name is given away: power may fail too."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _cannot_write(error: Exception) -> OutputError:
    reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    return OutputError(
        _("A result could not be written{reason}.").format(reason=reason),
        _("Check the folder's permissions and the free space."),
    )
