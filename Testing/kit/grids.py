"""Grids in every direction, for tests that hypothesis draws."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

SHAPE = (3, 4, 5)
AXES = st.permutations((0, 1, 2))
SIGNS = st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3)


def grid_affine(axes: list[int], signs: tuple[float, ...], spacings: tuple[float, ...], degrees: float) -> np.ndarray:
    """IJK→RAS of a grid whose I, J, K run along the RAS ``axes`` with ``signs``, tilted by ``degrees``."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[axis, column] = sign * spacings[column]
    angle = np.deg2rad(degrees)
    tilt = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    affine[:3, :3] = tilt @ affine[:3, :3]
    affine[:3, 3] = (11, -7, 100)
    return affine
