"""Scans whose values are shifted, and volumes cropped to the lungs, get nearly the masks of the whole scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.pipeline import Options, open_engine, segment
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.segmentation import Label

OPTIONS = Options(engine="onnx", device="cpu")


def _dice(mine: np.ndarray, theirs: np.ndarray) -> float:
    return 2 * np.count_nonzero(mine & theirs) / (np.count_nonzero(mine) + np.count_nonzero(theirs))


@pytest.fixture(scope="module")
def engine():
    return open_engine(OPTIONS, Progress())


@pytest.fixture(scope="module")
def scan(shared_data) -> CtVolume:
    return read_ct(shared_data / "scans" / "images" / "coronacases_006.nii.gz", Progress())


@pytest.fixture(scope="module")
def labels(scan, engine) -> np.ndarray:
    return segment(scan, OPTIONS, Progress(), engine=engine).labels


@pytest.mark.parametrize("shift", [-80, 100])
def test_a_shift_of_all_values_is_said_and_changes_hardly_a_voxel(scan, labels, engine, shift):
    shifted = replace(scan, voxels=(scan.voxels + shift).astype(np.int16))
    result = segment(shifted, OPTIONS, Progress(), engine=engine)
    assert any("Fat and muscle lie" in warning for warning in result.provenance.warnings)
    assert _dice(result.labels > 0, labels > 0) > 0.995
    assert _dice(result.labels == Label.INFECTION, labels == Label.INFECTION) > 0.96


def test_a_volume_cropped_to_the_lungs_gets_the_masks_of_the_whole_scan(scan, labels, engine):
    order = scan.grid.order
    upright, whole = order.to_upright(scan.voxels), order.to_upright(labels)
    rows, columns = (np.flatnonzero((whole > 0).any(axis=axes))[[0, -1]] for axes in ((0, 2), (0, 1)))
    seen = (slice(None), slice(rows[0] - 4, rows[1] + 5), slice(columns[0] - 4, columns[1] + 5))
    cropped = CtVolume(np.ascontiguousarray(upright[seen]), np.diag([-1.0, -1.0, 2.0, 1.0]), "cropped")
    result = segment(cropped, OPTIONS, Progress(), engine=engine)
    found = result.grid.to_upright(result.labels)
    assert _dice(found > 0, whole[seen] > 0) > 0.97
    assert _dice(found == Label.INFECTION, whole[seen] == Label.INFECTION) > 0.85
