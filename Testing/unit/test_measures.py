"""Volumes: infection counts as lung, to the lung of its own side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CovidSegLib.measures.volumes import measure
from CovidSegLib.segmentation import Label, Provenance, Segmentation
from CovidSegLib.volume import axial_order

PROVENANCE = Provenance("m", "0", "onnx", "cpu", "s")


def upright() -> np.ndarray:
    labels = np.zeros((20, 60, 100), np.uint8)
    labels[2:18, 10:50, 10:40] = Label.RIGHT_LUNG
    labels[2:18, 10:50, 60:90] = Label.LEFT_LUNG
    labels[5:9, 20:30, 65:85] = Label.INFECTION
    labels[5:7, 20:30, 15:20] = Label.INFECTION
    return labels


@settings(max_examples=10)
@given(st.tuples(*[st.sampled_from((-1, 1))] * 3), st.permutations((0, 1, 2)))
def test_infection_is_added_to_its_own_side_in_every_orientation(signs, axes):
    sizes = (2.0, 2.5, 3.0)
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, axis in enumerate(axes):
        affine[axis, column] = signs[column] * sizes[axis]
    grid = np.ascontiguousarray(axial_order(affine).from_axial(upright()))
    volumes = measure(Segmentation(grid, affine, PROVENANCE))
    ml = 2.0 * 2.5 * 3.0 / 1000
    assert volumes.right_ml == pytest.approx(16 * 40 * 30 * ml)
    assert volumes.left_ml == pytest.approx(16 * 40 * 30 * ml)
    assert volumes.left_infection_ml == pytest.approx(4 * 10 * 20 * ml)
    assert volumes.right_infection_ml == pytest.approx(2 * 10 * 5 * ml)
    assert volumes.infection_percent == pytest.approx(100 * (800 + 100) / (2 * 16 * 40 * 30))


def test_a_wholly_infected_lung_still_counts_to_its_side():
    labels = upright()
    labels[labels == Label.LEFT_LUNG] = Label.INFECTION
    volumes = measure(Segmentation(labels, np.diag([-1.0, -1, 1, 1]), PROVENANCE))
    assert volumes.left_ml == pytest.approx(volumes.left_infection_ml)
    assert volumes.left_ml == pytest.approx(volumes.right_ml)


def test_without_lung_there_is_no_percentage():
    volumes = measure(Segmentation(np.zeros((3, 4, 5), np.uint8), np.diag([-1.0, -1, 1, 1]), PROVENANCE))
    assert volumes.total_ml == 0
    assert volumes.infection_percent is None
