"""Small pictures for lists of scans: the axial slice with most infection, in the lung window, what was found in colour.

By numpy and SimpleITK alone: a batch draws one for every scan, and neither OpenGL nor Slicer is at hand there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from ..errors import OutputError
from ..segmentation import SEGMENTS, Label, Segmentation
from ..volume import CtVolume, axial_affine, axial_order, spacing

EDGE = 240
"""Width and height of a picture in pixels."""

_QUALITY = 90

_WINDOW_HU = (-1350.0, 150.0)
_TINT = {Label.LEFT_LUNG: 0.0, Label.RIGHT_LUNG: 0.0, Label.INFECTION: 0.45}
"""How much of a segment's colour covers the inside of it; its border is always drawn."""


def draw_thumbnail(volume: CtVolume, segmentation: Segmentation) -> np.ndarray:
    """RGB, uint8 (EDGE, EDGE, 3): the patient's left on the right of the picture, as radiologists look at it."""
    order = axial_order(volume.affine)
    voxels, labels = order.to_axial(volume.voxels), order.to_axial(segmentation.labels)
    k = most_infected_slice(labels)
    across, back, _ = spacing(axial_affine(volume.affine, volume.voxels.shape))
    rows, columns = _nearest(labels.shape[1:], (back, across))
    inside = np.outer(rows >= 0, columns >= 0)
    low, high = _WINDOW_HU
    grey = np.clip((voxels[k][np.ix_(rows, columns)].astype(np.float32) - low) / (high - low), 0, 1) * inside
    shown = labels[k][np.ix_(rows, columns)] * inside
    picture = np.repeat(grey[..., None], 3, axis=2)
    for segment in SEGMENTS:
        mask = shown == segment.label
        border = mask & ~ndimage.binary_erosion(mask)
        for where, share in ((mask, _TINT[segment.label]), (border, 0.9)):
            picture[where] = (1 - share) * picture[where] + share * np.array(segment.color, np.float32)
    return np.rint(picture * 255).astype(np.uint8)


def most_infected_slice(upright: np.ndarray) -> int:
    """Number of the slice of ``upright`` labels (z, y, x) with most infection; without any, with most lung."""
    infected = [np.count_nonzero(plane == Label.INFECTION) for plane in upright]
    amounts = infected if any(infected) else [np.count_nonzero(plane) for plane in upright]
    return int(np.argmax(amounts)) if any(amounts) else len(upright) // 2


def write_thumbnail(picture: np.ndarray, path: Path) -> None:
    """Write an RGB picture as JPEG (a fifth of the size of a PNG). Raises OutputError."""
    import SimpleITK

    try:
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(picture, isVector=True), str(path), True, _QUALITY)
    except RuntimeError as error:
        raise OutputError("A picture could not be written.", "Is there space left on the disk?") from error


def _nearest(shape: tuple[int, int], pixel_mm: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """For every row and column of the picture the nearest one of the slice, which fits in whole; -1 beside it."""
    step = max(size * mm for size, mm in zip(shape, pixel_mm, strict=True)) / EDGE
    axes = []
    for size, mm in zip(shape, pixel_mm, strict=True):
        places = np.floor(size / 2 + (np.arange(EDGE) + 0.5 - EDGE / 2) * step / mm).astype(int)
        axes.append(np.where((places >= 0) & (places < size), places, -1))
    return axes[0], axes[1]
