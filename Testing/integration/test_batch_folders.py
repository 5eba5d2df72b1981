"""Several folders of scans into one folder of results: its tables tell of all, and none takes another's place."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.batch import Row, plan_cases, run_batch
from CovidSegLib.batch.plan import INDEX_NAME, MANIFEST_NAME, SUMMARY_NAME
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.segfiles import NOTHING_LOST, ExistingFiles
from CovidSegLib.segmentation import Provenance, Segmentation
from Testing.kit.batch_runner import InThisProcess, Statuses
from Testing.kit.command_line import CLEAN, IS_REFUSED, CommandLine, told_scan
from Testing.kit.rewritten import erase, rewrite

MADE = Provenance("m", "0", "onnx", "cpu", "CovidSeg 0")


def all_left(volume: CtVolume, progress: Progress, *_: object) -> Segmentation:
    return Segmentation((volume.voxels < -500).astype(np.uint8), volume.affine, MADE)


class Batches:
    """Batches of ``scans`` of several sites, each in its folder, into ``out``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        self.rows: dict[str, Row] = {}

    def add(self, site: str, name: str, slices: int = 4) -> Path:
        """A scan of ``site``; by the number of its ``slices`` it is told from others."""
        (self.folder / site).mkdir(exist_ok=True)
        return told_scan(self.folder / site / f"{name}.nii", CLEAN, slices)

    def run(self, site: str, existing: ExistingFiles = NOTHING_LOST, suffix: str = ".nii.gz") -> dict[str, str]:
        """Run that of ``site``; what became of each of its scans ("before": it was done already)."""
        said = Statuses()
        cases = plan_cases(self.folder / site, self.out, suffix, existing=existing)
        json_file = self.folder / "all.json"
        rows = run_batch(cases, self.out, InThisProcess(all_left), listener=said, json_file=json_file)
        self.rows = {row.case: row for row in rows}
        return said.ended_as

    @property
    def told(self) -> list[list[str]]:
        """The scans of which the table, the page and the JSON tell, and the rows that are given."""
        with (self.out / SUMMARY_NAME).open(encoding="utf-8", newline="") as file:
            table = [row["case"] for row in csv.DictReader(file)]
        page = (self.out / INDEX_NAME).read_text(encoding="utf-8")
        cases = [one["case"] for one in json.loads((self.folder / "all.json").read_text())["cases"]]
        return [table, [name for name in table if f'"name">{name}<' in page], cases, list(self.rows)]


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    found = Batches(tmp_path)
    found.add("north", "b")
    found.add("south", "a")
    found.add("south", "c")
    return found


def test_tables_tell_of_the_scans_of_every_folder_whose_results_are_there(batches: Batches) -> None:
    assert batches.run("north") == {"b": "done"}
    assert batches.run("south") == {"a": "done", "c": "done"}
    assert batches.told == [["a", "b", "c"]] * 4
    assert "3 of 3 scans done" in (batches.out / INDEX_NAME).read_text()
    assert batches.run("north") == {}
    assert batches.told == [["a", "b", "c"]] * 4
    (batches.out / "c.nii.gz").unlink()  # a result that somebody took away is told of no more
    assert batches.run("north") == {}
    assert batches.told == [["a", "b"]] * 4


def test_a_scan_that_was_taken_out_of_its_folder_is_told_of_no_more(batches: Batches) -> None:
    batches.run("north")
    batches.run("south")
    (batches.folder / "south/a.nii").unlink()
    batches.run("south")
    assert batches.told == [["b", "c"]] * 4


def test_a_row_of_another_folder_says_what_its_numbers_are_no_more(batches: Batches) -> None:
    batches.run("north")
    (batches.out / "b.nii.gz").write_bytes(b"somebody's work")
    batches.run("south")
    assert "The result was changed since" in batches.rows["b"].message
    text = (batches.out / MANIFEST_NAME).read_text().splitlines()
    lines = [json.loads(line) for line in text]
    for line in lines:
        if line.get("case") == "b" and line["status"] == "done":
            line["model"] = "another"
    (batches.out / MANIFEST_NAME).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    for table in (SUMMARY_NAME, INDEX_NAME):  # they are of the batch as it was
        (batches.out / table).unlink()
    batches.run("south")
    assert "Another network made this result" in batches.rows["b"].message
    assert "Another network" not in batches.rows["a"].message


