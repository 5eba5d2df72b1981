"""Whether a lung has dents or holes at its outer side, as one has that infection was cut out of."""

from __future__ import annotations

import numpy as np
import scipy

from ..geometry.masks import bounding_box
from .lobe_shape import CoarseLung

CLOSED_MM = 20.0
"""A dent is what closing the lung with a ball of this radius fills, and holes."""

THICK_MM = 5.0
"""Of that only what holds a ball of this radius counts: no vessel does."""

OUTER = 0.4
"""How far from the middle in its frame a place of the lung lies at its outer side: hila and the heart lie nearer."""

MOST_ML = 20.0
"""In 41 drawn pairs of lungs there are 4 mL at most, in the network's lungs, infection included, 6. Without infection
one lung of each of six scans lacks 42 mL and more."""


def dents_ml(lung: CoarseLung) -> float:
    """How much is missing of a lung's outer side, in mL."""
    box = bounding_box(lung.lung > 0)
    if box is None:
        return 0.0
    inside = lung.lung[box] > np.prod(lung.steps) / 2
    rim = [(int(np.ceil((CLOSED_MM + THICK_MM) / mm)),) * 2 for mm in lung.size_mm]
    padded = np.pad(inside, rim)
    grown = _to(padded, lung.size_mm) <= CLOSED_MM
    closed = scipy.ndimage.binary_fill_holes(_to(~grown, lung.size_mm) > CLOSED_MM)
    missing = closed & ~padded
    core = _to(~missing, lung.size_mm) > THICK_MM
    thick = missing & (_to(core, lung.size_mm) <= THICK_MM)
    _z, _y, x = lung.coordinates()
    outer = x[..., box[2]] > OUTER
    own = tuple(slice(before, before + size) for (before, _), size in zip(rim, inside.shape, strict=True))
    return float(np.count_nonzero(thick[own] & outer) * np.prod(lung.size_mm) / 1000)


def _to(mask: np.ndarray, size_mm: tuple[float, float, float]) -> np.ndarray:
    """How far each voxel lies from ``mask`` (bool), in mm; far where there is none."""
    if not mask.any():
        return np.full(mask.shape, np.inf)
    return scipy.ndimage.distance_transform_edt(~mask, sampling=size_mm)
