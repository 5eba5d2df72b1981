"""Lobes that a user brings as a file: an estimate stays one in every output until a reader has checked it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from CovidSegLib.batch import Entry
from CovidSegLib.batch.index import index_page
from CovidSegLib.batch.summary import Row
from CovidSegLib.cli.main import main
from CovidSegLib.corrections.reviewed_segments import STATUS_TAG
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.measures import Lobe
from CovidSegLib.report.followup import TimePoint
from CovidSegLib.report.result_record import SCHEMA, ResultRecord
from CovidSegLib.report.schemas import published_schema
from CovidSegLib.segfiles import read_reviewed
from CovidSegLib.segfiles.seg_nrrd import FileSegment, write_layers
from Testing.kit.drawn_lungs import AFFINE, drawn_lungs, lobes_of_another_program, write_drawn_lungs


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    return write_drawn_lungs(tmp_path)


def of_another_program(lobes: np.ndarray, estimate: Path) -> None:
    """Write ``lobes`` with the codes of those in ``estimate`` and nothing else that tells whose they are."""
    segments = read_reviewed(estimate, None).segments
    others = []
    for number, one in enumerate(segments, 1):
        fields = {**one.fields, "ID": f"Segment_{number}", "Name": f"Segment {number}", "Tags": ""}
        others.append(FileSegment(fields).with_tags({"TerminologyEntry": one.tags["TerminologyEntry"]}))
    write_layers([lobes], AFFINE, others, estimate)


@pytest.mark.usefixtures("without_views")
def test_lobes_that_a_user_brings_come_first_in_a_report_and_have_no_range(
    masks: Path, estimate: Path, tmp_path: Path
) -> None:
    record, page = tmp_path / "report.json", tmp_path / "report.html"
    of_another_program(lobes_of_another_program(), estimate)
    call = ["report", str(tmp_path / "scan.nii.gz"), str(masks), "--lobes", str(estimate), "--quiet"]
    assert main([*call, "-o", str(record), "-o", str(page)]) == 0
    measured = json.loads(record.read_text(encoding="utf-8"))["measurements"]
    assert measured["severity_estimated"] is None
    assert measured["lobe_score"] in range(1, 26)
    text = page.read_text(encoding="utf-8")
    assert f"{measured['lobe_score']}<small> / 25" in text
    assert "lobes estimated" not in text
    assert 'class="lobes"' not in text


def moved_fissure(lobes: np.ndarray) -> np.ndarray:
    """A reader moved a fissure by some slices."""
    moved = lobes.copy()
    moved[44:50][moved[44:50] == Lobe.LEFT_LOWER] = Lobe.LEFT_UPPER
    return moved


@pytest.fixture
def estimate(masks: Path, tmp_path: Path) -> Path:
    path = tmp_path / "lobes.seg.nrrd"
    assert main(["lobes", str(masks), "-o", str(path), "--quiet"]) == 0
    return path


def changed(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """As Slicer saves what a reader did with lobes: other voxels, the segments as they were."""
    found = read_reviewed(path, Grid(AFFINE, drawn_lungs().shape))
    write_layers([change(found.layers[0])], AFFINE, found.segments, path)


@pytest.mark.usefixtures("without_views")
def test_an_estimate_that_a_reader_changed_has_its_range_and_its_word_in_every_output(
    masks: Path, estimate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    changed(estimate, moved_fissure)
    page, record, table = (tmp_path / f"report.{ending}" for ending in ("html", "json", "csv"))
    outputs = [part for file in (page, record, table) for part in ("-o", str(file))]
    assert main(["report", str(tmp_path / "scan.nii.gz"), str(masks), "--lobes", str(estimate), *outputs]) == 0
    said = capsys.readouterr()
    data = json.loads(record.read_text(encoding="utf-8"))
    jsonschema.validate(data, published_schema(SCHEMA))
    found = data["measurements"]["severity_estimated"]
    ranged = f"{found['score']} ({found['low']} to {found['high']})"
    assert f"{ranged} of 25, lobes estimated from the shape of the lungs, corrected." in said.out
    assert "--lobes-checked" in said.err
    assert data["measurements"]["lobe_score"] is None
    text = page.read_text(encoding="utf-8")
    assert "CT severity score, lobes estimated, corrected" in text
    assert f"{found['score']}<small> ({found['low']} to {found['high']}) / 25" in text
    assert 'class="lobes"' not in text  # they are not those of a picture of the estimate
    lines = [line for line in table.read_text(encoding="utf-8").splitlines() if "CT severity" in line]
    assert len(lines) == 1
    assert "lobes estimated, corrected" in lines[0]
    assert lines[0].endswith(f",{found['score']},points,{found['low']},{found['high']},,")
    point = TimePoint.of(ResultRecord.from_json(data), 7)
    assert point.severity == f"{ranged}, lobes estimated, corrected"
    row = Row.of_entry(Entry("a", "done", result="a.seg.nrrd"), ResultRecord.from_json(data))
    assert row.lobes_are == "estimated, corrected"
    assert f"{found['score']} ({found['low']} to {found['high']}) of 25, lobes estimated, corrected" in index_page(
        [row], 1
    )


@pytest.mark.parametrize("way", ["option", "status"])
def test_an_estimate_that_a_reader_says_to_have_checked_gives_a_score_that_tells_so(
    masks: Path, estimate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    changed(estimate, moved_fissure)
    if way == "status":
        found = read_reviewed(estimate, Grid(AFFINE, drawn_lungs().shape))
        seen = [segment.with_tags({STATUS_TAG: "completed"}) for segment in found.segments]
        write_layers([found.layers[0]], AFFINE, seen, estimate)
    option = ["--lobes-checked"] if way == "option" else []
    record = tmp_path / "report.json"
    call = ["report", str(tmp_path / "scan.nii.gz"), str(masks), "--lobes", str(estimate), "-o", str(record)]
    assert main([*call, *option]) == 0
    measured = json.loads(record.read_text(encoding="utf-8"))["measurements"]
    assert measured["severity_estimated"] is None
    score = measured["lobe_score"]
    assert f"CT severity score {score} of 25, lobes estimated, then checked by a reader." in capsys.readouterr().out
    point = TimePoint.of(ResultRecord.from_json(json.loads(record.read_text(encoding="utf-8"))), 7)
    assert point.severity == f"{score}, lobes estimated, then checked by a reader"


def test_a_follow_up_takes_lobes_for_checked_of_the_scan_alone_of_which_somebody_said_so(
    masks: Path, estimate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["report", str(tmp_path / "scan.nii.gz"), str(masks), "--lobes", str(estimate), "-o"]
    files = [str(tmp_path / f"{name}.json") for name in ("estimated", "checked")]
    assert main([*call, files[0]]) == 0
    assert main([*call, files[1], "--lobes-checked"]) == 0
    table = tmp_path / "f.csv"
    assert main(["followup", *files, "--days", "0", "7", "-o", str(table)]) == 0
    with table.open(encoding="utf-8", newline="") as file:
        are = [row["lobes_are"] for row in csv.DictReader(file)]
    assert are == ["estimated", "estimated, then checked by a reader"]
    assert "lobes of different origin" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["batch", "followup"])
def test_commands_for_several_scans_say_how_to_vouch_for_the_lobes_of_one(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "as estimated here, whoever checked" in said
    assert "covidseg report SCAN MASKS --lobes FILE --lobes-checked" in said


def test_an_estimate_that_was_written_as_a_labelmap_is_read_as_the_same_estimate(
    masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = [tmp_path / name for name in ("lobes.nii.gz", "lobes.nii", "lobes.seg.nrrd")]
    assert main(["lobes", str(masks), *(part for file in written for part in ("-o", str(file))), "--quiet"]) == 0
    read = []
    for lobes in written:
        record = tmp_path / "report.json"
        call = ["report", str(tmp_path / "scan.nii.gz"), str(masks), "--lobes", str(lobes), "-o", str(record)]
        assert main(call) == 0
        read.append(json.loads(record.read_text(encoding="utf-8"))["measurements"])
    assert read[0] == read[1] == read[2]
    assert read[0]["lobes_are"] == "estimated"
    others = nibabel.load(written[0])
    others.header["descrip"] = b""
    nibabel.save(others, written[1])
    capsys.readouterr()
    assert main([*call[:3], "--lobes", str(written[1]), "-o", str(record)]) == 2
    assert f"{written[1]}: Lobes are read from" in capsys.readouterr().err


def test_given_lobes_are_not_replaced_by_the_result_they_are_given_for(
    estimate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = estimate.read_bytes()
    call = ["segment", str(tmp_path / "scan.nii.gz"), "--lobes", str(estimate), "-o", str(estimate), "--overwrite"]
    assert main(call) == 2
    assert "The output is the input file." in capsys.readouterr().err
    assert estimate.read_bytes() == before


def test_masks_that_give_no_lobes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.nii.gz").touch()
    assert main(["lobes", str(tmp_path / "empty.nii.gz")]) == 2
    assert f"{tmp_path / 'empty.nii.gz'}: The file is empty." in capsys.readouterr().err


def test_an_option_that_no_lobes_belong_to_is_told(
    masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "report.json"
    call = ["report", str(tmp_path / "scan.nii.gz"), str(masks), "--lobes-checked", "-o", str(record)]
    assert main(call) == 2
    assert "There are no lobes that a reader could have checked." in capsys.readouterr().err
    assert not record.exists()


def test_lobes_that_are_exchanged_are_refused_with_the_name_of_their_file(
    masks: Path, estimate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(estimate, lambda lobes: np.array([0, 2, 1, 3, 4, 5], np.uint8)[lobes])
    record = tmp_path / "report.json"
    call = ["report", str(tmp_path / "scan.nii.gz"), str(masks), "--lobes", str(estimate), "-o", str(record)]
    assert main([*call, "--lobes-checked"]) == 2
    assert (
        f"{estimate}: The file can be no lobe segmentation of this scan. Its left upper lobe lies below the left lower "
        "one: are the two exchanged?" in capsys.readouterr().err
    )
    assert not record.exists()
