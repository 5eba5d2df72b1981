"""A scan that is read but odd is segmented all the same, and the user is told what is odd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.reading.checks import inspect
from CovidSegLib.reading.verdict import judge
from CovidSegLib.soft_tissue import FAT_HU, MUSCLE_HU
from Testing.kit.small_phantom import small_phantom


def chest(step: tuple[float, float, float] = (3.0, 3.0, 3.0)) -> CtVolume:
    """A rough chest in HU: air, soft tissue, two lungs; 40 x 120 x 120 voxels with edges ``step`` (x, y, z) in mm."""
    voxels = np.full((40, 120, 120), -1000, np.int16)
    voxels[:, 20:100, 10:110] = 40
    voxels[2:-2, 35:85, 20:50] = voxels[2:-2, 35:85, 70:100] = -850
    noise = np.random.default_rng(3).normal(0, 15, voxels.shape)
    return CtVolume((voxels + noise).astype(np.int16), np.diag([-step[0], -step[1], step[2], 1.0]))


def check_is_scan(volume: CtVolume) -> None:
    """Raise InputError where the scan cannot be segmented."""
    inspect(volume).verdict.check()


def changed(voxels: np.ndarray) -> tuple[str, ...]:
    """The warnings for the chest's grid with other values."""
    return inspect(CtVolume(np.rint(voxels).astype(np.int16), chest().affine)).warnings


def test_a_chest_in_hounsfield_units_raises_no_warning() -> None:
    assert inspect(chest()).warnings == ()


@pytest.mark.parametrize(("thickness", "words"), [(1.0, "1 mm"), (1.25, "1.25 mm"), (10.0, "10 mm")])
def test_of_one_slice_it_is_said_how_thick_it_is_counted(thickness: float, words: str) -> None:
    volume = chest()
    affine = volume.affine @ np.diag([1, 1, thickness / volume.grid.spacing[2], 1])
    (warning,) = inspect(CtVolume(volume.voxels[:1], affine)).warnings
    assert f"one slice, counted as {words} thick" in warning


@pytest.mark.parametrize("value", [-1000, 0, 200])
def test_constant_values_are_said(value: int) -> None:
    (warning,) = changed(np.full((4, 120, 120), value))
    assert "same value" in warning


def test_why_values_are_no_hounsfield_units_is_said_without_what_follows_for_the_masks() -> None:
    hu = chest().voxels.astype(float)
    body = np.where(hu > -300, hu + MUSCLE_HU - 40, hu)
    body[:, 20:35] += FAT_HU - MUSCLE_HU
    ends = {
        "the same value.": np.zeros((4, 120, 120)),
        "not Hounsfield units.": np.clip((hu + 1250) / 1500, 0, 1) * 255,
        "not HU.": np.clip(hu + 1024, 0, 4095),
        "too high: the values are no Hounsfield units.": body + 90,
        "as in a windowed picture.": np.clip(hu, -900, 20),
        "there is no bone: the values were cut to a window and perhaps scaled; they cannot be trusted as Hounsfield "
        "units.": np.clip(hu, -1250, 250),
    }
    for end, voxels in ends.items():
        reason = judge(np.rint(voxels).astype(np.int16), Grid(chest().affine, voxels.shape)).density_refused
        reason, rest = reason[: reason.index(" So ")], reason[reason.index(" So ") :]
        assert reason.endswith(end)
        assert "masks" not in reason
        assert rest == " So density, ground glass and consolidation are not reported."
        if "bone" not in end:
            assert changed(voxels)[0].startswith(reason[:-1])
    hu[20, 60, 60] = 900  # bone
    assert judge(np.rint(hu).astype(np.int16), chest().grid).density_refused == ""


def test_values_that_are_no_hounsfield_units_are_said() -> None:
    hu = chest().voxels.astype(float)
    window = np.clip((hu + 1250) / 1500, 0, 1)
    assert "grey picture" in changed(window * 255)[0]
    assert "a labelmap or a mask" in changed(window)[0]  # two values are left of it
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
    for step in (8, 8 - 1e-7, 8 + 1e-7):
        assert "8 mm apart" in inspect(chest((3, 3, step))).warnings[0]
    assert inspect(chest((3, 3, 7.5))).warnings == ()
    assert "less than a chest" in inspect(chest((0.3, 0.3, 3))).warnings[0]
    assert "voxel size" in inspect(chest((10, 10, 3))).warnings[0]


