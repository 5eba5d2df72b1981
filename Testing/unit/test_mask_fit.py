"""Masks of another patient are told from a scan's own, whatever the grids say."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.mask_fit import DOUBT, DOUBTFUL, MISFIT, edge_share, fit_warnings
from CovidSegLib.segfiles import save_training_case, write
from CovidSegLib.segfiles.registry import read_masks
from CovidSegLib.segmentation import Provenance, Segmentation
from Testing.kit.training_data import chest_slices

AFFINE = np.diag([-3.0, -3.0, 5.0, 1.0])


def test_masks_fit_their_own_scan_on_any_scale() -> None:
    voxels, labels = chest_slices(5, 1)
    for scan in (voxels, voxels // 6 + 170, voxels * 2):
        share = edge_share(scan, labels, Grid(AFFINE, voxels.shape))
        assert share is not None
        assert share > 0.95
        assert fit_warnings(scan, labels, Grid(AFFINE, voxels.shape)) == ()


def test_masks_that_are_a_little_off_are_doubted_and_others_are_refused() -> None:
    voxels, labels = chest_slices(5, 1)
    assert fit_warnings(voxels, np.roll(labels, 1, axis=2), Grid(AFFINE, voxels.shape)) == ()
    assert fit_warnings(voxels, np.roll(labels, 2, axis=1), Grid(AFFINE, voxels.shape)) == (DOUBTFUL,)
    for wrong in (np.roll(labels, 9, axis=2), np.roll(labels, 20, axis=1)):
        with pytest.raises(InputError, match="do not fit the scan"):
            fit_warnings(voxels, wrong, Grid(AFFINE, voxels.shape))


def test_of_an_even_scan_and_of_a_few_voxels_nothing_is_said() -> None:
    voxels, labels = chest_slices(5, 1)
    few = np.zeros_like(labels)
    few[2, 40:44, 40:44] = 1
    assert edge_share(np.zeros_like(voxels), labels, Grid(AFFINE, voxels.shape)) is None
    assert edge_share(voxels, few, Grid(AFFINE, voxels.shape)) is None
    assert edge_share(voxels, np.zeros_like(labels), Grid(AFFINE, voxels.shape)) is None


def test_neither_a_report_nor_a_training_case_is_made_of_another_patients_masks(tmp_path: Path) -> None:
    voxels, labels = chest_slices(5, 1)
    volume, others = CtVolume(voxels, AFFINE), np.roll(labels, 9, axis=2)
    write(Segmentation(others, AFFINE, Provenance("m", "0", "onnx", "cpu", "CovidSeg 1")), tmp_path / "a.seg.nrrd")
    write(Segmentation(others, AFFINE, Provenance("m", "0", "onnx", "cpu", "CovidSeg 1")), tmp_path / "a.nii.gz")
    for name in ("a.seg.nrrd", "a.nii.gz"):
        with pytest.raises(InputError, match="do not fit the scan"):
            read_masks(tmp_path / name, volume)
    with pytest.raises(InputError, match="do not fit the scan"):
        save_training_case(volume, others, tmp_path / "set", corrected=True)
    assert not (tmp_path / "set").exists()


def test_masks_that_tell_that_they_are_of_the_scan_are_read_however_badly_they_follow_it(tmp_path: Path) -> None:
    voxels, labels = chest_slices(5, 1)
    volume, bad = CtVolume(voxels, AFFINE), np.roll(labels, 9, axis=2)
    for source, read in ((volume.fingerprint, True), ("0" * 64, False)):
        made = Provenance("m", "0", "onnx", "cpu", "CovidSeg 1", volume=f"nifti {source}")
        write(Segmentation(bad, AFFINE, made), tmp_path / "a.seg.nrrd")
        if read:
            assert read_masks(tmp_path / "a.seg.nrrd", volume).warnings == ()
        else:
            with pytest.raises(InputError, match="do not fit the scan"):
                read_masks(tmp_path / "a.seg.nrrd", volume)
        (tmp_path / "a.seg.nrrd").unlink()


def test_patients_of_a_public_set_are_told_apart(shared_data: Path) -> None:
    read = []
    for name in ("coronacases_003", "radiopaedia_40_86625_0"):
        image, mask = (nibabel.load(shared_data / "scans" / kind / f"{name}.nii.gz") for kind in ("images", "labels"))
        voxels = np.asarray(image.dataobj).astype(np.int16).transpose(2, 1, 0)
        labels = np.asarray(mask.dataobj).astype(np.uint8).transpose(2, 1, 0)
        drawn = [k for k, plane in enumerate(labels) if plane.any() and (plane != 254).all()]
        middle = drawn[len(drawn) // 2 - 8 :][:16]
        read.append((voxels[middle], labels[middle], image.affine))
    for (voxels, own, affine), (_, others, _) in (read, read[::-1]):
        assert (edge_share(voxels, own, Grid(affine, voxels.shape)) or 0) > DOUBT
        assert (edge_share(voxels, others, Grid(affine, voxels.shape)) or 1) < MISFIT
