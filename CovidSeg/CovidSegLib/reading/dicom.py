"""One CT from a folder of DICOM files, or from one file that holds all of its slices (enhanced CT).

Slices are placed by their position in the patient; file names mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..geometry.volume import CtVolume
from ..progress import Progress
from .affine_checks import LPS_TO_RAS, checked_affine
from .dicom_headers import lost_elements
from .folder_contents import FolderContents, scan
from .hounsfield import HounsfieldVolume
from .pixels import PixelDecoder
from .series_choice import choose
from .series_groups import arranged, grouped, left_behind, loose_slices
from .series_notes import of_other_unit, series_notes
from .slice_header import SliceHeader, SlicePlacement, placements
from .slice_positions import SliceGrid
from .trees import left_out_in_words


def read_dicom(folder: Path, progress: Progress, files: Sequence[Path] = ()) -> CtVolume:
    """The chest CT series in ``folder`` (and below), or among ``files`` alone; :mod:`.series_choice` says which.

    Raises InputError, Cancelled.
    """
    contents = scan(folder, progress, files)
    slices, source, notes = _chosen(contents)
    grid = _arranged(slices)
    notes += _scale_notes(slices) + series_notes(slices) + _left_out_notes(contents)
    head = slices[0]
    volume = HounsfieldVolume((grid.count, head.rows, head.columns))
    duplicates = _fill(volume, slices, grid, progress)
    affine, more = _affine(placements(slices)[grid.first], slices[grid.first].thickness, grid)
    notes += _duplicate_note(duplicates) + _missing_note(grid) + more + volume.notes()
    return CtVolume(volume.voxels, affine, source, notes, of_other_unit(slices))


def read_dicom_file(path: Path, progress: Progress) -> CtVolume:
    """The CT in one DICOM file, which must hold all of its slices. Raises InputError, Cancelled."""
    contents = scan(path.parent, progress, [path])
    if sum(map(len, contents.series)) == 1:
        raise InputError("The DICOM file is one slice, not a scan.", "Give the folder that holds the whole series.")
    if contents.damaged:
        raise InputError("The DICOM file is damaged: it cannot be read.", "Copy or export it again.")
    return read_dicom(path.parent, progress, [path])


def series_files(folder: Path, progress: Progress, files: Sequence[Path] = ()) -> list[Path | None]:
    """The file of every slice that :func:`read_dicom` gives, in its order; None for one that it filled in.

    Of a slice that occurs twice, the first file. Raises as :func:`read_dicom`.
    """
    slices, _, _ = _chosen(scan(folder, progress, files))
    grid = _arranged(slices)
    paths: list[Path | None] = [None] * grid.count
    for place, group in zip(grid.places, grid.groups, strict=True):
        paths[place] = slices[group[0]].path
    return paths


def _chosen(contents: FolderContents) -> tuple[list[SliceHeader], str, tuple[str, ...]]:
    """The slices to read, what they are called, and notes on how they were chosen. Raises InputError."""
    if not contents.series:
        raise _no_ct(contents)
    groups = grouped(contents.series)
    slices, source, notes = choose(groups.groups)
    loose = loose_slices(slices, groups.groups)
    if loose:
        raise InputError(
            f"Each of {loose} files says that it is a series of its own, and they do not make an even volume.",
            "Export the series again with the UIDs that it had.",
        )
    return slices, source, notes + groups.notes + left_behind(slices, groups.groups)


def _arranged(slices: list[SliceHeader]) -> SliceGrid:
    """The grid that ``slices`` (at least one) make. Raises InputError."""
    if not placements(slices):
        raise InputError(
            f"The CT series does not say where its slices lie: {_lost(slices)} missing or cannot be understood.",
            "Export the original series again; pictures made from it cannot be measured.",
        )
    if any(header.inverted for header in slices):
        raise InputError(
            "The CT series is stored as a negative (MONOCHROME1), whose values programs take differently.",
            "Export it again as an ordinary CT series (MONOCHROME2).",
        )
    return arranged(slices)


def _lost(slices: list[SliceHeader]) -> str:
    """Which elements of the first slice without a place make no sense, by their names in DICOM."""
    lost = lost_elements(next(header.path for header in slices if header.placement is None))
    return f"{' and '.join(lost)} {'is' if len(lost) == 1 else 'are'}"


def _scale_notes(slices: list[SliceHeader]) -> tuple[str, ...]:
    """What to say of slope and intercept. Raises InputError where some of the ``slices`` lack them, or a slope is 0."""
    if any(header.scale.slope == 0 for header in slices):
        raise InputError(
            "The series says that stored numbers mean nothing (a rescale slope is 0): a slice has one value only.",
            "Export the series again from the original images.",
        )
    unscaled = sum(not header.scale.is_said for header in slices)
    if 0 < unscaled < len(slices):
        some = "1 slice does" if unscaled == 1 else f"{unscaled} slices do"
        raise InputError(
            f"{some} not say how stored numbers become Hounsfield units (rescale slope or intercept is missing or no "
            "number), unlike the others of the series.",
            "Export the series again from the original images.",
        )
    notes: tuple[str, ...] = ()
    if unscaled:
        notes += (
            "The series does not say how stored numbers become Hounsfield units (rescale slope or intercept is missing "
            "or no number): a missing slope counts as 1, a missing intercept as 0.",
        )
    scales = {(header.scale.slope, header.scale.intercept) for header in slices}
    if len(scales) > 1:
        notes += (
            f"The slices of the series have {len(scales)} different scales (rescale slope and intercept): each was "
            "read with its own; see whether all are equally bright.",
        )
    return notes


def _left_out_notes(contents: FolderContents) -> tuple[str, ...]:
    """Say what lay in the folder and was not read."""
    notes: tuple[str, ...] = ()
    if contents.damaged:
        those = "1 damaged DICOM file was" if contents.damaged == 1 else f"{contents.damaged} damaged DICOM files were"
        notes += (f"{those} left out.",)
    if contents.closed:
        folders = "1 folder" if contents.closed == 1 else f"{contents.closed} folders"
        notes += (f"{folders} in it could not be opened: there may be more slices.",)
    if contents.left_out:
        notes += (left_out_in_words(contents.left_out),)
    return notes


_NO_CT = {
    "enhanced CT": "The input holds an enhanced (multi-frame) CT that does not say where its slices lie (its "
    "functional groups are missing or do not fit its frames).",
    "frames": "The input holds a multi-frame object that is no enhanced CT: it does not say where its pictures lie.",
    "localizer": "The input holds only localizer (scout) images of a CT.",
    "pictures": "The input holds only a multi-frame secondary capture (pictures made from a CT), not its slices.",
    "picture": "The input holds only pictures made from a CT (secondary captures), not its slices.",
    "SEG": "The input holds a DICOM segmentation (SEG), not a CT.",
}
"""What is said of a folder or file with no CT slices, by what is in it; the first that holds."""


def _no_ct(contents: FolderContents) -> InputError:
    """The error for a folder or file without an ordinary CT series, in words that fit what is in it."""
    other = contents.other - {"directory"}
    hint = "Give the folder with the axial chest CT images."
    for kind, sentence in _NO_CT.items():
        if kind in other:
            return InputError(sentence, hint)
    if other:
        return InputError(f"The input holds no CT, only DICOM objects of type {', '.join(sorted(other))}.", hint)
    if contents.damaged:
        return InputError("The DICOM files in the folder are damaged: none can be read.", "Copy or export them again.")
    if contents.closed:
        return InputError("The folder, or one in it, cannot be opened.", "Check that you may read it.")
    if contents.other:
        return InputError("The input holds only a DICOMDIR, which lists files and has no images.", hint)
    return InputError("The folder holds no DICOM files.", "Give a folder with a DICOM series, or one CT file.")


def _fill(volume: HounsfieldVolume, slices: list[SliceHeader], grid: SliceGrid, progress: Progress) -> int:
    """Read every slice to its place and fill the empty places between them; returns the number of duplicates."""
    duplicates = 0
    with PixelDecoder() as decoder:
        for done, (place, group) in enumerate(zip(grid.places, grid.groups, strict=True)):
            progress.step("reading", len(grid.groups) + done, 2 * len(grid.groups))
            head = slices[group[0]]
            _put(volume, place, decoder.decode(head), head)
            for number in group[1:]:
                values = volume.voxels[place].copy()
                _put(volume, place, decoder.decode(slices[number]), slices[number])
                if not np.array_equal(values, volume.voxels[place]):
                    raise InputError(
                        "The series has different images at the same place (several phases or reconstructions in one).",
                        "Give a folder with a single series of slices.",
                    )
                duplicates += 1
    for place in grid.missing:
        below, above = volume.voxels[place - 1], volume.voxels[place + 1]
        volume.put(place, (below.astype(np.float32) + above) / 2)
    progress.step("reading", 1, 1)
    return duplicates


def _put(volume: HounsfieldVolume, place: int, values: np.ndarray, header: SliceHeader) -> None:
    slope, intercept = header.scale.slope, header.scale.intercept
    volume.put(place, values, 1.0 if slope is None else slope, 0.0 if intercept is None else intercept)


def _affine(first: SlicePlacement, thickness: float, grid: SliceGrid) -> tuple[np.ndarray, tuple[str, ...]]:
    """IJK to RAS, and a note when the ``thickness`` (mm) of a single slice had to be assumed."""
    notes: tuple[str, ...] = ()
    distance = grid.spacing
    if grid.count == 1:
        distance = thickness
        if not (np.isfinite(distance) and distance > 0):
            distance = 1.0
            notes = ("The slice does not say how thick it is; 1 mm was assumed.",)
    lps = np.eye(4)
    lps[:3, 0] = first.row * first.pixel[1]
    lps[:3, 1] = first.column * first.pixel[0]
    lps[:3, 2] = first.normal * distance
    lps[:3, 3] = first.position
    return checked_affine(LPS_TO_RAS @ lps), notes


def _duplicate_note(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    return (f"{count} slice{'s' * (count > 1)} occurred twice and {'were' if count > 1 else 'was'} used once.",)


def _missing_note(grid: SliceGrid) -> tuple[str, ...]:
    """Say which places were empty; slices are counted from 1 in the order of the array."""
    if not grid.missing:
        return ()
    numbers = ", ".join(str(place + 1) for place in grid.missing)
    if len(grid.missing) == 1:
        return (f"1 slice is missing (number {numbers} of {grid.count}); it was filled in from its two neighbours.",)
    return (
        f"{len(grid.missing)} single slices are missing (numbers {numbers} of {grid.count}); each was filled in "
        "from its two neighbours.",
    )
