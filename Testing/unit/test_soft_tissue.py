"""Shifted values are told by fat and muscle, and only where both are seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CovidSegLib.geometry.grid import Grid
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.reading.verdict import judge
from CovidSegLib.soft_tissue import FAT_HU, MUSCLE_HU, soft_tissue_shift


def chest(fat: float = 0.4, muscle: float = 0.6, shift: float = 0.0) -> np.ndarray:
    """HU of lungs, fat and muscle in these shares, and some bone; one row."""
    random = np.random.default_rng(5)
    tissue = [random.normal(hu, 25, int(20_000 * share)) for hu, share in ((FAT_HU, fat), (MUSCLE_HU, muscle))]
    return np.concatenate([*tissue, random.normal(-850, 60, 10_000), random.uniform(200, 900, 1500)]) + shift


@settings(max_examples=30, deadline=None)
@given(shift=st.integers(40, 120), sign=st.sampled_from((-1, 1)), fat=st.floats(0.25, 0.75))
def test_a_shift_is_found_to_fifteen_hounsfield_units(shift: int, sign: int, fat: float) -> None:
    assert abs(soft_tissue_shift([chest(fat, 1 - fat, sign * shift)]) - sign * shift) <= 15


@settings(max_examples=30, deadline=None)
@given(shift=st.integers(-15, 15), fat=st.floats(0.1, 0.9))
def test_true_values_stay_as_they_are(shift: int, fat: float) -> None:
    assert soft_tissue_shift([chest(fat, 1 - fat, shift)]) == 0


@pytest.mark.parametrize("fat", [0.0, 1.0])
@pytest.mark.parametrize("shift", [0, 60])
def test_one_peak_alone_says_nothing(fat: float, shift: float) -> None:
    assert soft_tissue_shift([chest(fat, 1 - fat, shift)]) == 0


@pytest.mark.parametrize("values", [np.zeros(100), np.full(100, -1000.0), np.arange(256.0)])
def test_what_is_no_chest_says_nothing(values: np.ndarray) -> None:
    assert soft_tissue_shift([values]) == 0


def around() -> np.ndarray:
    """HU of the air around a chest."""
    return np.full(12_000, -1000.0)


@pytest.mark.parametrize("shift", [-2048, -1024, -500, -200, 200, 500, 900, 1000, 1024, 2048])
def test_a_shift_of_hundreds_is_found_where_air_agrees(shift: int) -> None:
    assert abs(soft_tissue_shift([chest(shift=shift), around() + shift]) - shift) <= 15


def test_a_shift_of_hundreds_is_not_believed_where_nothing_is_seen_of_air_or_of_bone() -> None:
    values = chest()
    assert soft_tissue_shift([values[values > -300] + 1024]) == 0
    assert soft_tissue_shift([np.minimum(np.concatenate([values, around()]) + 500, 600)]) == 0


@pytest.mark.parametrize("window", [(-1350, 150), (-1250, 250), (-1024, 200), (-160, 240)])
@pytest.mark.parametrize("shift", [-300, -200, -150, 150, 200, 300])
def test_a_window_that_was_shifted_is_never_taken_for_hounsfield_units(shift: int, window: tuple[int, int]) -> None:
    values = np.clip(np.concatenate([chest(), around()]), *window) + shift
    voxels = np.rint(values).astype(np.int16).reshape(3, -1, 50)
    assert judge(voxels, Grid(np.diag([-1.0, -1, 1, 1]), voxels.shape)).density_refused


def test_real_scans_are_told_apart(shared_data: Path) -> None:
    found = {}
    for name in ("coronacases_001", "radiopaedia_40_86625_0", "radiopaedia_10_85902_1", "radiopaedia_27_86410_0"):
        volume = read_ct(shared_data / "scans" / "images" / f"{name}.nii.gz", Progress())
        found[name] = soft_tissue_shift([volume.voxels[:, ::4, ::4]])
    assert [found["coronacases_001"], found["radiopaedia_40_86625_0"]] == [0, 0]
    assert 90 <= found["radiopaedia_10_85902_1"] <= 120
    assert 90 <= found["radiopaedia_27_86410_0"] <= 120


def test_real_scans_that_were_shifted_are_told(shared_data: Path) -> None:
    for name in ("coronacases_001", "coronacases_009", "radiopaedia_40_86625_0"):
        values = read_ct(shared_data / "scans" / "images" / f"{name}.nii.gz", Progress()).voxels[::3, ::4, ::4]
        for shift in (-1024, -500, -200, 200, 500, 1024):
            assert abs(soft_tissue_shift([values + shift]) - shift) <= 20


@pytest.mark.parametrize("shift", [100, 150, 200])
def test_a_real_picture_in_another_window_is_never_measured_wherever_it_is_moved(shift: int, shared_data: Path) -> None:
    for name in ("radiopaedia_10_85902_1", "radiopaedia_27_86410_0"):
        volume = read_ct(shared_data / "scans" / "images" / f"{name}.nii.gz", Progress())
        voxels = volume.voxels[::2, ::3, ::3] + np.int16(shift)
        assert judge(voxels, Grid(volume.affine, voxels.shape)).density_refused
