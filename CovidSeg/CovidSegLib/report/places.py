"""Which slices a reader is shown: those with the most infection."""

from __future__ import annotations

import numpy as np

from ..geometry.grid import Grid
from ..geometry.masks import bounding_box
from ..segmentation import Label

PLANES = ("axial", "coronal", "sagittal")
"""The planes, in the order of the upright grid's axes (to head, back, left) on which they stand."""


def central_slices(labels: np.ndarray, grid: Grid) -> dict[str, int]:
    """Index, along the upright grid's own axis, of the axial, coronal and sagittal slice with the most infection.

    ``labels``: uint8 (K, J, I) on ``grid``. Without infection the most lung counts, without lung the middle.
    """
    upright = grid.to_upright(labels)
    least = Label.INFECTION
    box = bounding_box(upright, least)
    if box is None:
        least = Label.LEFT_LUNG
        box = bounding_box(upright, least)
    if box is None:
        return {plane: size // 2 for plane, size in zip(PLANES, upright.shape, strict=True)}
    chosen, places = upright[box] >= least, {}
    for axis, plane in enumerate(PLANES):
        amounts = np.count_nonzero(chosen, axis=tuple(other for other in range(3) if other != axis))
        places[plane] = box[axis].start + int(amounts.argmax())
    return places


def central_points(labels: np.ndarray, grid: Grid) -> dict[str, np.ndarray]:
    """Where :func:`central_slices` lie: RAS (mm) of a point on each of them."""
    upright = grid.upright
    points = {}
    for axis, (plane, index) in enumerate(central_slices(labels, grid).items()):
        place = [size // 2 for size in upright.shape]
        place[axis] = index
        points[plane] = upright.to_ras(place[::-1])
    return points
