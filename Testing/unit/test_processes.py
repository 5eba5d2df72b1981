"""What the environment of a child process says, and what the child then does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from CovidSegLib.system.processes import huge_page_environment, start_child

HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
FILLS_64_MIB = """
array = bytearray(b"x") * (64 << 20)
lines = dict(line.split(":") for line in open("/proc/self/smaps_rollup").read().splitlines()[1:])
print(int(lines["AnonHugePages"].split()[0]))
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the variable is the GNU C library's")


def huge_kib(environment: dict[str, str]) -> int:
    child = start_child([sys.executable, "-c", FILLS_64_MIB], stdout=subprocess.PIPE, environment=environment)
    printed, _ = child.communicate()
    return int(printed)


@pytest.mark.skipif(
    not HUGE_PAGES.is_file() or "[madvise]" not in HUGE_PAGES.read_text(),
    reason="here all processes get huge pages, or none",
)
def test_a_large_array_of_a_child_lies_in_huge_pages_where_these_are_given_on_request() -> None:
    assert huge_kib(huge_page_environment()) > 32 * 1024 > huge_kib({})


def test_tunables_of_the_user_stay_and_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=2")
    assert huge_page_environment() == {"GLIBC_TUNABLES": "glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1"}
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")
    assert huge_page_environment() == {}
