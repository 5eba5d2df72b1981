"""What a command says names the argument that it is about, as it was typed, and comes before the work is done."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.segfiles import write
from CovidSegLib.segmentation import Provenance, Segmentation
from Testing.kit.command_line import CLEAN, IS_REFUSED, CommandLine, tell, told_scan, write_scan
from Testing.kit.dicom_files import PATIENT, write_series
from Testing.kit.training_data import chest_slices

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the kit's command line is for Unix")

MADE = Provenance("m", "0" * 64, "onnx", "cpu", "CovidSeg 1.0")

REFUSED = {
    "segment none.nii.gz -o a.nii.gz": "none.nii.gz: The input does not exist.",
    "segment text.nii.gz -o a.nii.gz": "text.nii.gz: ",
    "segment refused.nii.gz -o a.nii.gz": "refused.nii.gz: The scan is refused.",
    "segment s.nii.gz -o a.png": "a.png: The output file has an ending that is not known.",
    "segment s.nii.gz -o there.nii.gz": "there.nii.gz: The output exists",
    "segment s.nii.gz -o a.nii.gz --json nowhere/a.json": "nowhere/a.json: The folder for the output does not exist.",
    "segment s.nii.gz -o a.nii.gz --json other.json": "other.json: The file for the numbers",
    "segment s.nii.gz -o a.nii.gz --report a.txt": "a.txt: A report ends in .html, .json or .csv.",
    "segment s.nii.gz -o a.nii.gz --model nosuch": "nosuch: There is no model named nosuch.",
    "report s.nii.gz none.seg.nrrd -o a.json": "none.seg.nrrd: The input does not exist.",
    "report s.nii.gz text.nii.gz -o a.json": "text.nii.gz: ",
    "followup s.nii.gz text.nii.gz --days 0 1 -o a.json --masks there.nii.gz there.nii.gz": "text.nii.gz: ",
    "training-case s.nii.gz text.nii.gz set": "text.nii.gz: ",
    "batch nowhere out": "nowhere: The input does not exist.",
    "batch empty out": "empty: ",
    "batch . s.nii.gz": "s.nii.gz: ",
    "sample there.nii.gz": "there.nii.gz: The file exists and is not an earlier sample.",
}


@pytest.fixture
def folder(told: CommandLine) -> CommandLine:
    """The command line in a folder with a scan, with what is none, and with files that must stay."""
    told_scan(told.folder / "s.nii.gz", CLEAN)
    told_scan(told.folder / "refused.nii.gz", IS_REFUSED)
    write_scan(told.folder / "there.nii.gz", np.zeros((4, 32, 32)))
    (told.folder / "text.nii.gz").write_text("not an image")
    (told.folder / "other.json").write_text('{"precious": 1}')
    (told.folder / "empty").mkdir()
    return told


@pytest.mark.parametrize(("call", "said"), REFUSED.items(), ids=REFUSED.keys())
def test_what_is_refused_is_named_as_it_was_typed(folder: CommandLine, call: str, said: str) -> None:
    assert folder.refused(*call.split(), "--quiet").startswith(f"error: {said}")


@pytest.mark.parametrize("option", [["-o", "there.nii.gz"], ["-o", "a.nii.gz", "--model", "nosuch"]])
def test_what_cannot_be_done_is_said_before_the_scan_is_read(folder: CommandLine, option: list[str]) -> None:
    ended = folder.run("segment", "text.nii.gz", *option)
    assert ended.returncode == 2
    assert "text.nii.gz" not in ended.stderr
    assert "reading" not in ended.stderr


def test_a_folder_of_images_is_sent_to_batch(told: CommandLine) -> None:
    tell(told, a=CLEAN, b=CLEAN)
    line = told.refused("segment", "scans", "-o", "a.nii.gz", "--quiet")
    assert line.startswith("error: scans: ")
    assert line.endswith("It holds 2 image files: give one, or use covidseg batch for all.")


def test_stages_of_a_follow_up_say_of_which_scan(folder: CommandLine) -> None:
    told_scan(folder.folder / "later.nii.gz", CLEAN)
    ended = folder.run("followup", "s.nii.gz", "later.nii.gz", "--days", 0, 9, "-o", "a.json")
    assert ended.returncode == 0, ended.stderr
    stages = [line for line in ended.stderr.splitlines() if line.endswith("reading ...")]
    assert stages == ["[1/2] s.nii.gz: reading ...", "[2/2] later.nii.gz: reading ..."]
    assert "Since day 0: unchanged" in ended.stdout


def test_a_batch_makes_a_report_page_of_each_scan_and_its_index_leads_there(told: CommandLine) -> None:
    tell(told, a=CLEAN, b=CLEAN)
    assert told.run("batch", "scans", "out").returncode == 0
    assert not (told.folder / "out/reports").exists()
    ended = told.run("batch", "scans", "out", "--reports")
    assert ended.returncode == 0, ended.stderr
    assert "2 of 2 scans done" in ended.stdout  # those without a report are done again
    index = (told.folder / "out/index.html").read_text()
    for name in "ab":
        page = (told.folder / f"out/reports/{name}.html").read_text()
        assert "<title>CovidSeg report" in page
        assert f'<a href="reports/{name}.html">' in index
    assert "2 done before" in told.run("batch", "scans", "out", "--reports").stdout


def test_a_batch_of_dicom_series_writes_dicom_segmentations(told: CommandLine) -> None:
    pytest.importorskip("highdicom", reason="needs the Python package highdicom (extra: dicom)")
    voxels = np.full((4, 32, 32), 40, np.int16)
    voxels[:, 8:24, 8:24] = -800
    voxels[0, 0, 0] = CLEAN
    write_series(told.folder / "scans/one", voxels, [2.5 * k for k in range(4)], **PATIENT)
    ended = told.run("batch", "scans", "out", "--format", "dcm")
    assert ended.returncode == 0, ended.stderr
    assert (told.folder / "out/one.dcm").is_file()
    assert "1 done before" in told.run("batch", "scans", "out", "--format", "dcm").stdout


def test_masks_that_nobody_corrected_are_trained_on_only_when_that_is_said(told: CommandLine) -> None:
    """And two visits with one PatientID are one patient, whom nothing in the set names."""
    for visit in (1, 2):
        voxels, labels = chest_slices(4, visit)
        write_series(told.folder / f"visit{visit}", voxels, [5.0 * k for k in range(4)], **PATIENT)
        volume = read_ct(told.folder / f"visit{visit}", Progress())
        write(Segmentation(labels, volume.affine, MADE), told.folder / f"{visit}.seg.nrrd")
    told.environment["COVIDSEG_MODELS"] = str(told.folder / "user" / "models")
    line = told.refused("training-case", "visit1", "1.seg.nrrd", "set", "--quiet")
    assert line.startswith("error: 1.seg.nrrd: Nobody corrected or confirmed these masks")
    assert "--uncorrected" in line
    for visit in (1, 2):
        ended = told.run("training-case", f"visit{visit}", f"{visit}.seg.nrrd", "set", "--uncorrected")
        assert ended.returncode == 0, ended.stderr
    table = told.folder / "set/metadata.csv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["corrected"] for row in rows] == ["no", "no"]
    assert len({row["patient"] for row in rows}) == 1
    assert rows[0]["patient"].startswith("patient_")
    told_of_patient = [str(PATIENT[name]) for name in ("PatientID", "PatientName") if name in PATIENT]
    everything = b"".join(path.read_bytes() for path in Path(told.folder / "set").rglob("*") if path.is_file())
    assert not [word for word in told_of_patient if word and word.encode() in everything]
