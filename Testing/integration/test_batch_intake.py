"""What a batch takes for scans in a tree of folders, that it says what it leaves out, and what children it starts."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.batch import LocalRunner, plan_cases, run_batch
from CovidSegLib.errors import EngineError
from CovidSegLib.network import engines
from CovidSegLib.options import Options
from CovidSegLib.worker.parent import Worker
from Testing.kit.command_line import CLEAN, NEVER_ENDS, CommandLine, children, told_scan, until
from Testing.kit.dicom_files import write_series
from Testing.kit.ordinary_user import AVAILABLE

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="needs permissions of files, and processes that obey them")


def series(folder: Path) -> list[Path]:
    """A DICOM series that the stand-in for the pipeline takes; its files have no ending."""
    voxels = np.full((4, 32, 32), 40, np.int16)
    voxels[:, 8:24, 8:24] = -800
    write_series(folder, voxels, [20.0 * place for place in range(4)])
    return [path.rename(path.with_suffix("")) for path in sorted(folder.iterdir())]


def rows(told: CommandLine) -> dict[str, str]:
    with (told.folder / "out/summary.csv").open(newline="") as file:
        return {row["case"]: row["status"] for row in csv.DictReader(file)}


@pytest.fixture
def scans(told: CommandLine) -> Iterator[Path]:
    folder = told.folder / "scans"
    yield folder
    for place in [path for path in folder.iterdir() if path.is_dir()]:
        place.chmod(0o755)


def nested(scans: Path, *names: str) -> None:
    for name in names:
        (scans / name).parent.mkdir(parents=True, exist_ok=True)
        told_scan(scans / name, CLEAN)


def test_files_in_sub_folders_are_scans_called_after_their_paths(told: CommandLine, scans: Path) -> None:
    series(scans / "P1")
    nested(scans, "top.nii.gz", "sub-01/ct.nii.gz", "sub-02/visit/ct.nii.gz", "P1/ct.nii")
    (scans / "sub-01/notes.txt").write_text("no scan")
    ended = told.run("batch", scans, "out")
    assert ended.returncode == 0, ended.stderr
    names = {"top", "sub-01_ct", "sub-02_visit_ct", "P1", "P1_ct"}
    assert rows(told) == dict.fromkeys(names, "done")
    assert "Left out" not in ended.stderr
    nested(scans, "sub-01/ct.nii", "sub-01_ct.nii.gz")  # others of that name do not take it away
    ended = told.run("batch", scans, "out")
    assert "5 done before" in ended.stdout
    assert len(rows(told)) == 7
    assert rows(told).keys() > names


def test_what_is_left_out_is_counted_once(told: CommandLine, scans: Path) -> None:
    nested(scans, "a.nii.gz", "sub/b.nii.gz")
    for name in ("c.7z", "sub/d.tar.gz", "sub/e.hdr", "sub/e.img"):
        (scans / name).write_bytes(b"x")
    (scans / "sub/linked").symlink_to(told.folder)
    (scans / "itself").symlink_to(".")
    (scans / "gone").symlink_to("nowhere")
    (scans / "sub/gone").symlink_to("nowhere")
    sentence = "Left out, not looked into: 2 packed files, 1 image in two files (.hdr, .img), "
    sentence += "4 links that are not followed"
    for more in ("", ", 2 results of a batch"):  # the first run's, in the second
        ended = told.run("batch", scans, scans / "results", "--format", "nii.gz")
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr.splitlines().count(f"warning: {sentence}{more}.") == 1
    assert "0 of 0 scans done, 2 done before." in ended.stdout


def test_pipes_and_sockets_among_the_scans_are_left_out_with_a_word(told: CommandLine, scans: Path) -> None:
    nested(scans, "a.nii.gz", "sub/deep/b.nii.gz")
    for name in ("pipe.nii.gz", "sub/pipe.nii.gz", "sub/deep/slice"):
        os.mkfifo(scans / name)
    ended = told.run("batch", scans, "out")
    assert ended.returncode == 0, ended.stderr
    assert rows(told) == {"a": "done", "sub_deep_b": "done"}
    assert "3 pipes or devices" in ended.stderr


def test_a_folder_that_may_not_be_opened_is_a_scan_that_fails(told: CommandLine, scans: Path) -> None:
    told.obedient = True
    nested(scans, "a.nii.gz")
    series(scans / "P1")
    series(scans / "P2/inner")
    (scans / "P1").chmod(0)
    ended = told.run("batch", scans, "out")
    assert ended.returncode == 2
    assert rows(told) == {"a": "done", "P1": "failed", "P2": "done"}
    assert "P1: The folder, or one in it, cannot be opened. Check that you may read it." in ended.stderr
    (scans / "P1").chmod(0o755)
    assert told.run("batch", scans, "out").returncode == 0
    assert rows(told) == {"a": "done", "P1": "done", "P2": "done"}


def test_a_folder_that_may_be_listed_and_not_entered_is_a_scan_that_fails(told: CommandLine, scans: Path) -> None:
    told.obedient = True
    nested(scans, "a.nii.gz")
    (scans / "P1/inner").mkdir(parents=True)
    (scans / "P1/notes.txt").touch()
    (scans / "P1").chmod(0o444)
    ended = told.run("batch", scans, "out", "--json", "all.json")
    assert ended.returncode == 2, ended.stderr
    assert rows(told)["a"] == "done"
    assert set(rows(told).values()) == {"done", "failed"}
    assert "Traceback" not in ended.stderr
    assert "cannot be opened. Check that you may read it." in ended.stderr


def test_only_a_manifest_of_ours_makes_a_folder_one_of_results(told: CommandLine, scans: Path) -> None:
    nested(scans, "images/a.nii.gz")
    (scans / "images/manifest.jsonl").write_text('{"image": "a.nii.gz"}\n')
    ended = told.run("batch", scans, "out")
    assert rows(told) == {"images_a": "done"}
    assert "Left out" not in ended.stderr


def test_slices_that_may_not_be_opened_or_are_empty_are_said(told: CommandLine, scans: Path) -> None:
    told.obedient = True
    files = series(scans / "P1")
    files[0].write_bytes(b"")
    files[3].chmod(0)
    for file in series(scans / "P2"):
        file.chmod(0)
    (scans / "P3").mkdir()
    (scans / "P3/README").touch()
    ended = told.run("batch", scans, "out")
    assert rows(told) == {"P1": "done", "P2": "failed"}
    assert "P1: 2 damaged DICOM files were left out." in ended.stderr
    assert "P2: The DICOM files in the folder are damaged: none can be read." in ended.stderr


def test_a_scan_with_a_very_long_name_is_done_under_a_shorter_one_that_stays(told: CommandLine, scans: Path) -> None:
    fits, long, twice = "b" * 246, "c" * 248, "d" * 244
    nested(scans, "a.nii.gz", f"{fits}.nii.gz", f"{long}.nii.gz", f"{long}.nii", f"{twice}.nii", f"{twice}.nii.gz")
    series(scans / ("ä" * 126))
    names = None
    for done_before in (0, 7):
        ended = told.run("batch", scans, "out")
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.splitlines()[-1].startswith(f"{7 - done_before} of {7 - done_before} scans done")
        assert names in (None, names := rows(told))
        assert sorted(name[0] for name in names) == list("abccddä")
        assert {"a", fits} < names.keys()


@pytest.mark.parametrize(("scans_left", "jobs", "needed"), [(1, 12, 1), (2, 12, 2), (4, 2, 3)])
def test_no_more_children_are_started_than_scans_are_left(
    told: CommandLine, scans: Path, scans_left: int, jobs: int, needed: int
) -> None:
    nested(scans, "done.nii.gz")
    assert told.run("batch", scans, "out").returncode == 0
    for number in range(scans_left):
        told_scan(scans / f"{number}.nii.gz", NEVER_ENDS)
    with told.start("batch", scans, "out", "--jobs", jobs) as process:
        until(lambda: sum(bool(children(child)) for child in children(process.pid)) == min(jobs, scans_left))
        assert len(children(process.pid)) == needed
        process.send_signal(signal.SIGINT)
        assert process.wait(180) == 130


def test_a_batch_that_is_done_starts_no_child_but_looks_at_the_options(
    told: CommandLine, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nested(scans, "a.nii.gz")
    out = told.folder / "out"
    assert told.run("batch", scans, out).returncode == 0
    monkeypatch.setattr(Worker, "start", lambda self: pytest.fail("a child is started"))
    (row,) = run_batch(plan_cases(scans, out, ".seg.nrrd"), out, LocalRunner(Options(), jobs=2))
    assert row.status == "done"
    monkeypatch.setattr(engines, "find_spec", lambda module: None)
    with pytest.raises(EngineError, match="not installed"):
        run_batch(plan_cases(scans, out, ".seg.nrrd"), out, LocalRunner(Options(engine="tensorflow"), jobs=2))
