"""What becomes of an output that is already there: nobody's corrections are replaced without being asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError, OtherScanError, OutputError, about
from ..geometry.grid import Grid
from ..reading.dicom_files import is_dicom
from ..reading.dicom_headers import modality_of
from ..reading.files import files_of
from ..system.atomic_files import NOTHING_THERE
from ..system.file_states import States, file_state, refuse_protected, refuse_special
from .kinds import refuse_for_masks
from .reviewed import ReviewedFile, read_reviewed
from .seg_nrrd import is_seg_nrrd


@dataclass(frozen=True)
class ExistingFiles:
    """What may be done with outputs that exist.

    ``keep_edits``: a ``.seg.nrrd`` is brought up to date around the reader's corrections. ``overwrite``: whatever else
    is there is replaced, as it stood when the run began, but no scan and no lobes (:mod:`.kinds`). Without either, only
    a ``.seg.nrrd`` in which nobody changed anything is replaced, and a file whose :func:`file_state` is ``own_state``:
    it is still as the caller itself wrote it. ``begun``: files and their states when the run began (:meth:`beginning`);
    one of no known state that is there is not replaced. ``may_repeat``: the work on a scan may be done twice, since a
    cluster does again what a lost worker had done. ``own_folder``: numbers, pages and pictures lie where the caller
    alone writes, a batch: they are replaced while they are as they were written, whatever scan they are of.
    ``of_scan``: SHA-256 of the voxels of the scan whose results are there; nothing is replaced by those of another one.
    """

    keep_edits: bool = False
    overwrite: bool = False
    own_state: str = ""
    begun: States = ()
    may_repeat: bool = False
    own_folder: bool = False
    of_scan: str = ""

    def beginning(self, files: Sequence[Path]) -> ExistingFiles:
        """The same for a run that begins now and will write ``files``; of those that began before, the states stay."""
        known = dict(self.begun)
        return replace(self, begun=tuple((file, known.get(file, file_state(file))) for file in files))

    def states(self, files: Sequence[Path]) -> dict[Path, str]:
        """In which state each of ``files`` must still be when it is replaced: as the run began.

        A ``.seg.nrrd`` that is brought up to date is read after this call, with what was saved until then: as now.
        """
        known = dict(self.begun)
        kept = {file: file_state(file) for file in files if self.keep_edits and is_seg_nrrd(file)}
        return {file: known.get(file, NOTHING_THERE) for file in files} | kept

    def is_repeated(self, now: Mapping[Path, str], kept: ReviewedFile | None) -> bool:
        """Whether an earlier attempt of this very run has written its files, whose states are ``now``.

        Its ``.seg.nrrd`` appeared since the run began, and nobody's work is in it: ``kept`` is what
        :func:`find_reviewed` found after the states were taken.
        """
        known = dict(self.begun)
        appeared = any(is_seg_nrrd(file) and now[file] not in ("", known.get(file, NOTHING_THERE)) for file in now)
        return appeared and self.may_repeat and not self.overwrite and not (kept and kept.would_be_lost())


NOTHING_LOST = ExistingFiles()
"""What holds unless the user says otherwise."""


def find_reviewed(outputs: Sequence[Path], grid: Grid, choice: ExistingFiles, scan: str = "") -> ReviewedFile | None:
    """Look at the ``outputs`` that exist; the content of the one to bring up to date, or None.

    ``grid``: the scan's; ``scan``: the SHA-256 of its voxels, by which
    the result of another one is told. Raises OutputError when an output must not be replaced; nothing was touched
    then.
    """
    found = None
    for output in outputs:
        if not output.exists():
            continue
        with about(output, OutputError):
            refuse_special(output)
            refuse_protected(output)
            if choice.own_state and file_state(output) == choice.own_state:
                continue
            refuse_unknown(output, choice)
            if choice.overwrite:
                refuse_for_masks(output)
            if not is_seg_nrrd(output):
                continue
            if choice.keep_edits:
                if found is not None:
                    raise OutputError("Corrections can be kept in one file only.", "Name one existing .seg.nrrd.")
                found = _to_keep(_read(output, grid), output, scan)
            elif not choice.overwrite:
                _refuse_edits(_read(output, grid), output, scan)
    return found


def refuse_other_scan(choice: ExistingFiles, scan: str) -> None:
    """Raise OtherScanError where the results that are there are of another scan than ``scan``, and are to stay."""
    if choice.of_scan not in ("", scan) and not choice.overwrite:
        raise OtherScanError(
            "The result of this name is of another scan, and stays.",
            "Choose another output folder for these scans, or replace it with --overwrite.",
        )


def refuse_source(source: Path, output: Path) -> None:
    """Raise OutputError where ``output`` is ``source``, by whatever name, or a file that holds a part of it."""
    if same_file(output, source):
        raise OutputError("The output is the input file.", "No input is overwritten: choose another name.")
    if _is_slice_of(source, output) or (source.is_file() and any(same_file(output, one) for one in files_of(source))):
        raise OutputError("The output is one of the scan's own files.", "Choose another name.")


def same_file(first: Path, second: Path) -> bool:
    """Whether the two are one file, or would be."""
    if first.resolve() == second.resolve():
        return True
    return first.exists() and second.exists() and first.samefile(second)


def _is_slice_of(source: Path, target: Path) -> bool:
    """Whether ``target`` is a DICOM file in the folder ``source`` or below, other than a segmentation."""
    if not target.is_file() or not target.resolve().is_relative_to(source.resolve()):
        return False
    return is_dicom(target) and modality_of(target) != "SEG"


def refuse_unknown(output: Path, choice: ExistingFiles) -> None:
    """Raise OutputError where ``output`` is of a kind that cannot tell of corrections, unless it may be replaced."""
    if not choice.overwrite and not is_seg_nrrd(output):
        raise OutputError(
            "The output exists, and its kind of file cannot tell whether somebody corrected it.",
            "Choose another name, or replace it with --overwrite.",
        )


def _refuse_edits(file: ReviewedFile, output: Path, scan: str) -> None:
    if file.reviewed.is_of_another_scan(scan):
        raise _of_another_scan(edited=_is_edited(file, output))
    lost = file.would_be_lost()
    if lost:
        raise OutputError(
            f"The output exists and holds a reader's work: {' and '.join(lost)} would be lost.",
            "Bring it up to date with --keep-edits, replace it with --overwrite, or choose another name.",
        )


def _to_keep(file: ReviewedFile, output: Path, scan: str) -> ReviewedFile | None:
    """``file``; None where it is another scan's and nobody's work is lost with it."""
    if not file.reviewed.is_of_another_scan(scan):
        return file
    if _is_edited(file, output):
        # The name of a case may pass to another patient (numbered studies do), and two scans may share a grid.
        raise _of_another_scan(edited=True)
    return None


def _is_edited(file: ReviewedFile, output: Path) -> bool:
    """Whether a reader's work is in the result of another scan: on its own grid, since its records fit no other."""
    return bool(_read(output, file.own_grid).would_be_lost())


def _of_another_scan(*, edited: bool) -> OutputError:
    what = "holds a reader's work on another scan, or on" if edited else "is the result of another scan, or of"
    return OutputError(
        f"The output exists and {what} this one before its voxels changed.",
        "Choose another name, or replace it with --overwrite.",
    )


def _read(output: Path, grid: Grid) -> ReviewedFile:
    try:
        return read_reviewed(output, grid)
    except InputError as error:
        raise OutputError(
            f"The output exists, but its content cannot be kept. {error.sentence}",
            "Choose another name, or replace it with --overwrite.",
        ) from error
