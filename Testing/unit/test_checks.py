"""A scan that is read but odd is segmented all the same, and the user is told what is odd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.reading.checks import inspect
from CovidSegLib.volume import CtVolume


def chest(step: tuple[float, float, float] = (3.0, 3.0, 3.0)) -> CtVolume:
    """A rough chest in HU: air, soft tissue, two lungs; 40 x 120 x 120 voxels with edges ``step`` (x, y, z) in mm."""
    voxels = np.full((40, 120, 120), -1000, np.int16)
    voxels[:, 20:100, 10:110] = 40
    voxels[:, 35:85, 20:50] = voxels[:, 35:85, 70:100] = -850
    noise = np.random.default_rng(3).normal(0, 15, voxels.shape)
    return CtVolume((voxels + noise).astype(np.int16), np.diag([-step[0], -step[1], step[2], 1.0]))


def changed(voxels: np.ndarray) -> tuple[str, ...]:
    """The warnings for the chest's grid with other values."""
    return inspect(CtVolume(np.rint(voxels).astype(np.int16), chest().affine)).warnings


def test_a_chest_in_hounsfield_units_raises_no_warning() -> None:
    assert inspect(chest()).warnings == ()


def test_one_slice_of_a_chest_raises_no_warning() -> None:
    volume = chest()
    assert inspect(CtVolume(volume.voxels[:1], volume.affine)).warnings == ()


@pytest.mark.parametrize("value", [-1000, 0, 200])
def test_constant_values_are_said(value: int) -> None:
    (warning,) = changed(np.full((4, 120, 120), value))
    assert "same value" in warning


def test_values_that_are_no_hounsfield_units_are_said() -> None:
    hu = chest().voxels.astype(float)
    window = np.clip((hu + 1250) / 1500, 0, 1)
    assert "grey picture" in changed(window * 255)[0]
    assert "scaled picture" in changed(window)[0]
    assert "scaled picture" in changed(window * 2 - 1)[0]
    assert "shifted" in changed(np.clip(hu + 1024, 0, 4095))[0]


def test_shifted_values_are_found_behind_padding() -> None:
    hu = chest().voxels + 1024.0
    hu[:, :10] = -2000
    assert "shifted" in changed(hu)[0]


def test_a_window_without_air_is_said() -> None:
    assert "air" in changed(np.clip(chest().voxels, -160, 240))[0]


def test_a_picture_windowed_around_the_lung_is_fine() -> None:
    assert changed(np.clip(chest().voxels, -1250, 250)) == ()


def test_very_thick_slices_and_a_wrong_voxel_size_are_said() -> None:
    assert "10 mm apart" in inspect(chest((3, 3, 10))).warnings[0]
    assert "less than a chest" in inspect(chest((0.3, 0.3, 3))).warnings[0]
    assert "voxel size" in inspect(chest((10, 10, 3))).warnings[0]


def test_thickness_is_judged_along_the_body_whatever_the_storage() -> None:
    volume = chest((3, 3, 10))
    sagittal = volume.affine[:, [2, 0, 1, 3]]
    turned = CtVolume(np.ascontiguousarray(volume.voxels.transpose(1, 2, 0)), sagittal)
    assert inspect(turned).warnings == inspect(volume).warnings


def test_nothing_is_changed() -> None:
    volume = chest()
    before = volume.voxels.copy()
    inspect(volume)
    assert np.array_equal(volume.voxels, before)


def test_real_scans_raise_no_warning(shared_data: Path) -> None:
    paths = [*sorted((shared_data / "scans/images").glob("*.nii.gz"))[::6], *(shared_data / "clean").glob("*.nii.gz")]
    for path in [*paths, shared_data / "true_hu/coronacases_001_slice_110_image.nii.gz"]:
        assert inspect(read_ct(path, Progress())).warnings == (), path.name


def test_a_label_map_given_as_ct_is_said(shared_data: Path) -> None:
    path = shared_data / "true_hu/coronacases_001_slice_110_label.nii.gz"
    assert "not Hounsfield" in inspect(read_ct(path, Progress())).warnings[0]
