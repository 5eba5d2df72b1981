"""What processes that were killed leave behind goes with the next save, and nothing else does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.segfiles import write
from CovidSegLib.segmentation import Provenance, Segmentation
from CovidSegLib.system import unfinished
from CovidSegLib.system.atomic_files import OutputSet
from CovidSegLib.system.file_states import states_of
from CovidSegLib.system.processes import started
from CovidSegLib.system.unfinished import remove_leftovers, unfinished_name
from Testing.kit.killed import killed_at

REPOSITORY = Path(__file__).resolve().parents[2]
PROVENANCE = Provenance("network | one", "ab" * 32, "onnx", "CPU", "CovidSeg 1.0")


@pytest.mark.skipif(os.name == "nt", reason="kills processes")
@pytest.mark.parametrize("way", ["one file", "several files"])
def test_what_a_killed_process_left_is_gone_after_the_next_save(way: str, tmp_path: Path) -> None:
    small = Segmentation(np.ones((2, 3, 4), np.uint8), np.eye(4), PROVENANCE)

    def save(folder: Path) -> None:
        if way == "one file":
            write(small, folder / "a.seg.nrrd")
            return
        names = [folder / name for name in ("a.seg.nrrd", "b.nii.gz")]
        with OutputSet(dict(states_of(names))) as files:
            for name in names:
                write(small, files.add(name))
            files.publish()

    left, ended, moment = 0, False, 0
    while not ended:
        moment += 1
        folder = tmp_path / str(moment)
        folder.mkdir()
        ended = killed_at(moment, lambda folder=folder: save(folder))
        left += len(list(folder.glob(".covidseg-*")))
        save(folder)
        assert {path.name for path in folder.iterdir()} <= {"a.seg.nrrd", "b.nii.gz"}
    assert left


def test_only_unfinished_files_of_this_machines_dead_processes_are_cleared_up(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine = unfinished_name(".nii")
    gone = mine.replace(f"-{os.getpid()}.", f"-{dead.pid}.")
    recycled = mine.replace(f"-{os.getpid()}.", f"-{os.getpid()}.1")  # an earlier process had our number
    machine = mine.split("-")[1]
    others = [gone.replace(machine, "0" * 8), ".covidseg-notes", f".covidseg-{machine}-x", "scan.nii"]
    link = tmp_path / gone.replace(".nii", "-link")
    (tmp_path / "elsewhere").mkdir()
    link.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    for name in (mine, gone, recycled, *others):
        (tmp_path / name).write_text("")
    if started(os.getpid()) is None:  # a system that does not tell when a process was started
        (tmp_path / recycled).unlink()
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {mine, *others, "elsewhere"}
    remove_leftovers(tmp_path, own=True)
    assert {path.name for path in tmp_path.iterdir()} == {*others, "elsewhere"}
    for name in others:
        os.utime(tmp_path / name, (0, time.time() - unfinished.FORGOTTEN_SECONDS - 60))
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*others[1:], "elsewhere"}


def test_what_a_copy_of_this_machine_is_writing_into_a_shared_folder_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process has a number that nobody has here, or is in another container; the machines' names are the same."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "boot_id").write_text("of the copy")
    with monkeypatch.context() as patched:
        patched.setattr(unfinished, "_BOOT_ID", tmp_path / "boot_id")
        unfinished._machine.cache_clear()
        there = tmp_path / unfinished_name(".nii").replace(f"-{os.getpid()}.", f"-{dead.pid}.")
    unfinished._machine.cache_clear()
    there.write_text("")
    remove_leftovers(tmp_path)
    assert there.exists()


@pytest.mark.skipif(os.name == "nt", reason="kills processes")
def test_a_folder_for_unfinished_work_that_a_kill_left_is_gone_when_the_next_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    process = os.fork()
    if process == 0:
        with unfinished.unfinished_folder() as folder:
            (folder / "weights").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)
    assert len(list(tmp_path.iterdir())) == 1
    with unfinished.unfinished_folder() as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_every_temporary_folder_has_a_name_that_the_next_process_can_sweep_by() -> None:
    """Others stay for ever where their process is killed."""
    named = re.compile(r"mkd?s?temp\([^)]*(unfinished_prefix\(\)|staged)")
    made = re.compile(r"TemporaryDirectory\(|mkdtemp\(|mkstemp\(|NamedTemporaryFile\(")
    sources = [*REPOSITORY.glob("CovidSeg/**/*.py"), *REPOSITORY.glob("CovidSegTraining/**/*.py")]
    lines = [(path.name, line) for path in sources for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(name, line) for name, line in lines if made.search(line) and not named.search(line)] == []
