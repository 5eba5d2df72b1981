"""Outline scores on shapes that can be measured by hand, against a slow reference, and on empty masks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from CovidSegTraining.judge.metrics import border_points, mean_with_interval, slice_surface_scores, surface_scores

SHAPE = (8, 30, 40)


def box(rows: tuple[int, int], columns: tuple[int, int], slices: tuple[int, int] = (2, 6)) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[slice(*slices), slice(*rows), slice(*columns)] = True
    return mask


def slow_distances(mask: np.ndarray, other: np.ndarray, spacing) -> np.ndarray:
    """The textbook way: the distance transform of all that is not the other one's border."""
    borders = [m & ~ndimage.binary_erosion(np.pad(m, 1))[1:-1, 1:-1, 1:-1] for m in (mask, other)]
    return ndimage.distance_transform_edt(~borders[1], spacing[::-1])[borders[0]]


@given(st.integers(0, 10_000), st.sampled_from([(1.0, 1.0, 1.0), (0.7, 0.7, 5.0), (2.0, 1.0, 0.5)]))
def test_scores_agree_with_the_textbook_way(seed, spacing):
    random = np.random.default_rng(seed)
    masks = [ndimage.gaussian_filter(random.normal(size=SHAPE), 2) > 0.05 for _ in range(2)]
    there, back = slow_distances(*masks, spacing), slow_distances(*masks[::-1], spacing)
    found = surface_scores(*masks, spacing, 2.0)
    near = np.count_nonzero(there <= 2) + np.count_nonzero(back <= 2)
    assert found.dice == pytest.approx(near / (there.size + back.size))
    assert found.hausdorff == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))


def test_the_same_mask_twice_is_perfect():
    mask = box((5, 20), (10, 30))
    for found in (surface_scores(mask, mask, (0.7, 0.7, 5), 1), slice_surface_scores(mask, mask, 1)):
        assert (found.dice, found.hausdorff) == (1, 0)


def test_a_shift_by_three_columns_is_three_pixels_and_three_times_the_spacing():
    mask, shifted = box((5, 25), (10, 12)), box((5, 25), (13, 15))
    assert surface_scores(mask, shifted, (0.5, 9.0, 9.0), 1).hausdorff == pytest.approx(1.5)
    assert slice_surface_scores(mask, shifted, 1).hausdorff == pytest.approx(3)
    assert surface_scores(mask, shifted, (0.5, 9.0, 9.0), 1.5).dice == 1
    assert surface_scores(mask, shifted, (0.5, 9.0, 9.0), 0.9).dice == 0


def test_spacing_along_the_slices_counts_in_mm_but_not_in_pixels():
    mask, longer = box((5, 25), (10, 30), (2, 5)), box((5, 25), (10, 30), (2, 6))
    assert surface_scores(mask, longer, (1, 1, 6), 3).hausdorff == pytest.approx(6)
    # Slice by slice, the fourth slice has no outline to compare with: the diagonal.
    assert slice_surface_scores(mask, longer, 3).hausdorff == pytest.approx(math.hypot(30, 40))


def test_two_empty_masks_measure_nothing():
    empty = np.zeros(SHAPE, bool)
    for found in (surface_scores(empty, empty, (1, 1, 1), 1), slice_surface_scores(empty, empty, 1)):
        assert math.isnan(found.dice)
        assert math.isnan(found.hausdorff)


@pytest.mark.parametrize("swap", [False, True], ids=["invented", "missed"])
def test_one_empty_mask_is_as_bad_as_can_be(swap):
    masks = [box((5, 20), (10, 30)), np.zeros(SHAPE, bool)][:: -1 if swap else 1]
    found = surface_scores(*masks, (1, 2, 3), 1)
    assert (found.dice, found.hausdorff) == (0, pytest.approx(np.linalg.norm((8 * 3, 30 * 2, 40))))
    found = slice_surface_scores(*masks, 1)
    assert (found.dice, found.hausdorff) == (0, pytest.approx(math.hypot(30, 40)))


def test_the_border_of_a_single_slice_is_its_outline():
    mask = box((5, 9), (10, 14), (0, 1))[:1]
    assert len(border_points(mask, (1, 1, 1))) == 12
    assert len(border_points(box((5, 9), (10, 14), (2, 5)), (1, 1, 1))) == 3 * 16 - 4


def test_a_mask_at_the_edge_of_the_grid_has_a_border_there():
    assert len(border_points(np.ones((3, 3, 3), bool), (1, 1, 1))) == 26


def test_the_interval_holds_the_mean_and_ignores_what_was_not_measured():
    mean, low, high = mean_with_interval([0.7, 0.8, 0.9, math.nan])
    assert mean == pytest.approx(0.8)
    assert 0.699 <= low < mean < high <= 0.901
