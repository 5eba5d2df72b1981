"""A batch on whose results a reader worked: they stay, with their numbers, and everything says so."""

from __future__ import annotations

import csv
import json
import os
import subprocess

import numpy as np
import pytest

from Testing.kit.command_line import CLEAN, IS_REFUSED, CommandLine, tell
from Testing.kit.dicom_files import PATIENT, write_series
from Testing.kit.rewritten import erase, rewrite

pytestmark = pytest.mark.skipif(os.name == "nt", reason="runs the command in a process of its own")


def rows(told: CommandLine) -> dict[str, dict[str, str]]:
    with (told.folder / "out/summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def batch(told: CommandLine, *options: str) -> subprocess.CompletedProcess[str]:
    """The batch with ``options``; its numbers also go to all.json."""
    return told.run("batch", "scans", "out", "--json", "all.json", *options)


def numbers(told: CommandLine) -> dict[str, dict]:
    """What ``--json`` holds, by case."""
    return {one["case"]: one for one in json.loads((told.folder / "all.json").read_text())["cases"]}


def last_line(ended: subprocess.CompletedProcess[str]) -> str:
    return ended.stdout.splitlines()[-1]


def test_a_corrected_case_that_is_not_replaced_keeps_its_numbers(told: CommandLine) -> None:
    tell(told, a=CLEAN, b=CLEAN)
    assert batch(told).returncode == 0
    before = rows(told)["a"]
    rewrite(told.folder / "out/a.seg.nrrd", erase)
    content = (told.folder / "out/a.seg.nrrd").read_bytes()
    os.utime(told.folder / "scans/a.nii.gz")
    for _ in range(2):  # as often as it is tried
        ended = batch(told)
        assert ended.returncode == 2
        assert last_line(ended) == "0 of 1 scans done, 1 done before."
        row = rows(told)["a"]
        assert row["status"] == "kept"
        assert {name for name in row if row[name] != before[name]} == {"status", "message", "checksum"}
        assert row["message"].startswith("The output exists and holds a reader's work: 1.80 mL would be lost.")
        assert "these are the numbers before" in row["message"]
        assert numbers(told)["a"]["status"] == "kept"
        assert numbers(told)["a"]["lung_ml"]["total"] == float(before["lung_ml"])
        page = (told.folder / "out/index.html").read_text()
        assert "1 of 2 scans done, 1 kept as they were" in page
        assert "Not done" not in page
        assert "<details open><summary>Kept as it was" in page
    assert (told.folder / "out/a.seg.nrrd").read_bytes() == content
    assert batch(told, "--keep-edits").returncode == 0
    assert rows(told)["a"]["status"] == "done"


def test_numbers_of_a_result_that_was_changed_since_say_so_everywhere(told: CommandLine) -> None:
    tell(told, a=CLEAN, b=CLEAN)
    assert batch(told).returncode == 0
    rewrite(told.folder / "out/a.seg.nrrd", erase)
    assert batch(told).returncode == 0
    for messages in (rows(told), numbers(told)):
        assert "The result was changed since" in messages["a"]["message"]
        assert "The result was changed since" not in messages["b"]["message"]


def test_corrections_that_were_kept_are_said_in_the_line_the_table_and_the_index(told: CommandLine) -> None:
    tell(told, a=CLEAN, b=CLEAN)
    assert batch(told).returncode == 0
    assert "reader:" not in (told.folder / "out/index.html").read_text()
    rewrite(told.folder / "out/a.seg.nrrd", erase)
    ended = batch(told, "--restart", "--keep-edits")
    assert ended.returncode == 0, ended.stderr
    assert "[1/2] a: Kept: 1.80 mL that a reader had corrected." in ended.stdout
    assert ended.stdout.count("Kept: ") == 1
    table = rows(told)
    assert [float(table[case]["kept_edits_ml"]) for case in "ab"] == [1.8, 0]
    assert [table[case]["edited_segments"] for case in "ab"] == ["LeftLung", ""]
    page = (told.folder / "out/index.html").read_text()
    assert page.count("Corrected by a reader: Left lung; 1.80 mL kept") == 1


def test_a_table_of_an_earlier_version_is_one_of_ours_which_is_replaced_when_it_is_asked_for(told: CommandLine) -> None:
    tell(told, a=CLEAN)
    assert batch(told).returncode == 0
    table = rows(told)
    names = [name for name in table["a"] if name not in ("kept_edits_ml", "edited_segments", "checksum")]
    (told.folder / "out/summary.csv").write_text(
        "\n".join(",".join(line) for line in (names, [table["a"][name] for name in names])) + "\n"
    )
    assert "has no checksum of CovidSeg's: somebody may have changed it" in batch(told).stderr
    (told.folder / "out/manifest.jsonl").unlink()
    assert batch(told, "--overwrite").returncode == 0


@pytest.mark.parametrize("form", ["seg.nrrd", "nii.gz"])
def test_after_one_restart_a_corrected_case_is_done_until_a_call_says_what_to_do(told: CommandLine, form: str) -> None:
    tell(told, a=CLEAN)
    call = ("--format", form)
    assert batch(told, *call).returncode == 0
    path = told.folder / f"out/a.{form}"
    before = rows(told)["a"]["lung_ml"]
    if form == "seg.nrrd":
        rewrite(path, erase)
    else:
        path.write_bytes(b"corrected by hand")
    ended = batch(told, *call, "--restart")
    assert ended.returncode == 2
    assert "--overwrite" in ended.stderr
    again = batch(told, *call)
    assert again.returncode == 0
    assert last_line(again) == "0 of 0 scans done, 1 done before."
    assert (rows(told)["a"]["status"], rows(told)["a"]["lung_ml"]) == ("kept", before)
    assert last_line(batch(told, *call, "--overwrite")) == "1 of 1 scans done."
    assert rows(told)["a"]["status"] == "done"


def test_what_lies_in_the_folder_of_a_dicom_scan_and_is_not_read_is_no_change(told: CommandLine) -> None:
    pytest.importorskip("highdicom", reason="writes a DICOM SEG")
    voxels = np.full((4, 32, 32), 40, np.int16)
    voxels[:, 8:24, 8:24] = -800
    voxels[:, 0, 0] = CLEAN
    scan = told.folder / "scans/patient"
    write_series(scan, voxels, [5.0 * number for number in range(4)], **PATIENT)
    call = ("batch", "scans", "scans/patient/results")
    assert told.run(*call).returncode == 0
    (scan / "notes.txt").write_text("seen")
    assert told.run("segment", "scans/patient", "-o", "scans/patient/masks.dcm").returncode == 0
    for _ in range(2):
        assert last_line(told.run(*call)) == "0 of 0 scans done, 1 done before."
    os.utime(next(scan.glob("*.dcm")))
    assert last_line(told.run(*call)) == "1 of 1 scans done."


@pytest.mark.parametrize("form", ["seg.nrrd", "nii.gz"])
def test_a_picture_that_is_lost_is_drawn_again_from_the_result_that_is_there(told: CommandLine, form: str) -> None:
    tell(told, a=CLEAN, b=CLEAN, c=CLEAN)
    call = ("--format", form)
    assert batch(told, *call).returncode == 0
    pictures = {case: told.folder / f"out/pictures/{case}.jpg" for case in "abc"}
    before = {case: path.read_bytes() for case, path in pictures.items()}
    if form == "seg.nrrd":
        rewrite(told.folder / "out/b.seg.nrrd", lambda array: array.fill(0))
    results = {path.name: path.read_bytes() for path in (told.folder / "out").glob(f"*.{form}")}
    for case in "ab":
        pictures[case].unlink()
    drawn = pictures["c"].stat().st_mtime_ns
    tell(told, c=IS_REFUSED)  # what is new is done as ever
    ended = batch(told, *call)
    assert last_line(ended) == "0 of 1 scans done, 2 done before."
    assert {path.name: path.read_bytes() for path in (told.folder / "out").glob(f"*.{form}")} == results
    assert pictures["a"].read_bytes() == before["a"]
    assert (pictures["b"].read_bytes() == before["b"]) == (form != "seg.nrrd")  # it shows what the reader made of it
    assert pictures["c"].stat().st_mtime_ns == drawn


def test_a_picture_that_cannot_be_drawn_again_is_a_warning(told: CommandLine) -> None:
    tell(told, a=CLEAN, b=CLEAN)
    assert batch(told, "--format", "nii.gz").returncode == 0
    (told.folder / "out/a.nii.gz").write_bytes(b"corrected by hand")
    for case in "ab":
        (told.folder / f"out/pictures/{case}.jpg").unlink()
    ended = batch(told, "--format", "nii.gz")
    assert ended.returncode == 0
    assert ended.stderr.startswith("warning: a: Its picture is gone and cannot be drawn again. ")
    assert len(ended.stderr.splitlines()) == 1
    assert [path.name for path in (told.folder / "out/pictures").iterdir()] == ["b.jpg"]
    assert (told.folder / "out/a.nii.gz").read_bytes() == b"corrected by hand"
