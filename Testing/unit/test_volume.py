"""The CT volume: what it refuses, and its fingerprint."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from CovidSegLib.geometry.volume import CtVolume
from Testing.kit.grids import AXES, SHAPE, SIGNS, grid_affine


@pytest.mark.parametrize(
    ("voxels", "affine"),
    [
        (np.zeros((2, 2), np.int16), np.eye(4)),
        (np.zeros((2, 2, 2), np.float32), np.eye(4)),
        (np.zeros((0, 2, 2), np.int16), np.eye(4)),
        (np.zeros((2, 2, 2), np.int16), np.eye(3)),
        (np.zeros((2, 2, 2), np.int16), np.diag((1.0, 1, 0, 1))),
        (np.zeros((2, 2, 2), np.int16), np.diag((1.0, 1, np.nan, 1))),
    ],
)
def test_a_volume_of_another_form_is_refused(voxels, affine):
    with pytest.raises(ValueError, match=r"voxels|affine"):
        CtVolume(voxels, affine)


@given(AXES, SIGNS)
def test_a_scan_is_known_by_its_fingerprint_whichever_way_its_axes_are_stored(axes, signs):
    upright = np.random.default_rng(0).integers(-1000, 500, SHAPE).astype(np.int16)
    known = CtVolume(upright, np.diag((-1.0, -1.0, 1.0, 1.0))).fingerprint
    order = CtVolume(upright, grid_affine(axes, signs, (1.0, 1.0, 1.0), 0.0)).grid.order
    stored = np.ascontiguousarray(order.from_upright(upright))
    affine = grid_affine(axes, signs, (1.0, 1.0, 1.0), 0.0)
    assert CtVolume(stored, affine).fingerprint == known
    stored[0, 0, 0] += 1
    assert CtVolume(stored, affine).fingerprint != known
