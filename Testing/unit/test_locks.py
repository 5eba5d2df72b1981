"""Of several processes one at a time is at work, and a lock that is left behind holds up nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from CovidSegLib.errors import OutputError
from CovidSegLib.system.locks import one_at_a_time

pytestmark = pytest.mark.skipif(os.name == "nt", reason="forks")


def test_no_change_of_processes_that_change_one_file_at_once_is_lost(tmp_path: Path) -> None:
    number = tmp_path / "number"
    number.write_text("0")
    processes = [os.fork() or _count(number) for _ in range(4)]
    assert [os.waitpid(process, 0)[1] for process in processes] == [0] * 4
    assert number.read_text() == "200"
    assert os.listdir(tmp_path) == ["number"]


def _count(number: Path) -> int:
    try:
        for _ in range(50):
            with one_at_a_time(number.with_name(".lock")):
                number.write_text(str(int(number.read_text()) + 1))
        os._exit(0)
    finally:
        os._exit(1)


def test_who_is_kept_waiting_for_too_long_is_told(tmp_path: Path) -> None:
    with (
        one_at_a_time(tmp_path / ".lock"),
        pytest.raises(OutputError, match="too long"),
        one_at_a_time(tmp_path / ".lock", patience_seconds=0),
    ):
        pass
    assert os.listdir(tmp_path) == []


def test_the_lock_of_a_process_that_was_killed_holds_up_nobody(tmp_path: Path) -> None:
    process = os.fork()
    if process == 0:
        with one_at_a_time(tmp_path / ".lock"):
            os._exit(0)
    os.waitpid(process, 0)
    assert os.listdir(tmp_path) == [".lock"]
    with one_at_a_time(tmp_path / ".lock", patience_seconds=0):
        pass
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_locked_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be locked"), one_at_a_time(tmp_path / "nowhere" / ".lock"):
        pass
