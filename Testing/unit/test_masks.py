"""Quick ways to ask a mask, held to the plain ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from CovidSegLib.geometry.masks import bounding_box, grow_apart, grown

SHAPES = st.tuples(*[st.integers(1, 6)] * 3)


def some_mask(shape: tuple[int, int, int], seed: int, share: float) -> np.ndarray:
    return np.random.default_rng(seed).random(shape) < share


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.integers(0, 1000), st.sampled_from((0.0, 0.03, 0.3, 1.0)))
def test_boxes_and_neighbours_are_those_of_scipy(shape: tuple, seed: int, share: float) -> None:
    mask = some_mask(shape, seed, share)
    found = ndimage.find_objects(mask.astype(np.uint8))
    assert bounding_box(mask) == (found[0] if found else None)
    labels = np.where(mask, 3, 2).astype(np.uint8)[::-1, :, ::-1]  # a view that runs backwards
    for kind in (np.uint8, np.int16, np.int64, np.float32):  # files of other programs have any of these
        assert bounding_box(labels.astype(kind), 3) == bounding_box(labels == 3)
    assert np.array_equal(grown(mask), ndimage.binary_dilation(mask))


@settings(max_examples=200, deadline=None)
@given(SHAPES, st.integers(0, 1000), st.sampled_from((0.03, 0.2)), st.sampled_from((0.3, 0.7, 1.0)))
def test_two_masks_that_grow_meet_half_way(shape: tuple, seed: int, seeds: float, share: float) -> None:
    """Each voxel goes to the mask from which the way to it, inside, is the shorter; the first one's at par."""
    first = some_mask(shape, seed, seeds)
    second = some_mask(shape, seed + 1, seeds) & ~first
    within = some_mask(shape, seed + 2, share)
    free = within & ~first & ~second
    labels = first + 2 * second.astype(int)
    while True:
        nearest = [ndimage.binary_dilation(labels == which) & free & (labels == 0) for which in (1, 2)]
        if not (nearest[0] | nearest[1]).any():
            break
        labels[nearest[1]] = 2
        labels[nearest[0]] = 1
    found = grow_apart(first, second, within)
    assert np.array_equal(found[0], labels == 1)
    assert np.array_equal(found[1], labels == 2)
