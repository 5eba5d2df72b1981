"""Slices straight from a file: the same voxels on the same grid as CovidSegLib reads, what cannot be read is named."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegTraining.data.check import check_headers
from CovidSegTraining.data.dataset import Case, SliceFile

AFFINE = np.array(((0, 0, 2.5, -9.0), (0.8, 0, 0, 4.0), (0, -0.7, 0, 8.0), (0, 0, 0, 1)))
"""Sagittal slices, upside down."""

VOXELS = np.random.default_rng(5).integers(-1000, 400, (9, 7, 5)).astype(np.int16)

KINDS = {
    "three dimensions": VOXELS,
    "four dimensions, one volume": VOXELS[..., None],
    "five dimensions, one volume": VOXELS[..., None, None],
    "one slice": VOXELS[..., :1],
    "two dimensions": VOXELS[..., 0],
    "one dimension": VOXELS[:, 0, 0],
    "no numbers": np.where(VOXELS < -500, np.nan, VOXELS).astype(np.float32),
    "infinite numbers": np.where(VOXELS < -500, np.inf, VOXELS).astype(np.float32),
}


def written(folder: Path, voxels: np.ndarray, name: str = "scan.nii.gz") -> Path:
    nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), folder / name)
    return folder / name


@pytest.mark.parametrize("voxels", KINDS.values(), ids=KINDS)
def test_slices_are_those_of_the_scan_that_the_pipeline_reads(tmp_path, voxels):
    path = written(tmp_path, voxels)
    volume, file = read_ct(path, Progress()), SliceFile(path)
    wanted = volume.upright_voxels
    assert (file.shape, file.grid.shape) == (wanted.shape, volume.voxels.shape)
    np.testing.assert_allclose(np.stack([file.plane(k) for k in range(len(file))]), wanted)


@pytest.mark.parametrize(("units", "mm"), [("mm", 1), ("unknown", 1), ("meter", 1000), ("micron", 0.001)])
def test_distances_are_millimetres_whatever_the_unit_of_the_file(tmp_path, units, mm):
    image = nibabel.Nifti1Image(VOXELS, np.diag([1 / mm, 1 / mm, 1 / mm, 1]) @ AFFINE)
    image.header.set_xyzt_units(units)
    nibabel.save(image, tmp_path / "scan.nii")
    file = SliceFile(tmp_path / "scan.nii")
    np.testing.assert_allclose(file.grid.affine, AFFINE, rtol=1e-5)
    np.testing.assert_allclose(file.grid.affine, read_ct(tmp_path / "scan.nii", Progress()).affine, rtol=1e-5)
    np.testing.assert_allclose(file.spacing, (2.5, 0.8, 0.7), rtol=1e-5)


@pytest.fixture
def unreadable(tmp_path) -> list[Path]:
    colours = np.zeros(VOXELS.shape, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    (tmp_path / "text.nii").write_text("no scan")
    (tmp_path / "empty.nii").touch()
    return [
        written(tmp_path, colours, "colours.nii"),
        written(tmp_path, np.stack([VOXELS] * 2, axis=-1), "series.nii"),
        *(tmp_path / name for name in ("text.nii", "empty.nii", "nowhere.nii")),
    ]


def test_a_file_that_cannot_be_read_is_refused_with_the_name_it_was_given_and_no_path(tmp_path, unreadable):
    for path in unreadable:
        with pytest.raises(InputError, match=r"^Image of case one: The ") as refused:
            SliceFile(path, "Image of case one")
        assert str(tmp_path) not in str(refused.value)


def test_a_training_about_to_start_refuses_a_file_in_the_words_of_the_pipeline(tmp_path, unreadable):
    good = written(tmp_path, VOXELS)
    short, torn = tmp_path / "short.nii", tmp_path / "torn.nii"
    short.write_bytes(written(tmp_path, VOXELS, "whole.nii").read_bytes()[:-1])
    image = nibabel.Nifti1Image(VOXELS, AFFINE)
    image.set_qform(AFFINE + 9 * np.eye(4, k=3), code=1)
    nibabel.save(image, torn)
    for path in (*unreadable, short, torn):
        with pytest.raises(InputError) as wanted:
            read_ct(path, Progress())
        with pytest.raises(InputError) as refused:
            check_headers([Case("one", path, good)])
        assert refused.value.sentence == f"Image of case one: {wanted.value.sentence}"
        with pytest.raises(InputError, match=r"^Labels of case one: "):
            check_headers([Case("one", good, path)])


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: data[:9000] + bytes(99) + data[9099:]]
)
def test_a_packed_file_that_is_cut_off_or_damaged_is_named_where_its_slice_is_read(tmp_path, damage):
    path = written(tmp_path, np.random.default_rng(0).integers(-1000, 400, (64, 64, 40)).astype(np.int16))
    path.write_bytes(damage(path.read_bytes()))
    file = SliceFile(path, "Labels of case one")
    with pytest.raises(InputError, match=r"^Labels of case one: The file is cut off or damaged: its slice \d+ cannot"):
        [file.plane(k) for k in range(len(file))]
