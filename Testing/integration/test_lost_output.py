"""Standard output and error that get lost while a command works: nobody reads on, the disk is full, they are closed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from Testing.kit.command_line import CLEAN, CommandLine, tell, told_scan
from Testing.kit.training_data import write_case

pytestmark = pytest.mark.skipif(os.name == "nt", reason="has other streams")


@pytest.mark.parametrize(
    ("closed", "code", "said"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">/dev/full", 2, "error: Standard output cannot be written (No space left on device)."),
        ("2>/dev/full", 2, "error: Standard error cannot be written (No space left on device)."),
    ],
)
def test_a_closed_stream_does_not_stop_the_work_and_a_full_one_is_told(
    told: CommandLine, closed: str, code: int, said: str
) -> None:
    told_scan(told.folder / "s.nii.gz", CLEAN)
    call = f"{sys.executable} -m CovidSegLib.cli segment s.nii.gz -o a.nii.gz {closed}"
    ended = subprocess.run(
        ["sh", "-c", call], cwd=told.folder, env=told.environment, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == code, ended.stderr
    assert (told.folder / "a.nii.gz").is_file()
    assert "Traceback" not in ended.stdout + ended.stderr
    if said:
        assert (ended.stdout if "2>" in closed else ended.stderr).splitlines()[-1] == said


@pytest.mark.parametrize("reader", ["head", "a terminal"])
@pytest.mark.parametrize("command", ["segment", "batch"])
def test_the_work_goes_on_when_nobody_reads_on(told: CommandLine, command: str, reader: str) -> None:
    tell(told, a=CLEAN, b=CLEAN, c=CLEAN)
    call = ("batch", "scans", "out") if command == "batch" else ("segment", "scans/a.nii.gz", "-o", "a.nii.gz")
    ours, theirs = os.pipe() if reader == "head" else pty.openpty()
    with told.start(*call, "--json", "n.json", stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        assert os.read(ours, 1)
        os.close(ours)
        assert process.wait(180) == 0
    assert (told.folder / "n.json").is_file()
    results = [*told.folder.glob("a.nii.gz"), *told.folder.glob("out/*.seg.nrrd")]
    assert len(results) == (3 if command == "batch" else 1)


def test_a_batch_on_a_full_disk_for_its_lines_is_done_all_the_same(told: CommandLine) -> None:
    tell(told, a=CLEAN, b=CLEAN, c=CLEAN)
    with open("/dev/full", "w") as full, told.start("batch", "scans", "out", stdout=full) as process:
        errors = process.communicate(timeout=180)[1]
    assert (process.returncode, errors.count("error: Standard output cannot be written")) == (2, 1)
    assert len([*told.folder.glob("out/*.seg.nrrd")]) == 3


def test_a_check_of_training_data_ends_well_when_nobody_reads_on(tmp_path: Path) -> None:
    write_case(tmp_path, "one", slices=2, seed=3)
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, "-m", "CovidSegTraining.cli", "check", tmp_path]
    ended = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(theirs)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
