"""Dark lung is counted on both sides, infection included."""

from __future__ import annotations

import numpy as np
import pytest

from CovidSegLib.geometry.grid import Grid
from CovidSegLib.measures import measure
from Testing.kit.blocks import UPRIGHT, block_labels, block_scan


def test_lung_below_950_hu_is_a_share_of_both_lungs() -> None:
    labels = block_labels()
    scan = block_scan(labels)
    dark = (labels > 0) & (np.arange(labels.shape[2]) % 2 == 0)
    scan[dark] = -980
    scan[(labels > 0) & ~dark] = -800
    measured = measure(labels, Grid(UPRIGHT, labels.shape), voxels=scan)
    share = 100 * np.count_nonzero(dark) / np.count_nonzero(labels)
    assert measured.more["more.low_attenuation_percent"] == pytest.approx(share)
