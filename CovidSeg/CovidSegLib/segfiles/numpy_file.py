"""Labels for Python: an ``.npz`` with ``labels`` (z, y, x) and ``affine`` (IJK to RAS, mm)."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ..errors import InputError, OutputError
from ..geometry.volume import CtVolume
from ..segmentation import UNKNOWN_PROVENANCE, Label, Segmentation
from .mask_reading import Masks

SUFFIX = ".npz"


def write_npz(segmentation: Segmentation, path: Path) -> None:
    """Write the labels, packed, and read them back. Raises OSError or OutputError."""
    np.savez_compressed(path, labels=segmentation.labels, affine=segmentation.affine)
    if not np.array_equal(_read(path)[0], segmentation.labels):
        raise OutputError("The result was not stored as it was written.", "Look at the disk.")


def masks_of_npz(path: Path, volume: CtVolume) -> Masks:
    """The masks on the grid of ``volume``. Raises InputError."""
    try:
        labels, affine = _read(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError("The file holds no labels of CovidSeg.", "Give one that CovidSeg wrote.") from error
    if labels.ndim != 3 or labels.dtype != np.uint8 or labels.max(initial=0) > max(Label):
        raise InputError("The file is no labelmap with values 0 to 3.", "Give one that CovidSeg wrote.")
    return Masks(Segmentation(volume.grid.bring(labels, affine), volume.affine, UNKNOWN_PROVENANCE))


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return file["labels"], file["affine"]
