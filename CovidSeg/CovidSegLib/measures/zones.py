"""Thirds of each lung by height, and the count of every code in every third."""

from __future__ import annotations

import numpy as np

from ..geometry.grid import Grid
from .sided import LEFT_CODES, RIGHT_CODES, Code

LEVELS = ("lower", "middle", "upper")
"""Thirds, in the order of the S axis."""

_CODES = len(Code)
_ALIGNED = 1e-6


def count_zones(codes: np.ndarray, grid: Grid) -> np.ndarray:
    """How many voxels of each code lie in each third of their lung's height: int64 (5 codes, 3 levels).

    ``codes``: uint8 (z, y, x) of :class:`Code` on ``grid``. A lung's height runs along S from the lower edge
    of its lowest voxel to the upper edge of its highest one; a voxel belongs to the third in which its centre lies,
    also on an oblique grid.
    """
    s_x, s_y, s_z, s_0 = grid.affine[2]
    oblique = max(abs(s_x), abs(s_y)) > _ALIGNED
    rows, columns = (np.arange(size, dtype=np.float32) for size in codes.shape[1:])
    voxel = np.abs(grid.affine[2, :3]).sum()
    if not oblique:
        return _of_planes(codes, s_z * np.arange(len(codes)) + s_0, voxel)
    tilt = np.float32(s_y) * rows[:, None] + np.float32(s_x) * columns
    edges = [_height(codes, side, tilt, s_z, s_0, voxel) for side in (LEFT_CODES, RIGHT_CODES)]
    counts = np.zeros((_CODES, 3), np.int64)
    for k, plane in enumerate(codes):
        heights = tilt + (s_z * k + s_0)
        for (low, high), side in zip(edges, (LEFT_CODES, RIGHT_CODES), strict=True):
            keys = _level(heights, low, high) * _CODES + plane
            found = np.bincount(keys.ravel(), minlength=3 * _CODES).reshape(3, _CODES)
            counts[list(side)] += found.T[list(side)]
    return counts


def _of_planes(codes: np.ndarray, heights: np.ndarray, voxel: float) -> np.ndarray:
    """:func:`count_zones` where all voxels of a plane have one height; ``heights`` (z): in mm along S."""
    counts = np.zeros((_CODES, 3), np.int64)
    # Counting in bool is several times as fast as np.bincount.
    of_planes = np.array([[np.count_nonzero(plane == code) for code in Code] for plane in codes])
    for side in (LEFT_CODES, RIGHT_CODES):
        own = of_planes[:, list(side)]
        lung = heights[own.any(axis=1)]
        if lung.size:
            levels = _level(heights, lung.min() - voxel / 2, lung.max() + voxel / 2)
            np.add.at(counts, (np.array(side)[:, None], levels), own.T)
    return counts


def _level(heights: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 lower, 1 middle, 2 upper third between ``low`` and ``high`` (mm along S)."""
    return np.clip(np.floor(3 * (heights - low) / max(high - low, 1e-9)), 0, 2).astype(np.intp)


def _height(
    codes: np.ndarray, side: tuple[Code, Code], tilt: np.ndarray, s_z: float, s_0: float, voxel: float
) -> tuple[float, float]:
    """Where the lung of ``side`` begins and ends along S, in mm; (0, 0) without such a lung."""
    low, high = np.inf, -np.inf
    for k, plane in enumerate(codes):
        lung = (plane == side[0]) | (plane == side[1])
        if lung.any():
            heights = tilt[lung] + (s_z * k + s_0)
            low, high = min(low, float(heights.min())), max(high, float(heights.max()))
    return (low - voxel / 2, high + voxel / 2) if low <= high else (0.0, 0.0)
