"""Masks tell by themselves whether somebody changed them since CovidSeg wrote them."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from CovidSegLib.segfiles import is_as_written, write
from CovidSegLib.segmentation import Label, Provenance, Segmentation

AFFINE = np.array(((-0.7, 0, 0, 100), (0, -0.8, 0, -80.5), (0, 0, 2.5, 7), (0, 0, 0, 1)))
MADE = Provenance("one", "ab" * 32, "onnx", "CPU", "CovidSeg 1.0")
LABELMAPS = (".nii", ".nii.gz", ".nrrd", ".mha")


def result() -> Segmentation:
    return Segmentation(np.random.default_rng(0).integers(0, 4, (6, 9, 14), dtype=np.uint8), AFFINE, MADE)


@pytest.mark.parametrize("suffix", LABELMAPS)
def test_a_labelmap_is_known_until_a_voxel_changes_also_where_its_header_is_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"b\udcffä{suffix}"
    write(result(), path)
    assert is_as_written(path)
    plain = path.rename(tmp_path / f"a{suffix}")
    image = SimpleITK.ReadImage(str(plain))
    SimpleITK.WriteImage(image, str(plain))
    assert is_as_written(plain), "written again with the same voxels: nothing of a reader's is in it"
    image[3, 4, 5] = (image[3, 4, 5] + 1) % 4
    SimpleITK.WriteImage(image, str(plain))
    assert not is_as_written(plain)


def test_a_labelmap_that_nibabel_changed_in_place_is_a_readers(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    write(result(), path)
    image = nibabel.load(path)
    labels = np.asarray(image.dataobj).copy()
    labels[0, 0, 0] = 3 - labels[0, 0, 0]
    nibabel.save(nibabel.Nifti1Image(labels, image.affine, image.header), path)
    assert b"CovidSeg" in gzip.decompress(path.read_bytes())[:348], "the stamp was kept, and does not fit any more"
    assert not is_as_written(path)


@pytest.mark.parametrize("suffix", LABELMAPS)
@pytest.mark.parametrize("more", [0.2, 0.004, 0.0])
def test_fractions_that_round_to_the_old_labels_are_a_readers(tmp_path: Path, suffix: str, more: float) -> None:
    """So is any file whose numbers are of another kind than those that were written."""
    path = tmp_path / f"a{suffix}"
    write(result(), path)
    image = SimpleITK.ReadImage(str(path))
    changed = SimpleITK.Cast(image, SimpleITK.sitkFloat32) + more
    for key in image.GetMetaDataKeys():
        changed.SetMetaData(key, image.GetMetaData(key))
    SimpleITK.WriteImage(changed, str(path))
    assert not is_as_written(path)


@pytest.mark.parametrize("suffix", LABELMAPS)
@pytest.mark.parametrize(
    "kept",
    [{"edited": ("LeftLung",)}, {"kept_ml": 0.1}, {"absent": (Label.LEFT_LUNG,)}],
    ids=lambda kept: next(iter(kept)),
)
def test_what_holds_a_readers_work_is_not_stamped(tmp_path: Path, suffix: str, kept: dict) -> None:
    made = result()
    mine = replace(made, **kept) if "absent" in kept else replace(made, provenance=replace(MADE, **kept))
    write(mine, tmp_path / f"a{suffix}")
    assert not is_as_written(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [*LABELMAPS, ".seg.nrrd", ".dcm", ".txt"])
@pytest.mark.parametrize("content", [b"", b"CovidSeg", b"NRRD0004\nITK_FileNotes:=CovidSeg \n\n", bytes(1000)])
def test_what_cannot_be_read_is_nobodys_but_a_readers(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert not is_as_written(path)
    path.unlink()
    assert not is_as_written(path)


@pytest.mark.parametrize("suffix", LABELMAPS)
def test_a_labelmap_without_a_stamp_counts_as_a_readers(tmp_path: Path, suffix: str) -> None:
    image = SimpleITK.GetImageFromArray(result().labels)
    SimpleITK.WriteImage(image, str(tmp_path / f"a{suffix}"))
    assert not is_as_written(tmp_path / f"a{suffix}")
