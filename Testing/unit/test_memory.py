"""What a process may take, and what is said where the user's session gives it too little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from CovidSegLib.errors import EngineError
from CovidSegLib.system.memory import too_small
from Testing.kit.command_line import CommandLine, rough_chest, write_scan

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the system does not bound memory")

TAKES = """
import sys
import numpy
from CovidSegLib.system.memory import bound_memory
bound_memory(int(sys.argv[1]) << 20 if int(sys.argv[1]) else None)
taken = numpy.ones(200 << 20, numpy.uint8)
del taken
bound_memory(50 << 20)
try:
    numpy.ones(200 << 20, numpy.uint8)
except MemoryError:
    print("bounded anew")
"""


def takes(megabytes: int) -> subprocess.CompletedProcess[str]:
    """A process that takes 200 MB while it may take so many more than it holds (0: any)."""
    return subprocess.run([sys.executable, "-c", TAKES, str(megabytes)], capture_output=True, text=True, check=False)


def test_what_asks_for_more_memory_than_its_bound_gets_an_error_and_the_bound_can_be_set_anew() -> None:
    refused = takes(100)
    assert refused.returncode == 1
    assert "MemoryError" in refused.stderr.splitlines()[-1]
    for enough in (300, 0):
        assert takes(enough).stdout == "bounded anew\n"


@pytest.mark.parametrize("megabytes", [100, 150, 600])
def test_a_session_with_too_little_memory_is_one_line_and_code_2(tmp_path: Path, megabytes: int) -> None:
    covidseg = CommandLine(tmp_path)
    write_scan(tmp_path / "s.nii.gz", rough_chest(2))
    command = f"ulimit -v {megabytes << 10}; exec {sys.executable} -m CovidSegLib.cli segment s.nii.gz -o a.nii.gz"
    ended = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=covidseg.environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2, ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if not line.endswith(" ...")]
    assert line.startswith("error: ")
    assert "memory" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.nii.gz", "temporary"]


def test_a_fault_of_ours_is_not_taken_for_want_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert too_small("Traceback ...\nImportError: no module") is None  # no limit
    monkeypatch.setattr("CovidSegLib.system.memory.limit_of_session", lambda: 4 << 30)
    assert too_small("Traceback ...\nZeroDivisionError: a bug") is None
    assert isinstance(too_small("Traceback ...\nMemoryError\n"), EngineError)
