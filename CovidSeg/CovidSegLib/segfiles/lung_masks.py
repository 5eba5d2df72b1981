"""Lungs out of a file with masks, for which no scan is at hand: all that an estimate of lobes needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..geometry.grid import Grid
from ..progress import Progress
from ..reading.dicom_files import is_dicom
from ..segmentation import Label
from .dicom_labels import dicom_labels
from .mask_reading import labels_of_ours, our_dicom_labels, tells_of_infection
from .reviewed import read_reviewed
from .seg_nrrd import is_seg_nrrd

if TYPE_CHECKING:
    import pydicom

_LUNGS = (Label.LEFT_LUNG, Label.RIGHT_LUNG)
_HINT = "Give masks that CovidSeg wrote, or a labelmap (1 left lung, 2 right lung, 3 infection)."


@dataclass(frozen=True)
class LungMasks:
    """``labels``: uint8 (z, y, x) of :class:`Label` on ``grid``.

    ``infection_known``: whether the file tells of infection: an empty segment of it tells that there is none, none at
    all tells nothing.
    """

    labels: np.ndarray
    grid: Grid
    infection_known: bool


def read_lung_masks(path: Path, progress: Progress) -> LungMasks:
    """The masks in ``path``: a ``.seg.nrrd``, a DICOM SEG or a labelmap with values 0 to 3, on their own grid.

    Raises InputError where they are none of ours.
    """
    if is_seg_nrrd(path):
        file = read_reviewed(path, None)
        if not file.ours:
            raise InputError("The segmentation has none of the segments of CovidSeg.", _HINT)
        return LungMasks(file.reviewed.labels, file.grid, Label.INFECTION not in file.reviewed.absent)
    if path.is_file() and is_dicom(path):
        return _of_dicom(path)
    labels, grid = labels_of_ours(path, progress, _HINT)
    return LungMasks(labels, grid, tells_of_infection(path, labels))


def _of_dicom(path: Path) -> LungMasks:
    found: list[Label] = []

    def labels_of(dataset: pydicom.Dataset) -> dict[int, int | None]:
        numbers = our_dicom_labels(dataset)
        found.extend(label for label in numbers.values() if label is not None)
        if len(found) != len(set(found)) or not set(_LUNGS) <= set(found):
            raise InputError("The DICOM SEG has not the two lungs as CovidSeg has them.", _HINT)
        return {number: label and int(label) for number, label in numbers.items()}

    array, affine = dicom_labels(path, labels_of)
    # Frames without a segment are left out of the object: beyond the first and the last one there is no lung.
    wide = np.pad(array, ((1, 1), (0, 0), (0, 0)))
    affine = affine.copy()
    affine[:, 3] -= affine[:, 2]
    return LungMasks(wide, Grid(affine, wide.shape), Label.INFECTION in found)
