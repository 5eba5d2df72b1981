"""Labels in which infection has a side: what all measures count."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ..anatomy.lungs import sides_of_labels
from ..segmentation import Label
from ..volume import axial_affine, axial_order
from .lesions import Box, bounding_box


class Code(IntEnum):
    """Values of :attr:`SidedLungs.codes`. Infection counts as lung, to the lung of its own side."""

    OUTSIDE = 0
    LEFT = 1
    RIGHT = 2
    LEFT_INFECTED = 3
    RIGHT_INFECTED = 4


LEFT_CODES = (Code.LEFT, Code.LEFT_INFECTED)
RIGHT_CODES = (Code.RIGHT, Code.RIGHT_INFECTED)


@dataclass(frozen=True)
class SidedLungs:
    """The lungs in their box of the upright grid (axes to head, back, left).

    ``codes``: uint8 of :class:`Code`; ``affine``: IJK→RAS of ``codes``; ``box``: where ``codes`` lies in the upright
    grid of ``shape`` (a rim of one voxel around the lungs is included wherever the grid has one).
    """

    codes: np.ndarray
    affine: np.ndarray
    box: Box
    shape: tuple[int, int, int]


def sided_lungs(labels: np.ndarray, affine: np.ndarray) -> SidedLungs | None:
    """Give infection its side. ``labels``: uint8 (K, J, I) of :class:`Label`, ``affine``: IJK→RAS. None without lung.

    In the labels an infected voxel has no side; it is found from lung and infection together
    (:func:`CovidSegLib.anatomy.lungs.sides_of_labels`).
    """
    order = axial_order(affine)
    upright = order.to_axial(labels)
    lungs = upright != Label.BACKGROUND
    tight = bounding_box(lungs)
    if tight is None:
        return None
    box = tuple(
        slice(max(part.start - 1, 0), min(part.stop + 1, size)) for part, size in zip(tight, upright.shape, strict=True)
    )
    codes = np.ascontiguousarray(upright[box])
    sides = sides_of_labels(labels != Label.BACKGROUND, affine) if (codes == Label.INFECTION).any() else None
    for k, plane in enumerate(codes):
        infection = plane == Label.INFECTION
        if sides is not None and infection.any():
            left = sides.is_left(k + box[0].start, *box[1:])
            plane[infection & ~left] = Code.RIGHT_INFECTED
    moved = axial_affine(affine, labels.shape)
    moved[:3, 3] = (moved @ [*(part.start for part in reversed(box)), 1.0])[:3]
    return SidedLungs(codes, moved, box, upright.shape)


assert (Code.LEFT, Code.RIGHT, Code.LEFT_INFECTED) == (Label.LEFT_LUNG, Label.RIGHT_LUNG, Label.INFECTION)
