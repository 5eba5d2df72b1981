"""``covidseg followup`` on real files: days come from DICOM, dates are shown on request alone."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from pathlib import Path

import jsonschema
import nibabel
import numpy as np
import pytest

from CovidSegLib.report.followup import FOLLOWUP_SCHEMA
from CovidSegLib.report.schemas import published_schema
from CovidSegLib.segmentation import Label
from Testing.kit.blocks import block_labels, block_scan
from Testing.kit.command_line import CLEAN, CommandLine, told_scan
from Testing.kit.dicom_files import write_series

pytestmark = pytest.mark.skipif(os.name == "nt", reason="looks at processes")
PATIENT = {"PatientID": "P-1", "PatientName": "Doe^Jane"}


def visit(folder: Path, date: str, larger: int, **fields: object) -> None:
    """A DICOM series taken on ``date`` and its masks; the left lesion is ``larger`` voxels wider."""
    labels = block_labels()
    labels[4:8, 20:30, 65 - larger : 65] = Label.INFECTION
    write_series(folder, block_scan(labels), **{**PATIENT, "AcquisitionDate": date, **fields})
    # As this series is read: columns to the left, rows to the back, its own spacing.
    affine = np.array([[-0.7, 0, 0, 10], [0, -0.8, 0, 20], [0, 0, 2, 0], [0, 0, 0, 1]], float)
    nibabel.Nifti1Image(labels.transpose(2, 1, 0), affine).to_filename(folder.with_suffix(".nii.gz"))


@pytest.fixture
def covidseg(tmp_path: Path) -> CommandLine:
    """Three visits of one patient, not in the order of their names."""
    visit(tmp_path / "a", "20200414", 3)
    visit(tmp_path / "b", "20200401", 0)
    visit(tmp_path / "c", "20200630", 1)
    return CommandLine(tmp_path)


MASKS = ("--masks", "a.nii.gz", "b.nii.gz", "c.nii.gz")


def test_days_come_from_dicom_and_no_date_gets_out(covidseg: CommandLine) -> None:
    ended = covidseg.run("followup", "a", "b", "c", *MASKS, "-o", "f.csv", "-o", "f.json", "-o", "f.html")
    assert ended.returncode == 0, ended.stderr
    rows = list(csv.DictReader((covidseg.folder / "f.csv").open(encoding="utf-8")))
    assert [row["day"] for row in rows] == ["0", "13", "90"]
    voxel_ml = 0.7 * 0.8 * 2 / 1000
    changes = [float(row["change_infection_ml"]) for row in rows]
    assert changes == pytest.approx([0, 3 * 40 * voxel_ml, 40 * voxel_ml], abs=0.002)
    found = json.loads((covidseg.folder / "f.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, published_schema(FOLLOWUP_SCHEMA))
    assert found["since_first"][0]["percentage_points"] == pytest.approx(100 * 120 / 43200, abs=0.01)
    assert found["since_first"][0]["lung_ml"] == 0
    everything = "".join((covidseg.folder / f"f.{kind}").read_text() for kind in ("csv", "json", "html"))
    for secret in ("202004", "2020-04", "Doe", "P-1"):
        assert secret not in everything + ended.stdout + ended.stderr, secret


def test_dates_are_shown_on_request(covidseg: CommandLine) -> None:
    ended = covidseg.run("followup", "a", "b", "c", *MASKS, "-o", "f.csv", "--dates", "--quiet")
    assert ended.returncode == 0, ended.stderr
    rows = list(csv.DictReader((covidseg.folder / "f.csv").open(encoding="utf-8")))
    assert [row["date"] for row in rows] == ["2020-04-01", "2020-04-14", "2020-06-30"]


def test_two_patients_are_told_without_naming_them(covidseg: CommandLine) -> None:
    visit(covidseg.folder / "d", "20200801", 2, PatientID="P-2")
    ended = covidseg.run("followup", "a", "d", "--masks", "a.nii.gz", "d.nii.gz", "-o", "f.html")
    assert ended.returncode == 0
    assert "warning: The scans' DICOM headers name different patients" in ended.stderr
    assert "different patients" in (covidseg.folder / "f.html").read_text(encoding="utf-8")
    assert "P-2" not in ended.stderr


def test_scans_without_a_date_need_days(tmp_path: Path) -> None:
    covidseg = CommandLine(tmp_path, stand_in=True)
    for name in ("x", "y"):
        told_scan(tmp_path / f"{name}.nii.gz", CLEAN)
    line = covidseg.refused("followup", "x.nii.gz", "y.nii.gz", "-o", "f.csv", "--quiet")
    assert "--days 0 14 90" in line
    assert "--days names 1 of 2" in covidseg.refused(
        "followup", "x.nii.gz", "y.nii.gz", "-o", "f.csv", "--days", "3", "--quiet"
    )
    assert "two scans" in covidseg.refused("followup", "x.nii.gz", "-o", "f.csv", "--quiet")
    # With days they are segmented, both by one worker; a result that is there already is taken as it is.
    first = covidseg.run("segment", "x.nii.gz", "-o", "m.nii.gz", "--json", "x.json", "--quiet")
    assert first.returncode == 0, first.stderr
    ended = covidseg.run("followup", "x.json", "y.nii.gz", "-o", "f.csv", "--days", "10", "3", "--quiet")
    assert ended.returncode == 0, ended.stderr
    rows = list(csv.DictReader((tmp_path / "f.csv").open(encoding="utf-8")))
    assert [row["day"] for row in rows] == ["0", "7"]


def test_a_json_file_that_is_no_whole_result_gets_a_sentence(covidseg: CommandLine) -> None:
    assert covidseg.run("report", "a", "a.nii.gz", "-o", "a.json", "--quiet").returncode == 0
    record = json.loads((covidseg.folder / "a.json").read_text(encoding="utf-8"))
    for name in ("model", "software", "edited_segments"):
        left = {key: value for key, value in record.items() if key not in (name, "checksum")}
        (covidseg.folder / "lost.json").write_text(json.dumps(left), encoding="utf-8")
        call = ("followup", "a.json", "lost.json", "--days", "0", "1", "-o", "f.html", "--quiet")
        assert "holds no result of this version" in covidseg.refused(*call)
    (covidseg.folder / "lost.json").write_text("[" * 100_000, encoding="utf-8")
    assert "cannot be read" in covidseg.refused(*call)


def test_results_that_split_the_infection_at_different_values_are_pointed_out(covidseg: CommandLine) -> None:
    for name, split in (("a", "-300"), ("b", "-300"), ("c", "-450")):
        call = ("report", name, f"{name}.nii.gz", "-o", f"{name}.json", "--split-hu", split, "--quiet")
        assert covidseg.run(*call).returncode == 0
    days = ("--days", "0", "1", "-o", "f.json")
    assert "told apart" not in covidseg.run("followup", "a.json", "b.json", *days).stderr
    ended = covidseg.run("followup", "a.json", "c.json", *days, "--overwrite")
    assert ended.returncode == 0
    assert "told apart at different values (-450 and -300 HU)" in ended.stderr
    assert "-450 and -300 HU" in " ".join(json.loads((covidseg.folder / "f.json").read_text())["warnings"])


def test_days_that_contradict_the_dates_and_a_scan_given_twice_are_pointed_out(covidseg: CommandLine) -> None:
    shutil.copytree(covidseg.folder / "a", covidseg.folder / "copy")
    call = ("followup", "b", "a", "copy", "--masks", "b.nii.gz", "a.nii.gz", "a.nii.gz", "-o", "f.html")
    ended = covidseg.run(*call, "--days", "14", "1", "1")
    assert ended.returncode == 0
    assert "warning: The days do not fit the dates in the scans' DICOM headers" in ended.stderr
    assert "warning: Scan 3 is the same as scan 2: nothing can have changed." in ended.stderr
    assert "nothing can have changed" in (covidseg.folder / "f.html").read_text(encoding="utf-8")
    ended = covidseg.run("followup", "a", "b", "--masks", "a.nii.gz", "b.nii.gz", "-o", "f.csv", "--days", "20", "7")
    assert not [words for words in ("days do not fit", "is the same as") if words in ended.stderr]
    record = covidseg.folder / "a.json"
    assert covidseg.run("report", "a", "a.nii.gz", "-o", record, "--quiet").returncode == 0
    ended = covidseg.run("followup", record, "a.json", "-o", "g.csv", "--days", "20", "7")
    assert "Scan 2 is the same as scan 1" in ended.stderr


def test_scans_of_one_day_are_put_in_order_by_their_time(covidseg: CommandLine) -> None:
    visit(covidseg.folder / "noon", "20200401", 2, AcquisitionTime="121500.5", StudyTime="070000")
    visit(covidseg.folder / "nine", "20200401", 4, AcquisitionTime="0930", StudyTime="070000")
    for first, second in (("noon", "nine"), ("nine", "noon")):
        masks = (f"{first}.nii.gz", f"{second}.nii.gz")
        ended = covidseg.run("followup", first, second, "--masks", *masks, "-o", "f.csv", "--dates")
        assert ended.returncode == 0, ended.stderr
        rows = list(csv.DictReader((covidseg.folder / "f.csv").open(encoding="utf-8")))
        assert [row["day"] for row in rows] == ["0", "0"]
        assert float(rows[1]["change_infection_ml"]) < 0  # the later one has the smaller lesion
        assert "12:15" not in ended.stdout + (covidseg.folder / "f.csv").read_text(encoding="utf-8")
    # Where a time is not known, the user's order stands.
    ended = covidseg.run("followup", "noon", "b", "--masks", "noon.nii.gz", "b.nii.gz", "-o", "g.csv")
    rows = list(csv.DictReader((covidseg.folder / "g.csv").open(encoding="utf-8")))
    assert float(rows[0]["infection_ml"]) > float(rows[1]["infection_ml"])


def test_the_page_has_a_picture_of_each_scan_and_none_of_numbers_alone(covidseg: CommandLine) -> None:
    ended = covidseg.run("followup", "a", "b", "c", *MASKS, "-o", "f.html", "--quiet")
    assert ended.returncode == 0, ended.stderr
    page = (covidseg.folder / "f.html").read_text(encoding="utf-8")
    drawn = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)"[^>]*><figcaption>(Day \d+)<', page)
    assert [caption for _, caption in drawn] == ["Day 0", "Day 13", "Day 90"]
    assert len({picture for picture, _ in drawn}) == 3
    for name in ("a", "b"):
        assert covidseg.run("report", name, f"{name}.nii.gz", "-o", f"{name}.json", "--quiet").returncode == 0
    assert covidseg.run("followup", "a.json", "b.json", "--days", "1", "0", "-o", "n.html", "--quiet").returncode == 0
    assert "<img" not in (covidseg.folder / "n.html").read_text(encoding="utf-8")


def _numbers(covidseg: CommandLine, *names: str) -> None:
    for name in names:
        assert covidseg.run("report", name, f"{name}.nii.gz", "-o", f"{name}.json", "--quiet").returncode == 0


@pytest.mark.parametrize("edit", ["a number", "a note", "no number", "half a letter", "a second checksum"])
def test_numbers_that_somebody_changed_are_refused(covidseg: CommandLine, edit: str) -> None:
    _numbers(covidseg, "a", "b")
    file = covidseg.folder / "b.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    if edit == "a number":
        record["measurements"]["total"]["infection_ml"] += 10
    elif edit == "a note":
        record["note"] = "mine"
    else:
        others = {"no number": float("nan"), "half a letter": "\udc80", "a second checksum": record["checksum"]}
        record["note"] = others[edit]
    file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    line = covidseg.refused("followup", "a.json", "b.json", "--days", "0", "1", "-o", "f.html", "--quiet")
    assert "b.json: " in line
    assert "was changed since CovidSeg wrote it" in line


def test_numbers_that_a_program_only_set_in_another_way_are_those_of_before(covidseg: CommandLine) -> None:
    _numbers(covidseg, "a", "b")
    call = ("followup", "a.json", "b.json", "--days", "0", "1", "-o", "f.csv", "--quiet")
    assert covidseg.run(*call).returncode == 0
    before = (covidseg.folder / "f.csv").read_bytes()
    file = covidseg.folder / "b.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(record, indent=None, separators=(",", ":")), encoding="utf-8-sig")
    assert covidseg.run(*call).returncode == 0
    assert (covidseg.folder / "f.csv").read_bytes() == before


def test_numbers_of_an_earlier_version_are_read_and_it_is_said_that_nobody_knows_who_changed_them(
    covidseg: CommandLine,
) -> None:
    _numbers(covidseg, "a", "b")
    file = covidseg.folder / "b.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    del record["checksum"]
    file.write_text(json.dumps(record), encoding="utf-8")
    ended = covidseg.run("followup", "a.json", "b.json", "--days", "0", "1", "-o", "f.json")
    assert ended.returncode == 0, ended.stderr
    said = "Scan 2: The file of its numbers has no checksum of CovidSeg's"
    assert ended.stderr.count(said) == 1
    assert "Scan 1: The file" not in ended.stderr
    assert said in " ".join(json.loads((covidseg.folder / "f.json").read_text(encoding="utf-8"))["warnings"])


def test_one_scan_in_two_files_is_told_by_its_voxels(covidseg: CommandLine) -> None:
    _numbers(covidseg, "a", "b")
    shutil.copy(covidseg.folder / "b.json", covidseg.folder / "again.json")
    days = ("--days", "0", "1", "2", "-o", "f.csv")
    ended = covidseg.run("followup", "a.json", "b.json", "again.json", *days)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("Scan 3 is the same as scan 2: nothing can have changed.") == 1
    assert ended.stderr.count("is the same as") == 1
