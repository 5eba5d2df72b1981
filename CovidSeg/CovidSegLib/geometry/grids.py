"""Voxels of one grid on another that has the same voxels: turned, cropped or extended, never interpolated."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..i18n import tr as _

_TOLERANCE = 0.05
"""In voxels: programs round the numbers that describe a grid."""


def on_grid(array: np.ndarray, own: np.ndarray, affine: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """``array`` (z, y, x) with IJK→RAS ``own``, on the grid of ``affine`` and ``shape`` (z, y, x); 0 where it is not.

    Slicer saves the part of a grid that is filled, other programs may turn its axes. Raises InputError when the voxels
    are not voxels of the grid, or when one that is not 0 lies outside of it.
    """
    result = np.zeros(shape, array.dtype)
    filled = np.count_nonzero(array)
    if filled == 0:  # of an empty segmentation the grid means nothing
        return result
    turn, shift = _whole_steps(np.linalg.inv(affine) @ own, array.shape)
    # Steps are in the order x, y, z, arrays in the order z, y, x.
    source = [2 - int(np.argmax(np.abs(turn[2 - axis]))) for axis in range(3)]
    flips = [turn[2 - axis].sum() < 0 for axis in range(3)]
    turned = array.transpose(source)[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
    here, there = [], []
    for axis, size in enumerate(turned.shape):
        first = int(shift[2 - axis]) - (size - 1 if flips[axis] else 0)
        start, stop = max(0, first), max(0, min(shape[axis], first + size))
        here.append(slice(start, max(start, stop)))
        there.append(slice(start - first, max(start, stop) - first))
    part = turned[tuple(there)]
    result[tuple(here)] = part
    if np.count_nonzero(part) != filled:
        raise _another_scan()
    return result


def is_inside(own: np.ndarray, own_shape: tuple[int, ...], affine: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether all voxels of the grid ``own``, ``own_shape`` (z, y, x) are voxels of that of ``affine``, ``shape``.

    Both matrices are IJK→RAS.
    """
    try:
        turn, shift = _whole_steps(np.linalg.inv(affine) @ own, own_shape)
    except InputError:
        return False
    ends = np.array([shift, turn @ (np.array(own_shape[::-1]) - 1) + shift])
    return bool((ends >= 0).all() and (ends < shape[::-1]).all())


def _whole_steps(steps: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """A map from voxel to voxel (4x4, in x, y, z) as turn (3x3 of -1, 0, 1) and shift (whole voxels); or InputError."""
    turn = np.rint(steps[:3, :3])
    middle = (np.array(shape[::-1]) - 1) / 2
    shift = steps[:3, :3] @ middle + steps[:3, 3] - turn @ middle
    off = np.abs(steps[:3, :3] - turn) @ middle + np.abs(shift - np.rint(shift))
    is_turn = all((np.abs(turn).sum(axis=axis) == 1).all() for axis in (0, 1))
    if not is_turn or off.max() > _TOLERANCE:
        raise _another_scan()
    return turn, np.rint(shift)


def _another_scan() -> InputError:
    return InputError(_("The segmentation belongs to another scan: its voxels are not those of this one."))
