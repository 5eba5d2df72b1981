"""A part of a scan that was shifted or scaled by itself is found, and no real scan is taken for one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.reading.checks import inspect
from CovidSegLib.slice_levels import is_uneven
from Testing.kit.small_phantom import small_phantom

PARTS = {
    "the upper half": slice(6, None),
    "the lowest third": slice(None, 4),
    "every other slice": slice(None, None, 2),
    "one slice": slice(6, 7),
    "the last slice": slice(-1, None),
}
CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "moved up by 1024": lambda hu: hu + 1024,
    "moved down by 1024": lambda hu: hu - 1024,
    "moved up by 200": lambda hu: hu + 200,
    "doubled": lambda hu: hu * 2,
    "halved": lambda hu: hu // 2,
    "with a slope of 1.25": lambda hu: hu * 1.25,
    "inverted": lambda hu: -hu,
    "a grey picture": lambda hu: np.clip((hu + 1350) / 1500, 0, 1) * 255,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_with_another_scale_is_refused_in_one_sentence_that_is_true(part: str, change: str) -> None:
    scan = small_phantom().volume
    voxels = scan.voxels.copy()
    voxels[PARTS[part]] = np.rint(CHANGES[change](voxels[PARTS[part]].astype(float)))
    found = inspect(CtVolume(voxels, scan.affine))
    (said,) = [text for text in found.warnings if "apart" not in text]  # slices are far apart in this phantom
    assert said.startswith("The slices have different scales")
    assert said == found.verdict.density_refused
    with pytest.raises(InputError, match="different scales"):
        found.verdict.check()


def test_slices_of_one_value_are_called_empty_also_at_an_end_where_it_is_not_air() -> None:
    scan = small_phantom().volume
    for empty in (slice(None, 4), slice(-4, None), slice(4, 8)):
        voxels = scan.voxels.copy()
        voxels[empty] = 0
        found = inspect(CtVolume(voxels, scan.affine))
        assert "4 slices of the scan are empty: volumes and masks miss what was there." in found.warnings
        found.verdict.check()
    voxels[4:8] = scan.voxels[4:8]
    voxels[:4] = -1024
    assert not [text for text in inspect(CtVolume(voxels, scan.affine)).warnings if "empty" in text]


def test_all_slices_of_a_real_scan_have_one_scale_also_of_a_part_of_it_and_in_noise(shared_data: Path) -> None:
    noise = np.random.default_rng(4)
    for name in ("scans/images/coronacases_001", "scans/images/radiopaedia_27_86410_0", "clean/normal001"):
        volume = read_ct(shared_data / f"{name}.nii.gz", Progress())
        slices = volume.upright_voxels[:, ::3, ::3]
        rows, columns = slices.shape[1:]
        lungs = slices[:, rows // 4 : 3 * rows // 4, columns // 6 : 5 * columns // 6]
        for part in (slices, slices[::8], lungs, lungs[::4], np.clip(slices, -160, 240)):
            assert not is_uneven(part)
        assert not is_uneven(slices + noise.normal(0, 100, slices.shape))
        assert is_uneven([*slices[:20], *(slices[20:] + 100)])
        assert is_uneven([*lungs[:20], *(lungs[20:] + 1024)])


def test_a_ball_of_water_is_not_told_that_fat_and_muscle_lie_elsewhere() -> None:
    y, x = np.ogrid[:128, :128]
    far = np.hypot(y - 64, x - 64)
    for shell in (0, 120):  # acrylic
        ball = np.select([far < 45, far < 47], [0, shell], -1000)
        for noise in (5, 15, 40):
            voxels = np.rint(np.random.default_rng(5).normal(ball, noise, (12, *ball.shape))).astype(np.int16)
            found = inspect(CtVolume(voxels, np.diag([-3.0, -3, 3, 1])))
            assert not [text for text in found.warnings if "HU" in text or "scale" in text]
            assert found.verdict.values == type(found.verdict.values)()


def test_what_is_padded_is_not_compared() -> None:
    scan = small_phantom().volume
    y, x = np.indices(scan.voxels.shape[1:])
    rows, columns = scan.voxels.shape[1:]
    outside = np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2) > min(rows, columns) / 2
    for part, uneven in ((slice(0, 0), False), (slice(6, None), True)):
        voxels = scan.voxels.copy()
        voxels[part] += 1024
        voxels[:, outside] = -2000
        found = inspect(CtVolume(voxels, scan.affine)).verdict
        assert ("different scales" in found.density_refused) is uneven