@pytest.mark.parametrize(("suffix", "keep"), [(".nii.gz", False), (".seg.nrrd", True)])
def test_a_scan_takes_not_the_place_of_one_of_that_name_out_of_another_folder(
    batches: Batches, suffix: str, keep: bool
) -> None:
    """Also where its files look the same, as out of an archive that tells no times."""
    for site, slices in (("north", 5), ("south", 6)):
        os.utime(batches.add(site, "1", slices), (0, 0))
    shutil.copy2(batches.folder / "north/b.nii", batches.folder / "south/2.nii")
    scan = batches.folder / "south/2.nii"
    shutil.copy2(scan, batches.folder / "north/2.nii")
    scan.write_bytes(scan.read_bytes()[:-4] + b"\x19\xfc\x19\xfc")
    os.utime(scan, ns=(0, (batches.folder / "north/2.nii").stat().st_mtime_ns))
    batches.run("north", suffix=suffix)
    before = {name: (batches.out / f"{name}{suffix}").read_bytes() for name in "12"}
    lung_ml = batches.rows["1"].lung_ml
    for _ in range(2):  # as often as it is tried
        ended = batches.run("south", ExistingFiles(keep_edits=keep), suffix)
        assert (ended["1"], ended["2"]) == ("failed", "failed")
        assert {name: (batches.out / f"{name}{suffix}").read_bytes() for name in "12"} == before
        assert "of another scan, and stays" in batches.rows["1"].message
        assert batches.rows["1"].lung_ml is None  # those of the other scan are not this one's
        (told,) = [one for one in json.loads((batches.folder / "all.json").read_text())["cases"] if one["case"] == "1"]
        assert (told["status"], "lung_ml" in told) == ("failed", False)
        assert batches.run("north", suffix=suffix) == {}
        assert batches.rows["1"].lung_ml == lung_ml
    assert batches.run("south", ExistingFiles(overwrite=True), suffix) == {"1": "done", "2": "done"}
    assert batches.rows["1"].lung_ml != lung_ml


def test_a_batch_of_an_earlier_version_keeps_its_results_from_scans_of_another_folder_too(batches: Batches) -> None:
    """It noted where a scan lies in its input folder, and not in which one."""
    batches.add("north", "1", 5)
    batches.add("south", "1", 6)
    batches.run("north")
    lines = [json.loads(line) for line in (batches.out / MANIFEST_NAME).read_text().splitlines()]
    for line in lines:
        line["origin"] = line["origin"][:2] if "origin" in line else []
    earlier = "".join(f"{json.dumps({key: line[key] for key in line if line[key] != []})}\n" for line in lines)
    for north_first in (False, True):
        for table in (SUMMARY_NAME, INDEX_NAME):
            (batches.out / table).unlink()
        (batches.folder / "all.json").unlink()
        (batches.out / MANIFEST_NAME).write_text(earlier)
        if north_first:
            assert batches.run("north") == {}
        before = (batches.out / "1.nii.gz").read_bytes()
        assert batches.run("south")["1"] == "failed"
        assert (batches.out / "1.nii.gz").read_bytes() == before
        assert "of another scan, and stays" in batches.rows["1"].message
        for name in ("a", "c"):
            (batches.out / f"{name}.nii.gz").unlink()
    (batches.folder / "north/b.nii").unlink()
    batches.run("north")
    assert "b" not in batches.rows  # its place was noted: it is gone, and of no other folder


def test_a_scan_that_is_told_of_twice_is_said_to_be_the_same(batches: Batches) -> None:
    """As it is when the folder above is given later, where it has another name."""
    batches.add("north", "1", 5)
    batches.run("north")
    (batches.folder / "above").mkdir()
    (batches.folder / "north").rename(batches.folder / "above/north")
    for _ in range(2):
        batches.run("above")
        assert list(batches.rows) == ["1", "b", "north_1", "north_b"]
        assert "The same scan as 1" in batches.rows["north_1"].message
        assert "same scan" not in batches.rows["1"].message
        cases = json.loads((batches.folder / "all.json").read_text())["cases"]
        assert [one["case"] for one in cases if "The same scan as" in one["message"]] == ["north_1", "north_b"]


