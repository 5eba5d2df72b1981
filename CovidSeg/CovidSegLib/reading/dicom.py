"""One CT from a folder of DICOM files.

pydicom reads the headers, GDCM (inside SimpleITK) the pixels, since pydicom alone cannot unpack JPEG-lossless.
Slices are placed by their position in the patient; file names mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK

from ..errors import InputError
from ..progress import Progress
from ..volume import CtVolume
from .dicom_headers import FolderContents, SliceHeader, SlicePlacement, placements, scan
from .geometry import LPS_TO_RAS, checked_affine
from .hounsfield import HounsfieldVolume
from .itk import run_itk
from .series_choice import choose
from .slice_positions import SliceGrid, arrange


def read_dicom(folder: Path, progress: Progress, files: Sequence[Path] = ()) -> CtVolume:
    """The chest CT series in ``folder`` (and below), or among ``files`` alone; :mod:`.series_choice` says which.

    Raises InputError, Cancelled.
    """
    contents = scan(folder, progress, files)
    if not contents.series:
        raise _no_ct(contents)
    slices, source, notes = choose(contents.series)
    grid, places = _arranged(slices)
    if contents.damaged:
        those = "1 damaged DICOM file was" if contents.damaged == 1 else f"{contents.damaged} damaged DICOM files were"
        notes += (f"{those} left out.",)
    if contents.closed:
        folders = "1 folder" if contents.closed == 1 else f"{contents.closed} folders"
        notes += (f"{folders} in it could not be opened: there may be more slices.",)
    head = slices[0]
    volume = HounsfieldVolume((grid.count, head.rows, head.columns))
    duplicates = _fill(volume, slices, grid, progress)
    affine, more = _affine(places[grid.first], slices[grid.first].thickness, grid)
    notes += _duplicate_note(duplicates) + _missing_note(grid) + more + volume.notes()
    return CtVolume(volume.voxels, affine, source, notes)


def series_files(folder: Path, progress: Progress, files: Sequence[Path] = ()) -> list[Path | None]:
    """The file of every slice that :func:`read_dicom` gives, in its order; None for one that it filled in.

    Of a slice that occurs twice, the first file. Raises as :func:`read_dicom`.
    """
    contents = scan(folder, progress, files)
    if not contents.series:
        raise _no_ct(contents)
    slices, _, _ = choose(contents.series)
    grid, _ = _arranged(slices)
    paths: list[Path | None] = [None] * grid.count
    for place, group in zip(grid.places, grid.groups, strict=True):
        paths[place] = slices[group[0]].path
    return paths


def _arranged(slices: list[SliceHeader]) -> tuple[SliceGrid, list[SlicePlacement]]:
    """The grid that ``slices`` (at least one) make, and where each of them lies."""
    places = placements(slices)
    if not places:
        raise InputError(
            "The CT series does not say where its slices lie (position, orientation or pixel size is missing).",
            "Export the original series again; pictures made from it cannot be measured.",
        )
    if any(header.inverted for header in slices):
        raise InputError(
            "The CT series is stored as a negative (MONOCHROME1), whose values readers take differently.",
            "Export it again as an ordinary CT series (MONOCHROME2).",
        )
    head = places[0]
    positions = np.array([place.position for place in places])
    return arrange(positions, head.row, head.column, float(head.pixel.min())), places


def _no_ct(contents: FolderContents) -> InputError:
    """The error for a folder without an ordinary CT series, in words that fit what is in it."""
    other = contents.other - {"directory"}
    if "enhanced CT" in other:
        return InputError(
            "The folder holds an enhanced (multi-frame) CT, which is not read directly.",
            "Load it in Slicer and segment the volume, or convert it to NIfTI with dcm2niix.",
        )
    hint = "Give the folder with the axial chest CT images."
    if "localizer" in other:
        return InputError("The folder holds only the localizer (scout) images of a CT.", hint)
    if "CT picture" in other:
        return InputError("The folder holds only pictures made from a CT (secondary captures), not its slices.", hint)
    if "SEG" in other:
        return InputError("The folder holds a DICOM segmentation (SEG), not a CT.", hint)
    if other:
        return InputError(f"The folder holds no CT, only DICOM objects of type {', '.join(sorted(other))}.", hint)
    if contents.damaged:
        return InputError("The DICOM files in the folder are damaged: none can be read.", "Copy or export them again.")
    if contents.closed:
        return InputError("The folder, or one in it, cannot be opened.", "Check that you may read it.")
    return InputError("The folder holds no DICOM files.", "Give a folder with a DICOM series, or one CT file.")


def _fill(volume: HounsfieldVolume, slices: list[SliceHeader], grid: SliceGrid, progress: Progress) -> int:
    """Read every slice to its place and fill the empty places between them; returns the number of duplicates."""
    duplicates = 0
    for done, (place, group) in enumerate(zip(grid.places, grid.groups, strict=True)):
        progress.step("reading", len(grid.groups) + done, 2 * len(grid.groups))
        values = _pixels(slices[group[0]])
        for number in group[1:]:
            if not np.array_equal(values, _pixels(slices[number])):
                raise InputError(
                    "The series has different images at the same place (several phases or reconstructions in one).",
                    "Give a folder with a single series of slices.",
                )
            duplicates += 1
        volume.put(place, values)
    for place in grid.missing:
        below, above = volume.voxels[place - 1], volume.voxels[place + 1]
        volume.put(place, (below.astype(np.float32) + above) / 2)
    progress.step("reading", 1, 1)
    return duplicates


def _pixels(header: SliceHeader) -> np.ndarray:
    """One slice (y, x) in HU. GDCM has already applied the slice's own slope and intercept."""
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(header.path))
    try:
        values = SimpleITK.GetArrayFromImage(run_itk(reader.Execute))
    except InputError:
        values = np.empty(0)
    if values.shape != (1, header.rows, header.columns):
        raise InputError(
            "A slice of the series cannot be read: the file is damaged or packed in an unknown way.",
            "Copy or export the series again, uncompressed if possible.",
        )
    return values[0]


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
