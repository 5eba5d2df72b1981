"""The scores of the evaluation, on masks that can be counted by hand."""

from __future__ import annotations

import math

import nibabel
import numpy as np
import pytest

from CovidSegLib.errors import InputError
from CovidSegTraining.data.dataset import SliceFile
from CovidSegTraining.judge.evaluation import OUTLINE_COLUMNS, Overlap, _slice_flags, score, table_text

AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])


def truth_file(folder, labels: np.ndarray) -> SliceFile:
    nibabel.save(nibabel.Nifti1Image(labels.transpose(2, 1, 0), AFFINE), folder / "truth.nii.gz")
    return SliceFile(folder / "truth.nii.gz")


def scan() -> np.ndarray:
    """Three slices: infected, infection-free, and one whose lungs were not drawn."""
    labels = np.zeros((3, 10, 20), np.uint8)
    labels[:2, 2:8, 1:9], labels[:2, 2:8, 11:19] = 2, 1
    labels[0, 3:5, 2:6] = 3
    labels[2] = 254
    labels[2, 4:6, 4:8] = 3
    return labels


def test_a_perfect_answer_scores_one(tmp_path):
    labels = scan()
    answer = labels.copy()
    answer[2][answer[2] == 254] = 0
    row = score("case", answer, truth_file(tmp_path, labels), {}).row()
    for name in ("infection_infected_slices", "infection_all_slices", "lung", "left", "right"):
        assert row[name] == 1, name
    assert row["false_infection_percent"] == 0
    assert row["percent_infected"] == row["percent_infected_truth"] == pytest.approx(100 * 8 / (4 * 48))


def test_each_score_counts_only_the_slices_it_is_about(tmp_path):
    labels = scan()
    answer = labels.copy()
    answer[2] = 0  # the infection of the slice without lungs is missed
    answer[1, 3, 12:16] = 3  # and some is found where there is none
    row = score("case", answer, truth_file(tmp_path, labels), {}).row()
    assert row["infection_infected_slices"] == 1
    assert row["infection_all_slices"] == pytest.approx(2 * 8 / (12 + 16))
    assert row["false_infection_percent"] == pytest.approx(100 * 4 / 96)
    assert row["lung"] == 1
    assert row["left"] == 1  # what is infection in truth or answer is left out


def test_the_table_of_slices_decides_where_there_is_one(tmp_path):
    labels = scan()
    answer = np.zeros_like(labels)
    flags = {("case", 0): (True, False), ("case", 1): (False, True), ("case", 2): (True, False)}
    row = score("case", answer, truth_file(tmp_path, labels), flags).row()
    assert math.isnan(row["infection_infected_slices"])
    assert row["lung"] == 0


def test_what_is_unknown_counts_in_no_score(tmp_path):
    labels = scan()
    answer = np.roll(labels % 254, 1, axis=2)
    for half in (labels, answer):
        half[:, 5:] = 0
    without = score("case", answer, truth_file(tmp_path, labels), {}).row()
    labels[:, 5:], answer[:, 5:] = 255, 3
    row = score("case", answer, truth_file(tmp_path, labels), {}).row()
    assert {name: value for name, value in row.items() if value == value} == {
        name: value for name, value in without.items() if value == value
    }


def test_two_empty_masks_have_no_dice():
    assert math.isnan(Overlap().dice)


def test_the_table_says_how_many_scans_a_mean_is_of(tmp_path):
    labels = scan()
    rows = [score("case", answer, truth_file(tmp_path, labels), {}).row() for answer in (labels % 254, labels * 0)]
    text = table_text(rows)
    assert "n 2)" in text
    assert " (n 1)" in text  # no lung was found in the second: no share of it is falsely infected, and no interval
    assert "nan" not in text + table_text(rows, OUTLINE_COLUMNS)


def test_volumes_are_those_of_slices_whose_lung_is_known(tmp_path):
    labels = scan()
    row = score("case", labels % 254, truth_file(tmp_path, labels), {}).row()
    assert row["infection_ml"] == row["infection_ml_truth"] == pytest.approx(8 * 2 / 1000)
    assert row["lung_ml"] == row["lung_ml_truth"] == pytest.approx(4 * 48 * 2 / 1000)


def test_outlines_are_scored_in_mm_and_in_pixels(tmp_path):
    labels = scan()
    answer = np.roll(labels % 254, 1, axis=2)
    row = score("case", answer, truth_file(tmp_path, labels), {}).row()
    assert row["lung_hausdorff_px"] == row["lung_hausdorff_mm"] == 1
    assert row["lung_surface_dice_1mm"] == 1
    assert row["infection_surface_dice_3px"] == 1
    assert row["lung"] < 1


@pytest.mark.parametrize("text", ["\ufeff{}", "sep", "{}"])
def test_a_table_of_slices_is_read_as_a_spreadsheet_writes_it(tmp_path, text):
    table = "case,slice,infected,lung_by\none,0,0,reader1\none,1,1,none\n"
    table = table.replace(",", ";") if text == "sep" else text.format(table)
    (tmp_path / "slices.csv").write_text(table, encoding="utf-8")
    assert _slice_flags(tmp_path / "slices.csv") == {("one", 0): (False, True), ("one", 1): (True, False)}


@pytest.mark.parametrize(
    "table", ["case,slice,infected\none,0,1\n", "case,slice,infected,lung_by\none,first,1,reader1\n"]
)
def test_a_table_of_slices_that_cannot_be_used_is_told_by_its_line(tmp_path, table):
    (tmp_path / "slices.csv").write_text(table)
    with pytest.raises(InputError, match=r"Line 2 of slices\.csv cannot be used"):
        _slice_flags(tmp_path / "slices.csv")