def test_scans_that_moved_or_were_copied_are_still_done(batches: Batches) -> None:
    batches.run("south")
    moved = (batches.folder / "south").rename(batches.folder / "moved")
    assert batches.run("moved") == {}
    os.utime(moved / "a.nii")
    assert batches.run("moved") == {"a": "done"}
    assert batches.told == [["a", "c"]] * 4
    shutil.copytree(moved, batches.folder / "copied", copy_function=shutil.copyfile)
    rewrite_time = (moved / "a.nii").stat().st_mtime_ns
    for name in "ac":
        os.utime(batches.folder / "copied" / f"{name}.nii", ns=(rewrite_time + 1, rewrite_time + 1))
    assert batches.run("copied") == {"a": "done", "c": "done"}
    assert batches.told == [["a", "c"]] * 4


def test_a_reader_of_one_folder_loses_nothing_to_another(batches: Batches) -> None:
    batches.add("north", "1", 5)
    batches.add("south", "1", 5)  # on the same grid
    batches.run("north", suffix=".seg.nrrd")
    result = batches.out / "1.seg.nrrd"
    rewrite(result, erase)
    content = result.read_bytes()
    scan = batches.folder / "south/1.nii"
    scan.write_bytes(scan.read_bytes()[:-4] + b"\x19\xfc\x19\xfc")
    assert batches.run("south", ExistingFiles(keep_edits=True), ".seg.nrrd")["1"] == "failed"
    assert result.read_bytes() == content


def test_a_scan_that_cannot_be_read_takes_no_row_from_one_of_that_name_out_of_another_folder(batches: Batches) -> None:
    batches.add("north", "1")
    batches.run("north")
    lung_ml = batches.rows["1"].lung_ml
    scan = batches.add("south", "1")
    scan.write_bytes(scan.read_bytes()[:-10])
    assert batches.run("south")["1"] == "failed"
    scan.unlink()
    batches.run("south")
    assert (batches.rows["1"].status, batches.rows["1"].lung_ml) == ("done", lung_ml)
    assert batches.run("north") == {}


def test_a_result_in_another_form_keeps_its_name_from_a_scan_of_another_folder_as_well(batches: Batches) -> None:
    batches.add("north", "1", 5)
    batches.add("south", "1", 6)
    batches.run("north")
    picture = (batches.out / "pictures/1.jpg").read_bytes()
    assert batches.run("south", suffix=".seg.nrrd")["1"] == "failed"
    assert (batches.out / "pictures/1.jpg").read_bytes() == picture
    batches.run("north")
    assert batches.rows["1"].status == "done"


@pytest.mark.skipif(os.name == "nt", reason="runs the command in a process of its own")
def test_the_command_says_how_many_scans_of_other_folders_its_table_tells_of(told: CommandLine) -> None:
    for site, endings in (("north", {"a": CLEAN, "bad": IS_REFUSED}), ("south", {"b": CLEAN, "c": CLEAN})):
        (told.folder / site).mkdir()
        for name, ending in endings.items():
            told_scan(told.folder / site / f"{name}.nii.gz", ending)
    assert told.run("batch", "north", "out").returncode == 2
    ended = told.run("batch", "south", "out")
    assert ended.stdout.splitlines()[-2:] == [
        "Scans of other input folders, done by earlier calls, in the tables as well: 2.",
        "2 of 2 scans done.",
    ]
    page = (told.folder / "out/index.html").read_text()
    assert "3 of 4 scans done, 1 failed" in page
    (told.folder / "south/b.nii.gz").unlink()
    (told.folder / "north/bad.nii.gz").unlink()
    ended = told.run("batch", "south", "out")
    gone = "Results whose scans are gone from the input folder, in the tables no more: 1."
    assert ended.stdout.splitlines()[-2] == gone
