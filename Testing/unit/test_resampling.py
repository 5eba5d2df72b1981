"""The one resampler."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.transform import resize

from CovidSegLib.geometry.resampling import PlaneResampler, axis_weights


@given(st.integers(2, 40), st.integers(1, 40), st.floats(-5, 5), st.floats(0.1, 6))
def test_a_constant_stays_constant_inside_and_fades_outside(size, new_size, first, step):
    values = axis_weights(size, new_size, first, step) @ np.ones(size, np.float32)
    positions = first + step * np.arange(new_size)
    reach = max(1.0, step)
    inside = (positions - reach >= -1) & (positions + reach <= size)
    np.testing.assert_allclose(values[inside], 1, atol=1e-5)
    assert (values <= 1 + 1e-5).all()
    far = (positions < -reach) | (positions > size - 1 + reach)
    np.testing.assert_array_equal(values[far], 0)


def test_finer_sampling_is_bilinear_interpolation():
    line = np.array([0.0, 10.0, 20.0, 5.0], np.float32)
    positions = 0.25 + 0.5 * np.arange(5)
    expected = np.interp(positions, np.arange(4), line)
    np.testing.assert_allclose(axis_weights(4, 5, 0.25, 0.5) @ line, expected, atol=1e-5)


def test_coarser_sampling_does_not_alias():
    stripes = np.tile([0.0, 1.0], 128).astype(np.float32)[None].repeat(256, axis=0)
    weights = axis_weights(256, 64, 1.5, 4.0)
    small = PlaneResampler(weights, weights)(stripes)
    assert np.abs(small[2:-2, 2:-2] - 0.5).max() < 0.01


def test_shrinking_agrees_with_scikit_image_on_a_smooth_picture():
    y, x = np.mgrid[:120, :160] / 20.0
    picture = (np.sin(y) + np.cos(x)).astype(np.float32)
    rows, columns = axis_weights(120, 60, 0.5, 2.0), axis_weights(160, 80, 0.5, 2.0)
    expected = resize(picture, (60, 80), order=1, anti_aliasing=True)
    assert np.abs(PlaneResampler(rows, columns)(picture) - expected)[2:-2, 2:-2].max() < 0.02


def test_a_step_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="positive"):
        axis_weights(4, 4, 0.0, 0.0)
