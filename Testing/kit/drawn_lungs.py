"""Two lungs as labels, made from the mean shapes that the model of lobes knows: whole, and of a usual shape."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage

from CovidSegLib.anatomy.lobe_model import read_lobe_model
from CovidSegLib.anatomy.lobe_shape import GRID
from CovidSegLib.segmentation import Label

SPACING = (3.0, 3.0, 4.0)
"""x, y, z in mm."""

AFFINE = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
"""Columns run to the left, rows to the back, slices to the head."""

_FRAME_MM = (250.0, 185.0, 115.0)
"""Height, depth and width of the frame of a lung."""

_SHAPE = (88, 84, 120)
_CENTRES = {Label.RIGHT_LUNG: 28, Label.LEFT_LUNG: 92}


@cache
def _lungs() -> np.ndarray:
    model = read_lobe_model()
    labels = np.zeros(_SHAPE, np.uint8)
    for label, lung in ((Label.LEFT_LUNG, model.left), (Label.RIGHT_LUNG, model.right)):
        shape = lung.mean.reshape(GRID)
        sampled = []
        for axis, (size, mm, points) in enumerate(zip(_SHAPE, SPACING[::-1], GRID, strict=True)):
            centre = _CENTRES[label] if axis == 2 else size / 2
            share = (np.arange(size) + 0.5 - centre) * mm / _FRAME_MM[axis] + 0.5
            if axis == 2 and label == Label.RIGHT_LUNG:
                share = 1 - share
            sampled.append(share * points - 0.5)
        # Beyond its frame the shape goes on for a while as it ends.
        inside = ndimage.map_coordinates(shape, np.meshgrid(*sampled, indexing="ij"), order=1, mode="nearest") > 0.5
        for at, points in zip(np.meshgrid(*sampled, indexing="ij"), GRID, strict=True):
            inside &= (at > -0.5 - 0.06 * points) & (at < points - 0.5 + 0.06 * points)
        labels[inside & (labels == 0)] = label
    return labels


def drawn_lungs(*, infected: bool = True) -> np.ndarray:
    """Labels (z, y, x) with :data:`AFFINE`; ``infected``: with infection at the back of the right lung's base."""
    labels = _lungs().copy()
    if infected:
        part = labels[20:34, 45:]
        part[part == Label.RIGHT_LUNG] = Label.INFECTION
    return labels
