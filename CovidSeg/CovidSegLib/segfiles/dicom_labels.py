"""Labels out of a DICOM SEG, on the grid of the scan that it belongs to; which segment is which, its codes tell.

Not by highdicom, which is an extra and not in Slicer: it refuses objects of other programs that lack what it does not
need for this (an index of dimensions, the contents of frames, the kind of an algorithm). Tests compare with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..geometry.volume import CtVolume
from ..reading.affine_checks import LPS_TO_RAS
from ..reading.silent_pydicom import quiet_pydicom

if TYPE_CHECKING:
    import pydicom

_Plane = tuple[int, np.ndarray, np.ndarray, np.ndarray]
"""Segment number, position, directions (rows, columns) and pixel size of a frame; LPS, mm."""


def read_dicom_labels(
    path: Path, volume: CtVolume, labels_of: Callable[[pydicom.Dataset], Mapping[int, int | None]]
) -> np.ndarray:
    """The segments in the DICOM SEG ``path`` on the grid of ``volume``: uint8 (K, J, I).

    Raises as :func:`dicom_labels`, and InputError where it lies on another grid.
    """
    return volume.grid.bring(*dicom_labels(path, labels_of))


def dicom_labels(
    path: Path, labels_of: Callable[[pydicom.Dataset], Mapping[int, int | None]]
) -> tuple[np.ndarray, np.ndarray]:
    """The segments in the DICOM SEG ``path`` on its own frames: uint8 (z, y, x), and their IJK→RAS.

    ``labels_of`` tells the value of each segment by its number (None: it is left out) from the object's header. Raises
    InputError, also whatever ``labels_of`` raises of that kind, where it cannot be read.
    """
    try:
        with quiet_pydicom() as pydicom:
            dataset = pydicom.dcmread(path)
            if dataset.get("SegmentationType") != "BINARY":
                raise InputError("The DICOM object is no binary segmentation.", "Export it as a DICOM SEG.")
            labels = labels_of(dataset)
            planes = list(_planes(dataset))
            pixels = dataset.pixel_array
        return _stack(pixels, planes, labels)
    except InputError:
        raise
    except Exception as error:  # pydicom raises nearly anything on a damaged file
        raise InputError("The DICOM segmentation cannot be read.", "Export it again.") from error


def _stack(
    pixels: np.ndarray, planes: Sequence[_Plane], labels: Mapping[int, int | None]
) -> tuple[np.ndarray, np.ndarray]:
    """The frames ``pixels`` of ``labels`` (by segment number) as one array (z, y, x), and its IJK→RAS.

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
        label = labels.get(segment)
        if label is not None:
            array[number][frame > 0] = label
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
