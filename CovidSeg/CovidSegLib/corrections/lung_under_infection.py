"""The lung under the infection, told by the labels alone: no grid and no orientation is needed.

What is joined with a reader's segments is an array. Where its infection must not be drawn, the lung that it lies in is.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
import scipy

from ..geometry.masks import grow_apart
from ..geometry.resampling import block_sums
from ..segmentation import Label

LONGEST = 128
"""Blocks along the longest edge at most: about 3 mm, as :mod:`.anatomy.lungs` takes them."""


def lungs_under_infection(labels: np.ndarray) -> np.ndarray:
    """uint8 ``labels`` (three axes) of :class:`Label` with lung of its own side in the place of infection.

    The lungs grow into infection that touches them, voxel by voxel and at the same pace, so that a lung that is mostly
    infected does not fall to the other one; what touches none goes to the nearest. Without any lung nothing is known of
    sides, and infection becomes background.
    """
    if not (labels == Label.INFECTION).any():
        return labels.copy()
    step = -(-max(labels.shape) // LONGEST)
    coarse = _lungs_of_blocks(labels, step)
    return np.stack([_filled(plane, coarse[k // step], step) for k, plane in enumerate(labels)])


def _filled(plane: np.ndarray, coarse: np.ndarray, step: int) -> np.ndarray:
    """One plane of labels with infection replaced by what ``coarse`` says of its block."""
    rows, columns = np.nonzero(plane == Label.INFECTION)
    filled = plane.copy()
    filled[rows, columns] = coarse[rows // step, columns // step]
    return filled


def _lungs_of_blocks(labels: np.ndarray, step: int) -> np.ndarray:
    """The lung of every block of ``step`` voxels' edge that has lung or infection, and of every other the nearest."""
    left, right, infected = (
        np.stack([_count(labels[k : k + step] == label, step) for k in range(0, len(labels), step)])
        for label in (Label.LEFT_LUNG, Label.RIGHT_LUNG, Label.INFECTION)
    )
    is_left, is_right = (left > 0) & (left >= right), right > left
    is_left, is_right = grow_apart(is_left, is_right, infected > 0)
    lungs = is_left * np.uint8(Label.LEFT_LUNG) + is_right * np.uint8(Label.RIGHT_LUNG)
    if ((infected > 0) & (lungs == 0)).any() and lungs.any():
        nearest = scipy.ndimage.distance_transform_edt(lungs == 0, return_distances=False, return_indices=True)
        lungs = lungs[tuple(nearest)]
    return lungs


def _count(slab: np.ndarray, step: int) -> np.ndarray:
    return reduce(np.add, (block_sums(plane, step, step).astype(np.uint32) for plane in slab))
