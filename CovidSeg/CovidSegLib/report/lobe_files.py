"""Lobes from files of other programs: a Slicer segmentation or a DICOM SEG; their codes tell which lobe is which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..grids import on_grid
from ..measures import Lobe, lobe_of_codes, lobe_of_terminology
from ..reading.dicom_files import files_below, is_dicom
from ..reading.dicom_headers import modality_of
from ..reading.geometry import LPS_TO_RAS
from ..reading.silent_pydicom import quiet_pydicom
from ..volume import CtVolume
from ..writing import is_seg_nrrd, read_reviewed

if TYPE_CHECKING:
    import pydicom

_TERMINOLOGY = "TerminologyEntry"

_Plane = tuple[int, np.ndarray, np.ndarray, np.ndarray]
"""Segment number, position, directions (rows, columns) and pixel size of a frame; LPS, mm."""


def read_lobe_map(path: Path, volume: CtVolume) -> np.ndarray:
    """The lobes in ``path`` (``.seg.nrrd``, or a DICOM SEG) on the grid of ``volume``: uint8 (K, J, I) of Lobe.

    Raises InputError when the file has no lobe, or its voxels are not voxels of the scan.
    """
    if is_seg_nrrd(path):
        lobes = _from_slicer(path, volume)
    elif path.is_file() and is_dicom(path):
        lobes = _from_dicom(path, volume)
    else:
        raise InputError("Lobes are read from a .seg.nrrd file or a DICOM SEG.", "Save them in one of these forms.")
    if not lobes.any():
        raise InputError(
            "The file has no segment whose DICOM code says that it is a lobe of a lung.",
            "Set the segments' terminology in Slicer (double click on the colour of a segment).",
        )
    return lobes


def lobes_beside(source: Path, volume: CtVolume, files: Sequence[Path] = ()) -> np.ndarray | None:
    """The lobes of a DICOM SEG in the folder ``source`` that the scan was read from; None where there is none.

    ``files``: only these of the folder are meant (default: all). One that belongs to another scan is passed over.
    """
    if not source.is_dir():
        return None
    for path in sorted(files or files_below(source)):
        if is_dicom(path) and modality_of(path) == "SEG":
            try:
                return read_lobe_map(path, volume)
            except InputError:
                continue
    return None


def _from_slicer(path: Path, volume: CtVolume) -> np.ndarray:
    reviewed = read_reviewed(path, volume.affine, volume.voxels.shape)
    lobes = np.zeros(volume.voxels.shape, np.uint8)
    for segment in reviewed.segments:
        lobe = lobe_of_terminology(segment.tags.get(_TERMINOLOGY, ""))
        if lobe is not None:
            layer, value = segment.place
            lobes[reviewed.layers[layer] == value] = lobe
    return lobes


def _from_dicom(path: Path, volume: CtVolume) -> np.ndarray:
    try:
        with quiet_pydicom() as pydicom:
            dataset = pydicom.dcmread(path)
            if dataset.get("SegmentationType") != "BINARY":
                raise InputError("The DICOM object is no binary segmentation.", "Export the lobes as a DICOM SEG.")
            lobes = {int(one.SegmentNumber): _lobe_of(one) for one in dataset.SegmentSequence}
            planes = list(_planes(dataset))
            pixels = dataset.pixel_array
        array, affine = _stack(pixels, planes, lobes)
    except InputError:
        raise
    except Exception as error:  # pydicom raises nearly anything on a damaged file
        raise InputError("The DICOM segmentation cannot be read.", "Export it again.") from error
    return on_grid(array, affine, volume.affine, volume.voxels.shape)


def _lobe_of(segment: pydicom.Dataset) -> Lobe | None:
    """By type and type modifier; where those only say "lung", by the anatomic region."""
    for sequence, modifiers in (
        ("SegmentedPropertyTypeCodeSequence", "SegmentedPropertyTypeModifierCodeSequence"),
        ("AnatomicRegionSequence", "AnatomicRegionModifierSequence"),
    ):
        for code in segment.get(sequence) or ():
            modifier = next(iter(code.get(modifiers) or segment.get(modifiers) or ()), None)
            value = str(modifier.CodeValue) if modifier is not None else ""
            lobe = lobe_of_codes(str(code.CodingSchemeDesignator), str(code.CodeValue), value)
            if lobe is not None:
                return lobe
    return None


def _stack(
    pixels: np.ndarray, planes: Sequence[_Plane], lobes: Mapping[int, Lobe | None]
) -> tuple[np.ndarray, np.ndarray]:
    """The frames ``pixels`` of ``lobes`` (by segment number) as one array (z, y, x), and its IJK→RAS.

    ``pixels``: (frames, y, x), or (y, x) of a single frame; ``planes``: where each of them lies.
    """
    first = planes[0]
    normal = np.cross(first[2][:3], first[2][3:])
    heights = np.array([position @ normal for _, position, _, _ in planes])
    steps = np.diff(np.unique(np.round(heights, 3)))
    step = float(steps.min()) if len(steps) else 1.0
    numbers = np.rint((heights - heights.min()) / step).astype(int)
    frames = pixels.reshape(len(planes), *pixels.shape[-2:])
    array = np.zeros((numbers.max() + 1, *frames.shape[1:]), np.uint8)
    for frame, (segment, _, _, _), number in zip(frames, planes, numbers, strict=True):
        lobe = lobes.get(segment)
        if lobe is not None:
            array[number][frame > 0] = lobe
    affine = np.eye(4)
    affine[:3, 0] = first[2][:3] * first[3][1]
    affine[:3, 1] = first[2][3:] * first[3][0]
    affine[:3, 2] = normal * step
    affine[:3, 3] = planes[int(heights.argmin())][1]
    return array, LPS_TO_RAS @ affine


def _planes(dataset: pydicom.Dataset) -> Iterator[_Plane]:
    """Where each frame lies."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        direction = (frame.get("PlaneOrientationSequence") or shared.PlaneOrientationSequence)[0]
        measures = (frame.get("PixelMeasuresSequence") or shared.PixelMeasuresSequence)[0]
        yield (
            int(frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber),
            np.array(position, float),
            np.array(direction.ImageOrientationPatient, float),
            np.array(measures.PixelSpacing, float),
        )
