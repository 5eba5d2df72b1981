"""Whatever HU were multiplied by, air, fat and muscle say so."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.reading.verdict import Kind, Verdict, judge
from Testing.kit.small_phantom import small_phantom


@cache
def _hu() -> np.ndarray:
    return small_phantom().volume.voxels[::2].astype(np.float32)


def _judged(values: np.ndarray) -> Verdict:
    voxels = np.rint(np.clip(values, -32768, 32767)).astype(np.int16)
    return judge(voxels, Grid(small_phantom().volume.affine, voxels.shape))


@settings(max_examples=10, deadline=None)
@given(factor=st.floats(0.4, 12), shift=st.sampled_from((-1024, 0, 1024)), noise=st.sampled_from((0, 15)))
def test_whatever_the_factor_a_scaled_scan_is_never_measured_as_hounsfield_units(
    factor: float, shift: int, noise: int
) -> None:
    assume(not 0.8 < factor < 1.2)
    values = _hu() + np.random.default_rng(1).normal(0, noise, _hu().shape) if noise else _hu()
    verdict = _judged(factor * values + shift)
    assert verdict.density_refused
    assert verdict.kind is Kind.SCALED
    assert verdict.values.scale == pytest.approx(factor, rel=0.1)


@settings(max_examples=8, deadline=None)
@given(
    padding=st.sampled_from((None, 0, 3071, -2000, -3024, -32768)),
    lowest=st.sampled_from((-32768, -1024)),
    noise=st.sampled_from((0, 15, 60)),
    metal=st.sampled_from((0, 3071, 30000)),
)
def test_hounsfield_units_are_never_taken_for_scaled(padding: int | None, lowest: int, noise: int, metal: int) -> None:
    values = _hu() + np.random.default_rng(2).normal(0, noise, _hu().shape) if noise else _hu().copy()
    values = np.maximum(values, lowest)
    rows, columns = values.shape[1:]
    if metal:
        values[:, rows // 2 : rows // 2 + 8, columns // 2 : columns // 2 + 8] = metal
    if padding is not None:
        y, x = np.ogrid[:rows, :columns]
        values[:, (y - rows / 2) ** 2 + (x - columns / 2) ** 2 > (min(rows, columns) / 2) ** 2] = padding
    assert _judged(values).kind is Kind.RIGHT


def test_real_scans_are_told_from_what_they_were_scaled_to(shared_data: Path) -> None:
    for name in ("scans/images/coronacases_005", "lungs/images/LCTSC-Test-S1-104", "clean/normal001"):
        volume = read_ct(shared_data / f"{name}.nii.gz", Progress())
        voxels = volume.voxels[::6, ::2, ::2].astype(np.float32)
        for factor in (0.4, 0.5, 0.75, 1, 1.15, 2, 8):
            scaled = np.rint(voxels * factor).astype(np.int16)
            found = judge(scaled, Grid(volume.affine, scaled.shape)).values.scale
            assert found == pytest.approx(factor, rel=0.05)
        assert "inverted" in judge(-voxels.astype(np.int16), Grid(volume.affine, voxels.shape)).warnings[0]


def test_a_single_slice_is_judged_as_a_scan_is(shared_data: Path) -> None:
    for path in sorted((shared_data / "true_hu").glob("*_image.nii.gz")):
        hu = read_ct(path, Progress()).voxels.astype(np.float32)
        assert _judged(hu).kind is Kind.RIGHT
        for factor in (0.5, 0.75, 1.25, 2, 4):
            assert _judged(hu * factor).values.scale == pytest.approx(factor, rel=0.05)
        assert "inverted" in _judged(-hu).warnings[0]


def test_where_there_is_air_around_the_body_a_scale_of_nine_tenths_is_told(shared_data: Path) -> None:
    volume = read_ct(shared_data / "scans/images/coronacases_001.nii.gz", Progress())
    hu = volume.voxels[::6, ::2, ::2].astype(np.float32)
    rows, columns = hu.shape[1:]
    cut_out = hu[:, rows // 4 : 3 * rows // 4, columns // 6 : 5 * columns // 6]
    assert _judged(hu * 0.87).values.scale == pytest.approx(0.87, rel=0.05)
    assert _judged(cut_out).kind is Kind.RIGHT


def test_a_windowed_scan_with_contrast_agent_is_not_called_halved(shared_data: Path) -> None:
    hu = read_ct(shared_data / "scans/images/radiopaedia_40_86625_0.nii.gz", Progress()).voxels[::3, ::3, ::3]
    vessels = (hu > 20) & (hu < 90) & (np.random.default_rng(0).random(hu.shape) < 0.3)
    _judged(np.where(vessels, hu + 200, hu)).check()


@pytest.mark.parametrize("name", ["radiopaedia_29_86490_1", "radiopaedia_29_86491_1"])
def test_some_metal_or_contrast_agent_does_not_make_a_windowed_scan_a_scaled_one(name: str, shared_data: Path) -> None:
    volume = read_ct(shared_data / f"scans/images/{name}.nii.gz", Progress())
    hu = volume.voxels[:, ::2, ::2].astype(np.float32)
    slices, rows, columns = hu.shape
    metal, agent = hu.copy(), hu.copy()
    metal[slices // 3 : slices // 2, 60:64, 60:64] = 3071
    middle = agent[:, rows // 4 : rows // 2, columns // 3 : 2 * columns // 3]
    middle[(middle > 0) & (middle < 80)] += 300
    noisy = np.clip(hu + np.random.default_rng(1).normal(0, 60, hu.shape), -1024, None)
    assert [_judged(values).kind for values in (hu, metal, agent, noisy)] == [Kind.SHIFTED] * 4


@pytest.mark.parametrize("name", ["LCTSC-Test-S1-102", "LCTSC-Test-S1-202"])
def test_hounsfield_units_whose_air_was_cut_off_are_called_cut_and_not_scaled(name: str, shared_data: Path) -> None:
    hu = read_ct(shared_data / f"lungs/images/{name}.nii.gz", Progress()).voxels[:, ::2, ::2].astype(np.float32)
    for lowest in (-900, -850, -800):
        assert f"cut off at {lowest} HU" in _judged(np.maximum(hu, lowest)).warnings[0]
    for factor in (0.8, 0.85):
        assert _judged(hu * factor).kind is Kind.SCALED


def test_what_lies_far_below_air_in_noise_is_no_hounsfield_unit_though_no_air_is_seen() -> None:
    rows, columns = _hu().shape[1:]
    inside = _hu()[:, rows // 3 : 2 * rows // 3, columns // 5 : columns // 2]
    assert _judged(inside).kind is Kind.RIGHT
    assert _judged(inside * 2.5).density_refused


def test_what_shows_no_fat_and_muscle_but_much_that_is_brighter_is_not_taken_for_hounsfield_units() -> None:
    hu = small_phantom().volume.voxels.astype(np.float32)
    noise = np.random.default_rng(3).uniform(-1024, 1500, hu.shape)
    two_values = np.where(hu < -400, -1000, 1000)
    stretched = np.clip((hu + 160) / 400, 0, 1) * 4095 - 1024
    for values in (noise, two_values, stretched):
        verdict = _judged(values)
        assert verdict.kind is Kind.ODD
        assert "fat, muscle and air of a body are not found" in verdict.warnings[0]
        assert verdict.density_refused
    assert _judged(hu).kind is Kind.RIGHT


@pytest.mark.parametrize("offset", [-3000, -1024, 0, 1000])
def test_a_negative_is_refused_as_inverted_however_far_it_was_moved(offset: int) -> None:
    rows, columns = _hu().shape[1:]
    inside = _hu()[:, rows // 5 : -rows // 5, columns // 5 : -columns // 5]
    noisy = _hu() + np.random.default_rng(1).normal(0, 15, _hu().shape)
    for hu in (_hu(), noisy, inside, _hu()[2:3]):
        with pytest.raises(InputError, match=r"inverted|no Hounsfield units"):
            _judged(offset - hu).check()


@pytest.mark.parametrize("name", ["radiopaedia_27_86410_0", "radiopaedia_29_86490_1", "coronacases_001"])
def test_the_negative_of_a_real_picture_is_refused_also_in_a_window_and_moved(name: str, shared_data: Path) -> None:
    hu = read_ct(shared_data / f"scans/images/{name}.nii.gz", Progress()).voxels[::6, ::3, ::3].astype(np.float32)
    for values in (hu, np.clip(hu, -1350, 150)):
        for offset in (-1024, 1000):
            with pytest.raises(InputError, match="inverted"):
                _judged(offset - values).check()
        _judged(values).check()


@pytest.mark.parametrize("around", ["circle", "frame"])
def test_a_negative_is_refused_also_within_what_was_filled_in_with_air(around: str, shared_data: Path) -> None:
    scan = read_ct(shared_data / "scans/images/coronacases_001.nii.gz", Progress())
    hu = scan.voxels[::8, ::3, ::3].astype(np.float32)
    rows, columns = (np.abs(np.arange(size) - (size - 1) / 2) / (size / 2) for size in hu.shape[1:])
    filled = np.hypot(rows[:, None], columns) > 1 if around == "circle" else np.maximum(rows[:, None], columns) > 0.88
    with pytest.raises(InputError, match="inverted"):
        _judged(np.where(filled, -1000, -900 - hu).astype(np.float32)).check()
    _judged(np.where(filled, -1000, hu).astype(np.float32)).check()


@pytest.mark.parametrize("name", ["radiopaedia_10_85902_1", "radiopaedia_29_86490_1"])
def test_what_was_cut_out_of_the_body_in_a_narrow_window_is_no_negative(name: str, shared_data: Path) -> None:
    scan = read_ct(shared_data / f"scans/images/{name}.nii.gz", Progress())
    hu = scan.voxels[:: max(1, len(scan.voxels) // 24), ::2, ::2].astype(np.float32)
    rows, columns = (size // 5 for size in hu.shape[1:])
    for window in ((-1000, 100), (-1350, 150)):
        _judged(np.clip(hu, *window)[:, rows:-rows, columns:-columns]).check()


@pytest.mark.parametrize("step", [1, 2])
def test_air_that_was_cut_off_is_told_as_that_at_any_size_of_pixels(step: int, shared_data: Path) -> None:
    scan = read_ct(shared_data / "lungs/images/LCTSC-Test-S1-104.nii.gz", Progress())
    hu = scan.voxels[:, ::step, ::step].astype(np.float32)
    for lowest in (-870, -850, -830):
        assert f"cut off at {lowest} HU" in _judged(np.maximum(hu, lowest)).warnings[0]
    assert _judged(hu * 0.85).kind is Kind.SCALED


@pytest.mark.parametrize("padding", [0, 40, 3071, -2000])
def test_a_frame_around_the_picture_is_no_tissue(padding: int, shared_data: Path) -> None:
    hu = read_ct(shared_data / "clean/normal001.nii.gz", Progress()).voxels[::3, ::2, ::2].astype(np.float32)
    for around in ((40, 40), (0, 60)):
        framed = np.pad(hu, ((0, 0), around, around), constant_values=padding)
        assert _judged(framed).warnings == ()
        assert _judged(framed).values.padded is not None


@pytest.mark.parametrize("name", ["radiopaedia_10_85902_1", "radiopaedia_29_86490_1"])
def test_what_was_stretched_to_another_window_is_no_negative_whatever_is_cut_out_of_it(
    name: str, shared_data: Path
) -> None:
    hu = read_ct(shared_data / f"scans/images/{name}.nii.gz", Progress()).voxels[::6, ::2, ::2].astype(np.float32)
    rows, columns = hu.shape[1:]
    middle = hu[:, rows // 4 : -rows // 6, columns // 3 : -columns // 3]
    framed = np.pad(hu, ((0, 0), (40, 40), (40, 40)))
    for values in (hu, middle, hu[:1], np.clip(hu, -1000, 100), framed, hu[:, :, columns // 2 :]):
        _judged(values).check()
