"""The one way in which planes are resampled: separable, linear, with anti-aliasing.

A triangle filter as wide as the larger of the two pixel sizes: bilinear interpolation where the result is finer, an
area-weighted mean where it is coarser (the "antialias" resize of Pillow and TensorFlow). It is kept as two sparse
matrices, so that a crop, a change of scale and what lies outside the plane are one product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse


def axis_weights(size: int, new_size: int, first: float, step: float) -> sparse.csr_matrix:
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
    return sparse.csr_matrix(
        (weights[inside].astype(np.float32), (rows[inside], columns[inside])), shape=(new_size, size)
    )


@dataclass(frozen=True)
class PlaneResampler:
    """Takes planes of one size to planes of another: ``rows`` (new, old) and ``columns`` (new, old) weights."""

    rows: sparse.csr_matrix
    columns: sparse.csr_matrix

    def __call__(self, plane: np.ndarray) -> np.ndarray:
        """``plane`` (rows, columns), any number type → float32 on the new grid; 0 where nothing was."""
        narrow = self.rows @ np.ascontiguousarray(plane, dtype=np.float32)
        return np.ascontiguousarray((self.columns @ narrow.T).T, dtype=np.float32)
