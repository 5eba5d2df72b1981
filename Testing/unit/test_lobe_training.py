"""The model of lobes is learned from drawn lobes alone, judged on those it did not see, and written with its card."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.anatomy.lobe_estimate import find_lobes
from CovidSegLib.anatomy.lobe_model import read_lobe_model
from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress
from CovidSegLib.segfiles.labelmap import save_nifti
from CovidSegLib.segmentation import Lobe
from CovidSegTraining.cli import main
from CovidSegTraining.data.lobe_cases import LEAST_CASES, LobeCase, fold_of, read_lobe_cases
from CovidSegTraining.judge.lobe_infections import InfectedLungs, carried
from Testing.kit.drawn_lungs import AFFINE, SPACING, drawn_lungs


@cache
def _lobes() -> np.ndarray:
    lungs = drawn_lungs(infected=False)
    return find_lobes(lungs, SPACING).lobe_map(lungs)


def drawn_lobes() -> np.ndarray:
    return _lobes().copy()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lungs of one shape in several sizes, with lobes like them: every second voxel."""
    folder = tmp_path_factory.mktemp("lobes")
    for number in range(LEAST_CASES):
        stretched = AFFINE @ np.diag([2 * (0.9 + 0.02 * number), 2.0, 2 * (1.1 - 0.02 * number), 1.0])
        save_nifti(np.ascontiguousarray(drawn_lobes()[::2, ::2, ::2]), stretched, folder / f"case{number}.nii.gz")
    return folder


def test_the_command_judges_folds_and_writes_a_model_that_is_found_to_be_its_cards(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = tmp_path / "scores.json"
    call = [
        "lobes",
        str(data),
        "--to",
        str(tmp_path / "model"),
        "--name",
        "mine",
        "--folds",
        "2",
        "--json",
        str(scores),
    ]
    assert main(call) == 0
    assert "right middle lobe" in capsys.readouterr().out
    each = json.loads(scores.read_text(encoding="utf-8"))["each"]
    assert [case["case"] for case in each] == [f"case{number}" for number in range(LEAST_CASES)]
    assert min(min(case["dice"]) for case in each) > 0.85  # lungs of one shape
    card = json.loads((tmp_path / "model/mine.json").read_text(encoding="utf-8"))
    assert card["files"]["npz"]["sha256"] == hashlib.sha256((tmp_path / "model/mine.npz").read_bytes()).hexdigest()
    model = read_lobe_model(tmp_path / "model/mine.json")
    assert model.lowest_overlap == tuple(card["scores"]["lobes"][str(int(lobe))]["lowest"] for lobe in sorted(Lobe))


def test_too_few_masks_and_masks_without_a_lobe_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least"):
        read_lobe_cases(tmp_path, Progress())
    for file in data.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    lobes = drawn_lobes()
    lobes[lobes == Lobe.RIGHT_MIDDLE] = 0
    save_nifti(lobes, AFFINE, tmp_path / "case3.nii.gz")
    with pytest.raises(InputError, match=r"case3.nii.gz does not hold the five lobes"):
        read_lobe_cases(tmp_path, Progress())


def test_a_case_is_in_one_fold_whatever_the_order_of_reading() -> None:
    cases = [LobeCase(name, drawn_lobes(), SPACING) for name in "dbac"]
    assert fold_of(cases, 2) == [2, 2, 1, 1]


def test_a_middle_lobe_behind_the_upper_one_is_no_usual_mask() -> None:
    lobes = drawn_lobes()
    assert not LobeCase("a", lobes, SPACING).is_odd
    swapped = np.where(lobes == Lobe.RIGHT_UPPER, Lobe.RIGHT_MIDDLE, lobes)
    swapped[lobes == Lobe.RIGHT_MIDDLE] = Lobe.RIGHT_UPPER
    assert LobeCase("a", swapped.astype(np.uint8), SPACING).is_odd


def test_infection_keeps_its_place_in_other_lungs() -> None:
    lungs = drawn_lungs(infected=False)
    infected = drawn_lungs() != lungs
    source = InfectedLungs("s", lungs, infected)
    assert ((carried(source, lungs) > 2) == infected).all()
    coarse = np.ascontiguousarray(lungs[::2, ::2, ::2])
    found = carried(source, coarse) > 2
    assert found.mean() == pytest.approx(infected.mean(), rel=0.15)
    assert (found & infected[::2, ::2, ::2]).sum() > 0.8 * found.sum()
