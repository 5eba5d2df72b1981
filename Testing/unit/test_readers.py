"""Networks beside two readers, and infection parted into ground glass and consolidation."""

from __future__ import annotations

from dataclasses import replace

import nibabel
import numpy as np
import pytest

from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegTraining.judge.readers import ReaderJudge, agreement, dice, split_scores, table_values
from Testing.kit.training_data import write_case


def test_who_agrees_with_one_reader_gets_half_of_a_mean_of_readers_that_share_nothing():
    first, second = np.zeros((2, 9), bool), np.zeros((2, 9), bool)
    first[0], second[1] = True, True
    scores = agreement(first, first, second)
    assert scores["network_mean"] == scores["reader1_mean"] == scores["reader2_mean"] == pytest.approx(0.5)
    assert scores["network_reader2"] == scores["readers"] == 0
    assert agreement(first, first, first)["network_mean"] == 1
    assert np.isnan(dice(np.zeros(3, bool), np.zeros(3)))


def test_dense_infection_counts_as_consolidation_in_either_mask():
    kinds = np.array([1, 1, 2, 2, 0, 0], float)
    hu = np.array([-600, -200, -200, 0, -600, 0], float)
    scores = split_scores(kinds, np.array([True, False, True, True, True, False]), hu)
    assert scores["ground_glass_in_reader"] == pytest.approx(2 / 3)
    assert scores["consolidation_in_reader"] == pytest.approx(4 / 5)
    assert scores["ground_glass_in_network"] == pytest.approx(2 / 4)
    assert scores["consolidation_in_network"] == 1


def test_a_scan_is_judged_by_what_the_set_has_of_it(tmp_path):
    case = write_case(tmp_path, "one")
    labels = np.asarray(nibabel.load(case.labels).dataobj)
    judge = ReaderJudge(tmp_path, 3)
    volume, found = read_ct(case.image, Progress()), labels.transpose(2, 1, 0)
    judge(case, volume, found)
    assert (judge.agreement, judge.split) == ([], []), "one reader, no kinds"
    (tmp_path / "ggo_consolidation").mkdir()
    kinds = (labels == 3).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(kinds, np.diag([-3.0, -3.0, 5.0, 1])), tmp_path / "ggo_consolidation/one.nii.gz")
    rows = ["scan,slice_in_our_file,how_class_was_told", "one,1,both drawn", "one,2,single class"]
    (tmp_path / "ggo_consolidation/slices.csv").write_text("\n".join(rows))
    judge(replace(case, second=case.labels), volume, found)
    (readers,), (split,) = judge.agreement, judge.split
    assert (readers["case"], readers["fold"], readers["network_mean"]) == ("one", 3, 1.0)
    assert (split["slices"], split["consolidation_in_network"]) == (1, 0), "the phantom's infection is dense"
    names = [name for name, _ in table_values(judge.agreement, judge.split)]
    assert len(names) == 9
    assert not list(table_values([], []))
