"""What is seen of the lungs in a scan whose values are shifted."""

from __future__ import annotations

import numpy as np
import pytest

from CovidSegLib.geometry.grid import Grid
from CovidSegLib.measures import measure
from Testing.kit.small_phantom import small_phantom


@pytest.mark.parametrize("shift", [-500, -1024])
def test_air_that_was_shifted_is_no_field_of_view_that_ends_and_padding_still_is(shift: int) -> None:
    phantom = small_phantom()
    labels, grid = phantom.truth, Grid(phantom.volume.affine, phantom.truth.shape)
    moved = (phantom.volume.voxels + shift).astype(np.int16)
    assert measure(labels, grid, voxels=moved).partly_visible == measure(labels, grid).partly_visible
    edge = int(np.argwhere(labels.any(axis=(0, 1)))[:, 0].mean())
    moved[:, :, edge:] = -4000
    assert "round field of view" in measure(labels, grid, voxels=moved).flags[0]
