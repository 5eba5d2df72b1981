"""The CT volume, its geometry, and the way to upright slices and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from CovidSegLib.geometry.volume import CtVolume, axial_affine, axial_order, axial_spacing, spacing, voxel_ml

SHAPE = (3, 4, 5)
AXES = st.permutations((0, 1, 2))
SIGNS = st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3)
SPACINGS = st.tuples(*[st.floats(0.3, 8)] * 3)


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


@given(AXES, SIGNS, SPACINGS, st.floats(-30, 30))
def test_upright_slices_keep_every_voxel_where_it_is_in_the_patient(axes, signs, spacings, degrees):
    affine = grid_affine(axes, signs, spacings, degrees)
    order, upright_affine = axial_order(affine), axial_affine(affine, SHAPE)
    k, j, i = np.indices(SHAPE)
    for row in range(3):
        place = affine[row, 0] * i + affine[row, 1] * j + affine[row, 2] * k + affine[row, 3]
        upright = order.to_axial(place)
        z, y, x = np.indices(upright.shape)
        expected = upright_affine[row] @ np.stack([x.ravel(), y.ravel(), z.ravel(), np.ones(x.size)])
        np.testing.assert_allclose(upright.ravel(), expected, atol=1e-6)


@given(AXES, SIGNS, SPACINGS, st.floats(-30, 30))
def test_upright_slices_run_to_the_head_the_back_and_the_left(axes, signs, spacings, degrees):
    upright = axial_affine(grid_affine(axes, signs, spacings, degrees), SHAPE)
    cosines = upright[:3, :3] / np.linalg.norm(upright[:3, :3], axis=0)
    assert cosines[0, 0] < -0.8  # columns to the left: RAS x falls
    assert cosines[1, 1] < -0.8  # rows to the back: RAS y falls
    assert cosines[2, 2] > 0.8  # slices to the head


@given(AXES, SIGNS, SPACINGS, st.floats(-30, 30))
def test_the_voxel_size_of_upright_slices_is_that_of_their_affine(axes, signs, spacings, degrees):
    affine = grid_affine(axes, signs, spacings, degrees)
    assert axial_spacing(affine) == pytest.approx(spacing(axial_affine(affine, SHAPE)))


@given(AXES, SIGNS)
def test_the_way_back_undoes_the_way_to_upright_slices(axes, signs):
    order = axial_order(grid_affine(axes, signs, (1, 2, 3), 10))
    array = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    np.testing.assert_array_equal(order.from_axial(order.to_axial(array)), array)


def test_upright_slices_are_views_not_copies():
    array = np.zeros(SHAPE)
    assert np.shares_memory(axial_order(np.diag((1.0, 1, 1, 1))).to_axial(array), array)


def test_spacing_and_voxel_volume_are_those_of_an_oblique_anisotropic_grid():
    affine = grid_affine([1, 0, 2], (1, -1, 1), (0.5, 0.8, 5), 20)
    assert spacing(affine) == pytest.approx((0.5, 0.8, 5))
    assert voxel_ml(affine) == pytest.approx(0.5 * 0.8 * 5 / 1000)


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
    affine = grid_affine(axes, signs, (1.0, 1.0, 1.0), 0.0)
    stored = np.ascontiguousarray(axial_order(affine).from_axial(upright))
    known = CtVolume(upright, np.diag((-1.0, -1.0, 1.0, 1.0))).fingerprint
    assert CtVolume(stored, affine).fingerprint == known
    stored[0, 0, 0] += 1
    assert CtVolume(stored, affine).fingerprint != known
