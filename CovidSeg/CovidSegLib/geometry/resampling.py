"""The one way in which planes are resampled: separable, linear, with anti-aliasing.

A triangle filter as wide as the larger of the two pixel sizes: bilinear interpolation where the result is finer, an
area-weighted mean where it is coarser (the "antialias" resize of Pillow and TensorFlow). It is kept as two sparse
matrices, so that a crop, a change of scale and what lies outside the plane are one product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy


def axis_weights(size: int, new_size: int, first: float, step: float) -> scipy.sparse.csr_matrix:
    """Weights (new_size, size) that sample a line of ``size`` pixels at ``first + i * step``, in pixels.

    Rows sum to 1 inside the line and to less where the filter reaches past its ends: what is outside counts as 0.
    Raises ValueError unless ``step`` is positive.
    """
    if not step > 0:
        raise ValueError(f"step must be positive, not {step}")
    radius = max(1.0, step)
    positions = first + step * np.arange(new_size)
    reach = int(np.ceil(radius))
    columns = np.floor(positions)[:, None].astype(int) + np.arange(-reach, reach + 2)
    weights = np.clip(1.0 - np.abs(columns - positions[:, None]) / radius, 0.0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    inside = (columns >= 0) & (columns < size) & (weights > 0)
    rows = np.broadcast_to(np.arange(new_size)[:, None], columns.shape)
    return scipy.sparse.csr_matrix(
        (weights[inside].astype(np.float32), (rows[inside], columns[inside])), shape=(new_size, size)
    )


def block_sums(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Sums over blocks of ``rows`` x ``columns`` pixels; blocks at the far edges may be smaller.

    ``plane``: bool or unsigned integers (rows, columns); returns uint16, or uint32 where that could be too small. By
    adding strided views: ten times as fast as ``np.add.reduceat``.
    """
    largest = 1 if plane.dtype == bool else int(np.iinfo(plane.dtype).max)
    dtype = np.uint16 if rows * columns * largest < 1 << 16 else np.uint32
    lines = np.zeros((-(-plane.shape[0] // rows), plane.shape[1]), dtype)
    for first in range(min(rows, plane.shape[0])):
        part = plane[first::rows]
        lines[: len(part)] += part
    sums = np.zeros((len(lines), -(-plane.shape[1] // columns)), dtype)
    for first in range(min(columns, plane.shape[1])):
        part = lines[:, first::columns]
        sums[:, : part.shape[1]] += part
    return sums


def _lines(weights: scipy.sparse.csr_matrix, part: slice) -> scipy.sparse.csr_matrix:
    """``weights[part]``, without the copies."""
    first, last, _step = part.indices(weights.shape[0])
    ends = weights.indptr[first : last + 1]
    own = slice(ends[0], ends[-1])
    shape = last - first, weights.shape[1]
    return scipy.sparse.csr_matrix((weights.data[own], weights.indices[own], ends - ends[0]), shape=shape)


@dataclass(frozen=True)
class PlaneResampler:
    """Takes planes of one size to planes of another: ``rows`` (new, old) and ``columns`` (new, old) weights."""

    rows: scipy.sparse.csr_matrix
    columns: scipy.sparse.csr_matrix

    def part(self, rows: slice, columns: slice) -> PlaneResampler:
        """The resampler that gives only these rows and columns of the new plane, with the very same numbers."""
        return PlaneResampler(_lines(self.rows, rows), _lines(self.columns, columns))

    def reach(self, seen: np.ndarray) -> tuple[slice, slice] | None:
        """The rows and columns of the new plane that depend on any pixel of ``seen`` (bool, old plane); None: none."""
        lines = seen.any(axis=1), seen.any(axis=0)
        if not lines[0].any():
            return None
        rows, columns = (
            np.flatnonzero(weights @ line.astype(np.float32))
            for weights, line in zip((self.rows, self.columns), lines, strict=True)
        )
        if not (rows.size and columns.size):
            return None
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)

    def __call__(self, plane: np.ndarray) -> np.ndarray:
        """``plane`` (rows, columns), any number type → float32 on the new grid; 0 where nothing was."""
        narrow = self.rows @ np.ascontiguousarray(plane, dtype=np.float32)
        return np.ascontiguousarray((self.columns @ narrow.T).T, dtype=np.float32)
