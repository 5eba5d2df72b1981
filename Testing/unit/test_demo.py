"""The demonstration: Dice against a truth, from files."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from CovidSegLib.report.demo import dice, main
from CovidSegLib.segfiles import write
from CovidSegLib.segmentation import Label, Provenance, Segmentation

AFFINE = np.diag((-0.7, -0.7, 2.0, 1.0))


def save(labels: np.ndarray, path: Path, affine: np.ndarray = AFFINE) -> str:
    write(Segmentation(labels.astype(np.uint8), affine, Provenance("", "", "", "", "")), path)
    return str(path)


def test_dice_is_what_is_common_twice_over_what_there_is() -> None:
    result, truth = np.zeros((2, 1, 6), np.uint8), np.zeros((2, 1, 6), np.uint8)
    result[0, 0, :4] = Label.INFECTION
    truth[0, 0, 1:] = Label.INFECTION
    truth[1, 0, 0] = Label.LEFT_LUNG
    assert dice(result, truth, (Label.INFECTION,)) == pytest.approx(2 * 3 / (4 + 5))
    assert dice(result, truth, (Label.INFECTION, Label.LEFT_LUNG)) == pytest.approx(2 * 3 / (4 + 6))
    assert dice(result, truth, (Label.LEFT_LUNG,)) == 0
    assert dice(result, truth, (Label.RIGHT_LUNG,)) == 1


def test_the_overlap_of_every_structure_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = np.arange(4).repeat(6).reshape(2, 3, 4)
    result = np.where(truth == Label.INFECTION, Label.RIGHT_LUNG, truth)
    paths = [save(array, tmp_path / name) for array, name in ((truth, "scan.nii"), (result, "r.nii"), (truth, "t.nii"))]
    assert main([paths[0], paths[1], "--truth", paths[2]]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in printed[1:]] == ["1.000", "1.000", "0.667", "0.000"]


@pytest.mark.parametrize("fault", ["another grid", "another place", "other values"])
def test_a_labelmap_that_does_not_belong_to_the_scan_is_refused(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = save(np.zeros((2, 3, 4)), tmp_path / "scan.nii")
    moved = AFFINE.copy()
    moved[0, 3] = 5.0
    faulty = {
        "another grid": lambda path: save(np.zeros((2, 3, 5)), path),
        "another place": lambda path: save(np.zeros((2, 3, 4)), path, moved),
        "other values": lambda path: save(np.full((2, 3, 4), 7), path),
    }
    assert main([scan, faulty[fault](tmp_path / "r.nii")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: The result ")
    assert str(tmp_path) not in message


def test_a_map_of_probabilities_is_no_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan = save(np.zeros((2, 3, 4)), tmp_path / "scan.nii")
    nibabel.save(nibabel.Nifti1Image(np.full((4, 3, 2), 0.8, np.float32), AFFINE), tmp_path / "r.nii")
    assert main([scan, str(tmp_path / "r.nii")]) == 2
    assert "no labelmap" in capsys.readouterr().err