def test_thickness_is_judged_along_the_body_whatever_the_storage() -> None:
    volume = chest((3, 3, 10))
    sagittal = volume.affine[:, [2, 0, 1, 3]]
    turned = CtVolume(np.ascontiguousarray(volume.voxels.transpose(1, 2, 0)), sagittal)
    assert inspect(turned).warnings == inspect(volume).warnings


@pytest.mark.parametrize("value", [0, 3071, -2000, -32768])
def test_bright_padding_around_a_round_field_of_view_is_no_warning(value: int) -> None:
    voxels = chest().voxels.copy()
    y, x = np.indices(voxels.shape[1:])
    voxels[:, np.hypot(y - 59.5, x - 59.5) > 58] = value
    assert changed(voxels) == ()


def labelmap() -> np.ndarray:
    labels = np.zeros((40, 120, 120), np.int16)
    labels[2:-2, 35:85, 20:50], labels[2:-2, 35:85, 70:100], labels[20:25, 50:60, 25:35] = 2, 1, 3
    return labels


@pytest.mark.parametrize("factor", [1, 20, 85])
def test_a_labelmap_is_refused_as_a_scan(factor: int) -> None:
    with pytest.raises(InputError, match="a labelmap or a mask, not a CT"):
        check_is_scan(CtVolume((labelmap() * factor).astype(np.int16), chest().affine))
    with pytest.raises(InputError, match="a labelmap or a mask, not a CT"):
        check_is_scan(CtVolume((labelmap() > 0).astype(np.int16), chest().affine))


def test_scans_and_grey_pictures_of_them_are_no_labelmaps() -> None:
    hu = chest().voxels.astype(float)
    for voxels in (hu, hu + 1024, np.clip((hu + 1250) / 1500, 0, 1) * 255, np.zeros(hu.shape)):
        check_is_scan(CtVolume(np.rint(voxels).astype(np.int16), chest().affine))


def test_real_labelmaps_are_refused_and_real_scans_are_not(shared_data: Path) -> None:
    for folder in ("scans", "lungs"):
        for path in sorted((shared_data / folder / "labels").glob("*.nii.gz"))[::6]:
            with pytest.raises(InputError, match="labelmap"):
                check_is_scan(read_ct(path, Progress()))
        for path in sorted((shared_data / folder / "images").glob("*.nii.gz"))[::6]:
            check_is_scan(read_ct(path, Progress()))


@pytest.mark.parametrize(("scale", "words"), [(0.5, "half as far apart"), (2.0, "twice as far apart")])
def test_halved_and_doubled_values_are_refused(scale: float, words: str) -> None:
    scan = small_phantom().volume
    with pytest.raises(InputError, match=words):
        check_is_scan(CtVolume(np.rint(scan.voxels * scale).astype(np.int16), scan.affine))
    check_is_scan(scan)


@pytest.mark.parametrize(
    ("shift", "words"), [(-1024, "too low"), (-300, "too low"), (200, "too high"), (1024, "too high")]
)
def test_values_that_lie_hundreds_too_high_or_too_low_are_said(shift: int, words: str) -> None:
    scan = small_phantom().volume
    moved = CtVolume((scan.voxels + shift).astype(np.int16), scan.affine)
    (warning,) = [text for text in inspect(moved).warnings if "Fat and muscle" in text]
    assert words in warning
    assert "as if they were moved back" in warning
    assert "Fat and muscle" in judge(moved.voxels, moved.grid).density_refused


def test_nothing_is_changed() -> None:
    volume = chest()
    before = volume.voxels.copy()
    inspect(volume)
    assert np.array_equal(volume.voxels, before)


def test_real_scans_raise_no_warning(shared_data: Path) -> None:
    scans = [shared_data / f"scans/images/{name}.nii.gz" for name in ("coronacases_001", "radiopaedia_40_86625_0")]
    for path in [*scans, *(shared_data / "clean").glob("*.nii.gz")]:
        assert inspect(read_ct(path, Progress())).warnings == (), path.name
    slice_of_one = read_ct(shared_data / "true_hu/coronacases_001_slice_110_image.nii.gz", Progress())
    assert ["one slice" in warning for warning in inspect(slice_of_one).warnings] == [True]


