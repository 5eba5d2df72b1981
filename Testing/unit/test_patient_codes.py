"""Scans of one patient get one code, from which nothing can be read; labels that nobody corrected are marked."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.segfiles import save_training_case
from CovidSegLib.segfiles.patient_codes import key_file, patient_code
from CovidSegTraining.data.cases import find_cases
from CovidSegTraining.data.check import UNCORRECTED, check_case
from Testing.kit.training_data import chest_slices

AFFINE = np.diag([-3.0, -3.0, 5.0, 1.0])


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVIDSEG_MODELS", str(tmp_path / "user" / "models"))


def test_one_patient_has_one_code_and_another_one_another() -> None:
    assert patient_code("PAT-0042") == patient_code(" pat-0042 ")
    assert patient_code("PAT-0042") != patient_code("PAT-0043")
    assert key_file().stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("identifier", ["", "  ", "0", "0000000", "Anonymous", "ANON_", "none"])
def test_what_names_nobody_is_no_patient(identifier: str) -> None:
    assert patient_code(identifier) == ""


def test_a_code_cannot_be_found_by_trying_all_identifiers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = patient_code("123456")
    assert "123456" not in code
    assert hashlib.sha256(b"123456").hexdigest()[:12] not in code
    monkeypatch.setenv("COVIDSEG_MODELS", str(tmp_path / "another user" / "models"))
    assert patient_code("123456") != code


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_two_visits_are_one_patient_and_uncorrected_labels_are_marked_until_they_are_corrected(tmp_path: Path) -> None:
    folder, code = tmp_path / "set", patient_code("PAT-0042")
    for seed, corrected in ((1, True), (2, False)):
        voxels, labels = chest_slices(3, seed)
        save_training_case(CtVolume(voxels, AFFINE), labels, folder, corrected=corrected, patient=code)
    assert [(row["patient"], row["corrected"]) for row in _rows(folder)] == [(code, "yes"), (code, "no")]
    cases = find_cases(folder)
    assert {case.group for case in cases} == {code}
    assert sorted(UNCORRECTED in check_case(case).notes for case in cases) == [False, True]
    labels[1] = np.where(labels[1] == 3, 1, labels[1])
    save_training_case(CtVolume(voxels, AFFINE), labels, folder, corrected=True)
    assert [(row["patient"], row["corrected"]) for row in _rows(folder)] == [(code, "yes"), (code, "yes")]
    assert all(case.corrected for case in find_cases(folder))
