"""A file on which a library breaks down, or that takes all memory, costs its own scan alone."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import covidseg
from Testing.kit.command_line import CLEAN, CommandLine, tell, told_scan

pytestmark = pytest.mark.skipif(os.name == "nt", reason="ends processes by signals")
BREAKS, TAKES = "breaks-the-library.nii.gz", "takes-all-memory.nii.gz"


def rows(told: CommandLine) -> dict[str, str]:
    with (told.folder / "out/summary.csv").open(newline="") as file:
        return {
            row["case"]: row["message"] if row["status"] == "failed" else row["status"] for row in csv.DictReader(file)
        }


def test_a_scan_that_breaks_its_library_is_a_row_of_the_batch_now_and_at_the_next_run(told: CommandLine) -> None:
    tell(told, a=CLEAN, c=CLEAN, e=CLEAN)
    for name in (BREAKS, TAKES):
        told_scan(told.folder / "scans" / name, CLEAN)
    for done in ("3 of 5 scans done.", "0 of 2 scans done, 3 done before."):
        ended = told.run("batch", "scans", "out")
        assert ended.returncode == 2, ended.stderr
        assert ended.stdout.splitlines()[-1] == done
        found = rows(told)
        assert [found[case] for case in "ace"] == ["done"] * 3
        assert "broke down" in found["breaks-the-library"]
        assert "memory ran out" in found["takes-all-memory"]
    assert sorted(path.name for path in (told.folder / "out").glob(".*")) == []


def test_masks_that_break_their_library_are_one_line_and_stay(told: CommandLine) -> None:
    told_scan(told.folder / "s.nii.gz", CLEAN)
    assert told.run("segment", "s.nii.gz", "-o", "masks.seg.nrrd").returncode == 0
    masks = shutil.copy(told.folder / "masks.seg.nrrd", told.folder / "breaks-the-library.seg.nrrd")
    before = Path(masks).read_bytes()
    for call in (
        ("segment", "s.nii.gz", "-o", masks, "--keep-edits"),
        ("segment", "s.nii.gz", "-o", masks),
        ("report", "s.nii.gz", masks, "-o", "r.json"),
        ("training-case", "s.nii.gz", masks, "."),
        ("followup", "s.nii.gz", "s.nii.gz", "--masks", masks, masks, "--days", 0, 1, "-o", "f.json"),
    ):
        assert "broke down" in told.refused(*call)
    assert Path(masks).read_bytes() == before


@pytest.mark.parametrize(("name", "words"), [(BREAKS, "broke down"), (TAKES, "memory ran out")])
def test_a_scan_that_breaks_its_library_is_one_line_in_every_command(told: CommandLine, name: str, words: str) -> None:
    told_scan(told.folder / "s.nii.gz", CLEAN)
    told_scan(told.folder / name, CLEAN)
    assert told.run("segment", "s.nii.gz", "-o", "masks.seg.nrrd").returncode == 0
    cpu = ("--device", "cpu")  # while a GPU is opened it may be that which ended the process, and one more line says so
    for call in (
        ("segment", name, "-o", "a.seg.nrrd", "--json", "a.json", "--report", "a.html", *cpu),
        ("report", name, "masks.seg.nrrd", "-o", "r.json"),
        ("training-case", name, "masks.seg.nrrd", "."),
        ("followup", "s.nii.gz", name, "--days", 0, 1, "-o", "f.json", "--quiet", *cpu),
    ):
        assert words in told.refused(*call)


@pytest.mark.usefixtures("stand_in_pipeline")
def test_a_scan_that_breaks_its_library_costs_a_script_or_a_notebook_that_scan_alone(tmp_path: Path) -> None:
    names = ("a.nii.gz", BREAKS, "b.nii.gz", TAKES, "c.nii.gz")
    scans = [tmp_path / name for name in names]
    for scan in scans:
        told_scan(scan, CLEAN)
    with covidseg.Segmenter() as segmenter:
        found = list(segmenter.map(scans, errors="return"))
        assert [isinstance(one, covidseg.Result) for one in found] == [True, False, True, False, True]
        assert "broke down" in str(found[1])
        assert "memory ran out" in str(found[3])
        with pytest.raises(covidseg.InputError, match="broke down"):
            segmenter(scans[1])
        assert np.array_equal(segmenter(scans[0]).labels, found[2].labels)
