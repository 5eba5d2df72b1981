"""Grids: the upright view and the way back, sizes, parts, and whether two grids have the same voxels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from CovidSegLib.geometry.grid import Grid, UprightOrder
from Testing.kit.grids import AXES, SHAPE, SIGNS, grid_affine

SPACINGS = st.tuples(*[st.floats(0.3, 8)] * 3)
PLAIN = Grid(np.diag((-1.0, -2.0, 3.0, 1.0)), SHAPE)


@given(AXES, SIGNS, SPACINGS, st.floats(-30, 30))
def test_upright_slices_keep_every_voxel_where_it_is_in_the_patient(axes, signs, spacings, degrees):
    grid = Grid(grid_affine(axes, signs, spacings, degrees), SHAPE)
    k, j, i = np.indices(SHAPE)
    places = grid.to_ras(np.stack([i, j, k], axis=-1))
    for row in range(3):
        upright = grid.to_upright(places[..., row])
        z, y, x = np.indices(upright.shape)
        expected = grid.upright.affine[row] @ np.stack([x.ravel(), y.ravel(), z.ravel(), np.ones(x.size)])
        np.testing.assert_allclose(upright.ravel(), expected, atol=1e-6)
    assert grid.upright.shape == upright.shape


@given(AXES, SIGNS, SPACINGS, st.floats(-30, 30))
def test_upright_slices_run_to_the_head_the_back_and_the_left(axes, signs, spacings, degrees):
    upright = Grid(grid_affine(axes, signs, spacings, degrees), SHAPE).upright.affine
    cosines = upright[:3, :3] / np.linalg.norm(upright[:3, :3], axis=0)
    assert cosines[0, 0] < -0.8  # columns to the left: RAS x falls
    assert cosines[1, 1] < -0.8  # rows to the back: RAS y falls
    assert cosines[2, 2] > 0.8  # slices to the head


@given(AXES, SIGNS)
def test_the_way_back_undoes_the_way_to_upright_slices(axes, signs):
    grid = Grid(grid_affine(axes, signs, (1, 2, 3), 10), SHAPE)
    array = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    np.testing.assert_array_equal(grid.from_upright(grid.to_upright(array)), array)


@given(AXES, SIGNS)
def test_a_box_has_the_same_voxels_in_the_upright_view(axes, signs):
    grid = Grid(grid_affine(axes, signs, (1, 2, 3), 10), SHAPE)
    array = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    box = np.s_[0:2, 1:3, 1:2]
    part = grid.to_upright(array)[grid.order.upright_box(box, SHAPE)]
    np.testing.assert_array_equal(grid.from_upright(part), array[box])


def test_upright_slices_are_views_not_copies():
    array = np.zeros(SHAPE)
    assert np.shares_memory(PLAIN.to_upright(array), array)


def test_spacing_and_voxel_volume_are_those_of_an_oblique_anisotropic_grid():
    grid = Grid(grid_affine([1, 0, 2], (1, -1, 1), (0.5, 0.8, 5), 20), SHAPE)
    assert grid.spacing == pytest.approx((0.5, 0.8, 5))
    assert grid.upright.spacing == pytest.approx((0.8, 0.5, 5))
    assert grid.voxel_ml == pytest.approx(0.5 * 0.8 * 5 / 1000)


def test_a_part_of_a_grid_begins_at_the_first_voxel_of_its_box():
    part = PLAIN.part((slice(1, 3), slice(0, 2), slice(2, 5)))
    assert part.shape == (2, 2, 3)
    np.testing.assert_allclose(part.to_ras((0, 0, 0)), PLAIN.to_ras((2, 0, 1)))


def test_a_grid_holds_its_parts_turned_or_not_and_nothing_that_reaches_out_or_lies_between_its_voxels():
    part = PLAIN.part((slice(1, 3), slice(0, 2), slice(2, 5)))
    turned = np.array(part.affine)
    turned[:3, 0] *= -1
    turned[:3, 3] = part.to_ras((2, 0, 0))
    assert PLAIN.holds(part)
    assert PLAIN.holds(Grid(turned, part.shape))
    assert not part.holds(PLAIN)
    for step in ((0.3, 0, 0), (0, 2, 0), (0, 0, 300)):
        moved = np.array(part.affine)
        moved[:3, 3] += step
        assert not PLAIN.holds(Grid(moved, part.shape))


def test_grids_are_as_far_apart_as_their_farthest_corners():
    tilted = PLAIN.affine.copy()
    tilted[2, 0] = 0.01  # the last of five columns lies 0.04 mm higher
    assert PLAIN.apart_mm(Grid(tilted, SHAPE)) == pytest.approx(0.04)
    assert PLAIN.apart_mm(Grid(PLAIN.affine, (3, 4, 6))) == np.inf


@pytest.mark.parametrize(
    ("affine", "shape"),
    [
        (np.eye(3), SHAPE),
        (np.diag((1.0, 1, 0, 1)), SHAPE),
        (np.diag((1.0, 1, np.nan, 1)), SHAPE),
        (np.diag((1.0, 1, 1, 2)), SHAPE),
        (np.eye(4), (3, 4)),
    ],
)
def test_a_grid_of_another_form_is_refused(affine, shape):
    with pytest.raises(ValueError, match=r"affine|shape"):
        Grid(affine, shape)


def test_a_turned_order_is_a_rotation_and_no_mirror():
    order = UprightOrder((0, 1, 2), (False, True, False))
    for turned in order.turned((0, 1, 2)):
        assert sum(turned.flips) % 2 == 1
