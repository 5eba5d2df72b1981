"""A short run of the fuzzer: files of which a little is wrong are read, or refused in a sentence (``make fuzz``)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and looks at their memory")


def test_damaged_files_of_every_kind_are_read_or_refused_in_a_sentence(tmp_path: Path, repository: Path) -> None:
    command = [sys.executable, "-m", "Testing.fuzz", "--inputs", "25", "--keep", str(tmp_path / "found")]
    ended = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("25 inputs") == 5
