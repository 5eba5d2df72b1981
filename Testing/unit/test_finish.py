"""Finished masks: on the grid, infection inside lung, specks gone."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from CovidSegLib.anatomy import finish as finish_module
from CovidSegLib.anatomy.finish import FinishOptions, RoughMask, finish
from CovidSegLib.errors import InputError
from CovidSegLib.network.input_form import INPUT_SHAPE
from CovidSegLib.network.inputs import Crop, SliceFraming
from CovidSegLib.segmentation import Label

SPACING = (2.0, 2.0, 2.0)
SHAPE = (20, 90, 120)
LUNG, INFECTION = 1, 2


def rough() -> RoughMask:
    """Two lungs and one lesion, drawn as bits."""
    mask = RoughMask(SHAPE, FinishOptions())
    mask.bits[2:18, 20:70, 15:50] = LUNG
    mask.bits[2:18, 20:70, 70:105] = LUNG
    mask.bits[8:12, 50:60, 75:90] |= INFECTION
    return mask


def test_every_voxel_gets_the_label_of_its_side_and_infection_stays():
    labels = finish(rough(), SPACING, FinishOptions())
    assert (labels[2:18, 20:70, 15:50] == Label.RIGHT_LUNG).all()
    assert (labels[8:12, 50:60, 75:90] == Label.INFECTION).all()
    assert np.count_nonzero(labels == Label.LEFT_LUNG) == 16 * 50 * 35 - 4 * 10 * 15
    assert np.count_nonzero(labels) == 2 * 16 * 50 * 35


def test_one_lung_that_tells_nothing_gets_no_side_but_a_sentence():
    mask = RoughMask((20, 90, 40), FinishOptions())
    mask.bits[2:18, 5:85, 3:37] = LUNG
    with pytest.raises(InputError, match="whether it is the left or the right one"):
        finish(mask, SPACING, FinishOptions())


def test_lung_too_small_to_be_one_goes_with_the_infection_in_it():
    mask = rough()
    mask.bits[0:2, 80:84, 2:8] = LUNG | INFECTION  # air beside the table
    labels = finish(mask, SPACING, FinishOptions())
    assert not labels[0:2, 80:84, 2:8].any()


def test_a_speck_of_infection_becomes_lung():
    mask = rough()
    mask.bits[4, 30, 30] |= INFECTION
    labels = finish(mask, SPACING, FinishOptions(infection_ml=0.05))
    assert labels[4, 30, 30] == Label.RIGHT_LUNG
    assert (labels[8:12, 50:60, 75:90] == Label.INFECTION).all()


def test_no_speck_is_dropped_when_none_is_too_small():
    mask = rough()
    mask.bits[4, 30, 30] |= INFECTION
    assert finish(mask, SPACING, FinishOptions(infection_ml=0.0))[4, 30, 30] == Label.INFECTION


def test_nothing_found_is_all_background():
    assert not finish(RoughMask(SHAPE, FinishOptions()), SPACING, FinishOptions()).any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 7), st.integers(0, 7), st.sampled_from((0.6, 1.0, 2.0)))
def test_where_in_the_picture_the_lungs_lie_changes_no_voxel(seed: int, down: int, right: int, pixel_mm: float):
    bits = np.zeros((4, 24, 30), np.uint8)
    bits[:, 3 + down : 12 + down, 2 + right : 17 + right] = np.random.default_rng(seed).choice(
        [0, LUNG, LUNG | INFECTION], (4, 9, 15), p=[0.95, 0.04, 0.01]
    )
    parts = [bits.copy() for _ in range(2)]
    with mock.patch.object(finish_module, "_on_blocks", lambda whole, block: whole):
        finish_module._drop_small(parts[0], LUNG, 4, (pixel_mm, pixel_mm, 2.0), LUNG | INFECTION)
    finish_module._drop_small(parts[1], LUNG, 4, (pixel_mm, pixel_mm, 2.0), LUNG | INFECTION)
    assert np.array_equal(*parts)


@pytest.mark.parametrize("threshold", [0.3, 0.7])
def test_probabilities_are_resized_first_and_then_compared(threshold):
    framing = SliceFraming((45, 60), Crop(0, 0, 45, 60), 0)
    probabilities = np.zeros((*INPUT_SHAPE, 3), np.float32)
    probabilities[..., 1] = 1
    ramp = np.linspace(0, 1, INPUT_SHAPE[1], dtype=np.float32)
    probabilities[..., 2] = ramp
    probabilities[..., 1] = 1 - ramp
    mask = RoughMask((1, 45, 60), FinishOptions(infection=threshold))
    mask.add(framing, 0, probabilities)
    assert (mask.bits[0, 10:35, 5:55] & LUNG).all()
    edge = np.flatnonzero(mask.bits[0, 20] & INFECTION)[0]
    assert edge == pytest.approx(threshold * 60, abs=1.5)


def test_only_what_may_reach_a_threshold_is_resized_and_the_masks_are_as_if_all_were():
    random = np.random.default_rng(0)
    blurred = [ndimage.gaussian_filter(random.normal(size=INPUT_SHAPE), 9) for _class in range(2)]
    lung, infection = (np.clip(0.5 + 12 * plane, 0, 1).astype(np.float32) for plane in blurred)
    probabilities = np.stack([1 - lung, lung * (1 - infection), lung * infection], axis=-1)
    framing, options = SliceFraming((130, 150), Crop(-4, 6, 140, 140), 0), FinishOptions()
    mask = RoughMask((1, 130, 150), options)
    mask.add(framing, 0, probabilities)
    plain, infected = (framing.from_network(probabilities[..., place]) for place in (1, 2))
    expected = plain + infected >= options.lung, infected >= options.infection
    np.testing.assert_array_equal(mask.bits[0] > 0, expected[0])
    np.testing.assert_array_equal(mask.bits[0] & INFECTION > 0, expected[0] & expected[1])
    drawn = mask.bits[0] & INFECTION > 0
    np.testing.assert_array_equal(mask.infection[0][drawn], np.rint(255 * infected)[drawn])
    assert 0.1 < drawn.mean() < 0.9 * (mask.bits[0] > 0).mean()


def test_infection_is_only_where_lung_is():
    framing = SliceFraming((45, 60), Crop(0, 0, 45, 60), 0)
    probabilities = np.full((*INPUT_SHAPE, 3), 0.0, np.float32)
    probabilities[..., 2] = 0.4
    mask = RoughMask((1, 45, 60), FinishOptions(infection=0.3))
    mask.add(framing, 0, probabilities)  # 0.4 infection, 0 lung: no lung at 0.5, so no infection either
    assert not mask.bits.any()