def test_a_real_scan_that_was_written_in_another_window_is_said(shared_data: Path) -> None:
    (warning,) = inspect(read_ct(shared_data / "scans/images/radiopaedia_29_86491_1.nii.gz", Progress())).warnings
    assert "Fat and muscle lie 1" in warning
    assert "HU too high" in warning


def test_a_label_map_given_as_ct_is_said(shared_data: Path) -> None:
    path = shared_data / "true_hu/coronacases_001_slice_110_label.nii.gz"
    assert "a labelmap or a mask, not a CT" in inspect(read_ct(path, Progress())).warnings[0]


def test_values_cut_off_inside_the_chests_own_range_are_said() -> None:
    (warning,) = changed(np.clip(chest().voxels, -900, 20))
    assert "cut off at -900 HU and at 20 HU" in warning


def test_lungs_that_go_on_beyond_the_first_or_last_slice_are_said() -> None:
    whole = chest()
    (top,) = inspect(CtVolume(whole.voxels[:20], whole.affine)).warnings
    assert "cut off at the top of the scan" in top
    (bottom,) = inspect(CtVolume(whole.voxels[20:], whole.affine)).warnings
    assert "cut off at the bottom of the scan" in bottom
    (both,) = inspect(CtVolume(whole.voxels[10:30], whole.affine)).warnings
    assert "at the top and at the bottom" in both


def test_the_gas_of_windpipe_and_stomach_is_no_lung() -> None:
    voxels = chest().voxels.copy()
    voxels[-1, 55:62, 56:62] = -1000
    voxels[0, 50:75, 60:90] = -1000
    assert changed(voxels) == ()


def test_empty_and_copied_slices_inside_the_scan_are_said() -> None:
    voxels = chest().voxels.copy()
    voxels[15:18] = -1000
    assert "3 slices of the scan are empty" in changed(voxels)[0]
    voxels = chest().voxels.copy()
    voxels[20] = voxels[21]
    assert "1 slice is a copy of its neighbour" in changed(voxels)[0]
    padded = chest().voxels.copy()
    padded[:2] = padded[-1:] = -1000
    assert not [text for text in changed(padded) if "empty" in text]


def test_a_hole_in_the_stack_is_said() -> None:
    """The lungs grow from slice to slice; where twenty of sixty slices are missing they jump."""
    voxels = np.full((60, 120, 120), -1000, np.int16)
    voxels[:, 20:100, 10:110] = 40
    for k in range(3, 57):
        voxels[k, 22 : 30 + k, 20:50] = voxels[k, 22 : 30 + k, 70:100] = -850
    voxels = voxels + np.random.default_rng(3).normal(0, 15, voxels.shape)
    assert not [text for text in changed(voxels) if "missing" in text]
    holed = np.delete(voxels, range(20, 40), axis=0)
    assert [text for text in changed(holed) if "Between slice 20 and slice 21" in text]


def test_two_scans_whose_slices_alternate_are_said() -> None:
    """A second breath: lungs of other size and density on every second slice."""
    voxels = chest().voxels.copy()
    other = voxels[1::2]
    other[other < -500] = np.where(other[other < -500] < -950, other[other < -500], -700)
    other[:, 75:85, 20:50] = other[:, 75:85, 70:100] = 40
    assert any("two scans seem to be laid into one" in warning for warning in changed(voxels))


def test_no_hole_is_seen_in_real_scans_and_one_is_where_it_was_cut(shared_data: Path) -> None:
    scan = read_ct(shared_data / "scans/images/coronacases_006.nii.gz", Progress())
    assert not [text for text in inspect(scan).warnings if "missing" in text]
    holed = np.delete(scan.voxels, range(40, 55), axis=0)
    (warning,) = [text for text in inspect(CtVolume(holed, scan.affine)).warnings if "missing" in text]
    assert "Between slice 40 and slice 41" in warning


def test_a_tilted_grid_is_said() -> None:
    angle = np.radians(30)
    turned = np.eye(4)
    turned[1:3, 1:3] = ((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle)))
    volume = chest()
    (warning,) = inspect(CtVolume(volume.voxels, turned @ volume.affine)).warnings
    assert "tilted by 30 degrees" in warning
