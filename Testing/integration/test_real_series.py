"""A whole clinical series (JPEG-lossless, names against the axis, no UIDs) is read slice by slice at its true place."""

from __future__ import annotations

import random
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct


@pytest.fixture(scope="module")
def series(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of the series by name: from head to feet."""
    folder = tmp_path_factory.mktemp("series")
    with zipfile.ZipFile(shared_data / "dicom/covid_ct_md_P002.zip") as archive:
        archive.extractall(folder)
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def whole(series: list[Path]) -> CtVolume:
    return read_ct(series[0].parent, Progress())


def test_the_series_is_upright_hounsfield_units(whole: CtVolume) -> None:
    assert whole.voxels.shape == (133, 512, 512)
    assert whole.source == "DICOM series (133 slices)"
    assert whole.notes == ()
    assert whole.grid.spacing == pytest.approx((0.603515625, 0.603515625, 2.0))
    assert np.allclose(whole.affine[:3, 3], [162.1982421875, 293.1982421875, -437.7])
    # Air outside and soft tissue in the middle of the body are where they belong on the HU scale.
    assert -1024 <= np.median(whole.voxels[:, :5, 5:20]) < -950
    assert whole.voxels.min() == -1024


def test_a_slice_lies_where_its_header_says(series: list[Path], whole: CtVolume) -> None:
    header = pydicom.dcmread(series[30], stop_before_pixels=True)
    x, y, z = (float(value) for value in header.ImagePositionPatient)
    index = np.linalg.solve(whole.affine, [-x, -y, z, 1])[:3]
    assert np.allclose(index, [0, 0, 132 - 30], atol=1e-6)


def test_a_shuffled_copy_with_other_names_is_the_same_ct(series: list[Path], whole: CtVolume, tmp_path: Path) -> None:
    names = [f"{number:x}" for number in range(len(series))]
    random.Random(8).shuffle(names)
    for path, name in zip(series, names, strict=True):
        folder = tmp_path / name[-1]
        folder.mkdir(exist_ok=True)
        shutil.copy(path, folder / name)
    again = read_ct(tmp_path, Progress())
    assert np.array_equal(again.voxels, whole.voxels)
    assert np.array_equal(again.affine, whole.affine)


def test_one_lost_slice_is_filled_in_and_said(series: list[Path], whole: CtVolume, tmp_path: Path) -> None:
    for number, path in enumerate(series):
        if number != 40:
            shutil.copy(path, tmp_path)
    volume = read_ct(tmp_path, Progress())
    lost = 132 - 40
    assert np.array_equal(volume.affine, whole.affine)
    assert np.array_equal(np.delete(volume.voxels, lost, 0), np.delete(whole.voxels, lost, 0))
    assert np.abs(volume.voxels[lost].astype(float) - whole.voxels[lost - 1 : lost + 2 : 2].mean(0)).max() <= 0.5
    assert volume.notes == ("1 slice is missing (number 93 of 133); it was filled in from its two neighbours.",)


def test_three_lost_slices_in_a_row_are_refused(series: list[Path], tmp_path: Path) -> None:
    for number, path in enumerate(series):
        if number not in (40, 41, 42):
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(InputError, match=r"hole of 8\.0 mm: 3 slices"):
        read_ct(tmp_path, Progress())
