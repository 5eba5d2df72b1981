"""``covidseg batch``, and that the files of one scan appear together or not at all."""

from __future__ import annotations

import ast
import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from CovidSegLib.batch import Row, Summary
from CovidSegLib.errors import OutputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.segmentation import Provenance, Segmentation
from CovidSegLib.system.atomic_files import OutputSet
from Testing.kit.cases import segment_case
from Testing.kit.command_line import (
    CLEAN,
    HAS_A_BUG,
    IS_KILLED,
    IS_REFUSED,
    NEVER_ENDS,
    CommandLine,
    children,
    is_alive,
    rough_chest,
    tell,
    told_scan,
    until,
    write_scan,
)

BOOKS = ["index.html", "manifest.jsonl", "pictures", "summary.csv"]
"""What lies in the output folder besides the results."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals and looks at processes")


def table(told: CommandLine, folder: str = "out") -> dict[str, dict[str, str]]:
    """The rows of summary.csv by case, as any program reads them."""
    with (told.folder / folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def test_real_scans_get_the_result_that_each_gets_alone(tmp_path: Path) -> None:
    covidseg = CommandLine(tmp_path)
    (tmp_path / "scans").mkdir()
    for number in (3, 4):
        write_scan(tmp_path / "scans" / f"chest {number}.nii.gz", rough_chest(number))
    ended = covidseg.run("batch", "scans", "out", "--format", "nii.gz")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "2 of 2 scans done."
    assert covidseg.run("segment", "scans/chest 4.nii.gz", "-o", "alone.nii.gz", "--json", "a.json").returncode == 0
    alone, together = (nibabel.load(tmp_path / name) for name in ("alone.nii.gz", "out/chest 4.nii.gz"))
    assert np.array_equal(np.asarray(alone.dataobj), np.asarray(together.dataobj))
    assert np.array_equal(alone.affine, together.affine)
    numbers = json.loads((tmp_path / "a.json").read_text())
    row = table(covidseg)["chest 4"]
    assert float(row["lung_ml"]) == numbers["lung_ml"]["total"]
    assert float(row["left_lung_ml"]) == numbers["lung_ml"]["left"]
    assert float(row["infection_percent"]) == numbers["infection_percent"]


def test_the_recipe_of_the_book_runs_a_batch(tmp_path: Path, repository: Path) -> None:
    text = (repository / "docs/many_scans.md").read_text(encoding="utf-8")
    recipe = text.partition("The same from Python:\n\n```python\n")[2].partition("```")[0]
    (tmp_path / "SCANS").mkdir()
    for number in (3, 4):
        write_scan(tmp_path / "SCANS" / f"{number}.nii.gz", rough_chest(number))
    done = subprocess.run([sys.executable, "-c", recipe], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [row[:2] for row in ast.literal_eval(done.stdout)] == [("3", "done"), ("4", "done")]


def test_a_case_that_fails_is_a_row_and_a_line_and_stops_nothing(told: CommandLine) -> None:
    tell(told, a=CLEAN, b=IS_REFUSED, c=CLEAN)
    (told.folder / "scans" / "d.nii.gz").write_text("not an image")
    (told.folder / "scans" / "notes.txt").write_text("no case")
    ended = told.run("batch", "scans", "out", "--json", "all.json")
    assert ended.returncode == 2
    # Scans end in the order in which they are ready, not in that of their names.
    errors = sorted(line for line in ended.stderr.splitlines() if not line.startswith("warning: "))
    assert errors[0] == "error: [2/4] b: The scan is refused. Take another one."
    assert errors[1].startswith("error: [4/4] d: The file ")
    assert len(errors) == 2
    assert ended.stdout.splitlines()[-1] == "2 of 4 scans done."
    rows = table(told)
    assert {case: row["status"] for case, row in rows.items()} == {
        "a": "done",
        "b": "failed",
        "c": "done",
        "d": "failed",
    }
    assert rows["b"]["message"] == "The scan is refused. Take another one."
    assert rows["b"]["lung_ml"] == ""
    assert sorted(os.listdir(told.folder / "out")) == ["a.seg.nrrd", "c.seg.nrrd", *BOOKS]
    assert sorted(os.listdir(told.folder / "out/pictures")) == ["a.jpg", "c.jpg"]
    records = json.loads((told.folder / "all.json").read_text())["cases"]
    assert [record["case"] for record in records] == ["a", "b", "c", "d"]


def test_a_bug_and_a_killed_child_stop_nothing_but_give_code_1(told: CommandLine) -> None:
    tell(told, a=HAS_A_BUG, b=IS_REFUSED, c=IS_KILLED, d=CLEAN)
    ended = told.run("batch", "scans", "out", "--quiet")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.count("Traceback (most recent call last)") == 1
    assert sum(line.startswith("error: ") for line in ended.stderr.splitlines()) == 3
    assert [row["status"] for row in table(told).values()] == ["failed", "failed", "failed", "done"]


def test_a_stopped_batch_keeps_what_is_done_and_can_go_on(told: CommandLine) -> None:
    tell(told, a=CLEAN, b=CLEAN, c=NEVER_ENDS, d=CLEAN)
    with told.start("batch", "scans", "out") as process:
        # The stand-in starts a program at a scan that never ends.
        until(lambda: any(children(child) for child in children(process.pid)) and table(told))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=180)
    assert process.returncode == 130
    assert list(told.temporary.iterdir()) == []
    done = set(os.listdir(told.folder / "out")) - set(BOOKS)
    # Two scans are in hand at a time, and the one that is read first is computed first.
    assert set() < done <= {"a.seg.nrrd", "b.seg.nrrd", "d.seg.nrrd"}
    kept, *others = sorted(done)
    tell(told, c=CLEAN)
    for name in others:
        (told.folder / "out" / name).unlink()
    before = (told.folder / "out" / kept).stat().st_mtime_ns
    ended = told.run("batch", "scans", "out")
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1] == "3 of 3 scans done, 1 done before."
    assert (told.folder / "out" / kept).stat().st_mtime_ns == before
    assert [row["status"] for row in table(told).values()] == ["done"] * 4


@pytest.mark.parametrize(
    ("output", "form"),
    [("scans/out", "nii.gz"), ("scans", "seg.nrrd"), (".", "nii.gz")],
    ids=["inside", "same", "above"],
)
def test_results_are_not_taken_for_scans(told: CommandLine, output: str, form: str) -> None:
    tell(told, a=CLEAN, b=CLEAN)
    for _ in range(2):
        assert told.run("batch", "scans", output, "--format", form, "--overwrite").returncode == 0
        assert list(table(told, output)) == ["a", "b"]
        assert {path.name for path in (told.folder / output).glob(f"*.{form}")} >= {f"a.{form}", f"b.{form}"}


def test_labelmaps_among_the_scans_are_refused(told: CommandLine) -> None:
    tell(told, a=CLEAN)
    assert "among the scans" in told.refused("batch", "scans", "scans/../scans", "--format", "nii.gz")


@pytest.mark.parametrize("call", ["scans out --model altered", "nowhere out", "empty out", "scans out --format png"])
def test_what_concerns_the_whole_batch_is_one_line_and_no_folder(told: CommandLine, call: str) -> None:
    tell(told, a=CLEAN, b=CLEAN)
    (told.folder / "empty").mkdir()
    told.refused("batch", *call.split())


def test_numbers_never_take_the_place_of_the_batchs_own_files(told: CommandLine) -> None:
    tell(told, a=CLEAN)
    assert told.run("batch", "scans", "out").returncode == 0
    assert told.run("batch", "scans", "out", "--json", "out/all.json").returncode == 0
    (told.folder / "out/link.json").symlink_to("manifest.jsonl")
    before = (told.folder / "out/manifest.jsonl").read_bytes()
    for name in ("manifest.jsonl", "SUMMARY.csv", "index.html", "a.seg.nrrd", "pictures/a.jpg", "link.json"):
        for options in ([], ["--overwrite"]):
            told.refused("batch", "scans", "out", "--json", f"out/{name}", *options)
    (told.folder / "new").mkdir()
    assert "the batch itself writes" in told.refused("batch", "scans", "new", "--json", "new/a.seg.nrrd")
    told.refused("segment", "scans/a.nii.gz", "-o", "b.seg.nrrd", "--json", "out/manifest.jsonl")
    assert (told.folder / "out/manifest.jsonl").read_bytes() == before


def test_memory_does_not_grow_with_the_number_of_scans(told: CommandLine) -> None:
    many = told.folder / "scans"
    few = told.folder / "few"
    few.mkdir()
    megabytes = 16
    voxels = np.full((megabytes * 2, 512, 512), 40, np.int16)
    for number in range(12):
        for folder in (many, few) if number < 4 else (many,):
            write_scan(folder / f"{number}.nii", voxels)
    peaks = [_peak_megabytes(told, folder) for folder in ("few", "scans")]
    # Two scans are there at once, one computed and one read or written; when their peaks meet is a matter of chance.
    # Eight scans more that were kept would be 128 MB.
    assert peaks[1] - peaks[0] < 2.5 * megabytes


def _peak_megabytes(told: CommandLine, folder: str) -> float:
    process = told.start("batch", folder, f"{folder} out", "--quiet")
    with process.stdout, process.stderr:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, process.stderr.read()
    assert not is_alive(process.pid)
    return used.ru_maxrss / 1024


def test_a_cell_that_a_spreadsheet_would_run_is_text(tmp_path: Path) -> None:
    summary = Summary(tmp_path / "summary.csv")
    names = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "'quoted", 'a,"b"\nc', "Ärztin"]
    for number, name in enumerate(names):
        summary.put(number, Row(name, "done", f"{name}.nrrd", lung_ml=1234.5, message="\t=1"))
    summary.write()
    with (tmp_path / "summary.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]
    with (tmp_path / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = [{name: cell.removeprefix("'") for name, cell in row.items()} for row in csv.DictReader(file)]
    assert [row["case"] for row in rows] == names
    given = {"case": names[0], "status": "done", "result": f"{names[0]}.nrrd", "lung_ml": "1234.5", "message": r"\t=1"}
    assert rows[0] == dict.fromkeys(rows[0], "") | given | {"checksum": rows[0]["checksum"]}
    assert list(tmp_path.iterdir()) == [tmp_path / "summary.csv"]


def test_a_summary_of_another_program_is_not_overwritten(told: CommandLine) -> None:
    tell(told, a=CLEAN)
    (told.folder / "out").mkdir()
    (told.folder / "out" / "summary.csv").write_text("patient;age\n1;2\n")
    assert "not one of ours" in told.refused("batch", "scans", "out")


def _all_left(volume: CtVolume, progress: Progress, *_: object) -> Segmentation:
    labels = np.ones(volume.voxels.shape, np.uint8)
    return Segmentation(labels, volume.affine, Provenance("m", "0", "onnx", "cpu", "CovidSeg 0"))


@pytest.mark.parametrize("step", ["writing", "moving"])
def test_when_the_second_output_fails_the_first_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    scan = told_scan(tmp_path / "s.nii.gz", CLEAN)
    first, second = tmp_path / "a.nrrd", tmp_path / "b.nii.gz"
    if step == "writing":
        second = tmp_path / "not a folder" / "b.nii.gz"
        (tmp_path / "not a folder").touch()
    else:
        _refuse_to_move_to(monkeypatch, second)
    for before in (None, "an earlier result"):
        if before:
            first.write_text(before)
        files = sorted(tmp_path.iterdir())
        with pytest.raises(OutputError):
            segment_case(scan, [first, second], segment=_all_left, progress=Progress(), json_file=tmp_path / "a.json")
        assert sorted(tmp_path.iterdir()) == files
        assert (first.read_text() if first.exists() else None) == before


def _refuse_to_move_to(monkeypatch: pytest.MonkeyPatch, target: Path) -> None:

    def but_not_there(move: Callable[..., None]) -> Callable[..., None]:
        def moved(source: Path, destination: Path) -> None:
            if destination == target:
                raise PermissionError(13, "in use")
            move(source, destination)

        return moved

    for name in ("replace", "link"):  # where something was, and where nothing was
        monkeypatch.setattr(f"CovidSegLib.system.atomic_files.os.{name}", but_not_there(getattr(os, name)))


def test_files_that_are_not_published_are_gone(tmp_path: Path) -> None:
    with OutputSet() as files:
        files.add(tmp_path / "a.txt").write_text("half")
        assert not (tmp_path / "a.txt").exists()
    assert list(tmp_path.iterdir()) == []
