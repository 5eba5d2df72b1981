"""A short run of the fuzzer: files of which a little is wrong are read, or refused in a sentence (``make fuzz``)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="bounds the memory of forks")

from Testing.fuzz import guarded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and looks at their memory")


def test_damaged_files_of_every_kind_are_read_or_refused_in_a_sentence(tmp_path: Path, repository: Path) -> None:
    command = [sys.executable, "-m", "Testing.fuzz", "--inputs", "15", "--keep", str(tmp_path / "found")]
    ended = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("15 inputs") == 5


@pytest.mark.parametrize(("second", "fault"), [("", ""), (guarded.TOO_LONG, guarded.TOO_LONG)])
def test_a_file_is_no_finding_because_the_machine_was_busy_once(
    second: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endings = [guarded.Ending(fault=guarded.TOO_LONG), guarded.Ending(fault=second)]
    monkeypatch.setattr(guarded, "in_a_fork", lambda _work: endings.pop(0))
    assert guarded.guarded(lambda: None).fault == fault
    assert endings == []


def test_what_was_refused_or_failed_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    endings = [guarded.Ending(refused=True), guarded.Ending(fault="signal SIGSEGV")]
    monkeypatch.setattr(guarded, "in_a_fork", lambda _work: endings.pop(0))
    assert guarded.guarded(lambda: None).refused
    assert guarded.guarded(lambda: None).fault == "signal SIGSEGV"
