"""Disks that become full: a limit for the size of files, and a small disk in memory."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = 4096
"""What a small disk hands out at once, in bytes."""


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process becomes larger than ``size`` bytes: writing on fails as on a full disk."""
    resource = pytest.importorskip("resource", reason="files can be limited in size on Unix only")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)  # Python ignores the signal that comes with it
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """A disk of ``size`` bytes at the folder ``place``, if this process may make one; skips the test otherwise."""
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("needs a disk in memory (Linux: tmpfs)")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True)
    if made.returncode != 0:
        pytest.skip("needs the right to mount a disk in memory")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
