"""A training refuses what ``covidseg-train check`` refuses, in one sentence, before its first step."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress
from CovidSegTraining.data.augmentation import Augmentation
from CovidSegTraining.data.cases import Case
from CovidSegTraining.data.check import check_case, check_headers
from CovidSegTraining.data.streams import TrainingStream
from Testing.kit.training_data import write_case

RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


def changed(path: Path, change=lambda voxels: voxels, affine=lambda matrix: matrix) -> None:
    """Rewrite a NIfTI file with other voxels or another affine."""
    image = nibabel.load(path)
    nibabel.save(nibabel.Nifti1Image(change(np.asarray(image.dataobj)), affine(image.affine)), path)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


FAULTS = {
    "an unknown label": ("labels", lambda f: changed(f, lambda v: np.where(v == 3, 7, v).astype(np.uint8)), "value 7"),
    "a label between": ("labels", lambda f: changed(f, lambda v: np.where(v == 1, 1.3, v)), "value 1.3"),
    "a label below 0": ("labels", lambda f: changed(f, lambda v: v.astype(np.int16) - (v == 0)), "value -1"),
    "a label above 255": (
        "labels",
        lambda f: changed(f, lambda v: v.astype(np.int16) + np.int16(256) * (v == 1)),
        "257",
    ),
    "a label without number": ("labels", lambda f: changed(f, lambda v: np.where(v == 3, np.nan, v)), "value nan"),
    "no labels": ("labels", lambda f: changed(f, lambda v: v * 0), "Nothing is drawn"),
    "unknown labels": ("labels", lambda f: changed(f, lambda v: v * 0 + np.uint8(255)), "Nothing is drawn"),
    "labels that are cut off": ("labels", cut_off, "cut off"),
    "labels a little off": ("labels", lambda f: changed(f, affine=lambda m: m + 0.8 * np.eye(4, k=3)), "up to 0.8 mm"),
    "labels of another size": ("labels", lambda f: changed(f, lambda v: v[:, :-1]), "sizes, 128 x 96 x 5 and 128 x 95"),
    "one value": ("images", lambda f: changed(f, lambda v: v * 0 + np.int16(7)), "same value"),
    "one value when rounded": ("images", lambda f: changed(f, lambda v: (v > 0) * 0.4), "same value"),
    "colours": ("images", lambda f: changed(f, lambda v: np.zeros(v.shape, RGB)), "colours"),
    "an image that is cut off": ("images", cut_off, "cut off"),
    "no scan": ("images", lambda f: f.write_text("no scan"), "not a NIfTI file"),
}


def start(case: Case, cache: Path | None) -> TrainingStream:
    """What a training does with its cases before the first step."""
    check_headers([case])
    return TrainingStream([case], Augmentation(), 0, Progress(), cache=cache)


@pytest.fixture
def case(tmp_path) -> Case:
    return write_case(tmp_path / "data", "one")


@pytest.mark.parametrize("cached", [True, False], ids=["cache", "no cache"])
@pytest.mark.parametrize(("kind", "spoil", "why"), FAULTS.values(), ids=FAULTS)
def test_what_the_check_refuses_no_training_starts_on(case, tmp_path, kind, spoil, why, cached):
    spoil(getattr(case, "image" if kind == "images" else "labels"))
    assert check_case(case).problems
    with pytest.raises(InputError) as refused:
        start(case, tmp_path / "cache" if cached else None)
    assert why in refused.value.sentence
    assert "ase one" in refused.value.sentence
    assert str(tmp_path) not in str(refused.value)
    assert not list(tmp_path.glob("cache/*"))  # nothing of it is kept for the next training


@pytest.mark.parametrize(
    "spoil",
    [
        lambda labels: None,
        lambda labels: changed(labels, lambda v: v.astype(np.float64)),
        lambda labels: changed(labels, lambda v: np.where(v == 3, 3, 254).astype(np.int16)),
        lambda labels: changed(labels, lambda v: np.where(v == 3, 3, 255).astype(np.uint8)),
        lambda labels: changed(labels, lambda v: v * 0 + np.uint8(254)),
        lambda labels: changed(labels, affine=lambda m: m + 0.7 * np.eye(4, k=3)),
    ],
    ids=["as they are", "as float", "lungs not drawn", "unknown", "known to be free", "0.23 of a voxel off"],
)
def test_what_passes_the_check_can_be_trained_on(case, tmp_path, spoil):
    spoil(case.labels)
    assert not check_case(case).problems
    for cache in (tmp_path / "cache", None):
        inputs, labels = start(case, cache).sample(0)
        assert np.isfinite(inputs).all()
        assert set(np.unique(labels)) <= {0, 1, 2, 3, 254, 255}
