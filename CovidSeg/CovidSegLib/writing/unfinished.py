"""Names of files that are not finished, and the clearing up of those that nobody will finish any more.

A process that is killed leaves what it was writing; its name says which process of which machine that was.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import time
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path

FORGOTTEN_SECONDS = 7 * 24 * 3600.0
"""What was not written to for so long nobody will finish, wherever its process is or was: saving takes seconds."""

_NAME = re.compile(r"\.covidseg-([0-9a-f]{8})-(\d+)-.+")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def unfinished_name(ending: str = "") -> str:
    """A new name for a file or folder that is not finished, hidden, and with this ``ending``."""
    return f"{unfinished_prefix()}{uuid.uuid4().hex[:12]}{ending}"


def unfinished_prefix() -> str:
    """How names of unfinished files of this process begin."""
    return f".covidseg-{_machine()}-{os.getpid()}-"


def remove_leftovers(folder: Path, *, own: bool = False) -> None:
    """Remove unfinished files and folders of this machine's processes that are gone from ``folder``.

    Those of other machines, which may share the folder, and of this one before it was started anew stay for
    :data:`FORGOTTEN_SECONDS`: whether their processes are alive is not known.
    ``own``: this process's too, at its end: Ctrl-C can come between the making of a folder and the note of it.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            with suppress(OSError):
                if match is None or not (_is_over(match[1], int(match[2]), own=own) or _is_forgotten(entry)):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)


def sweep(folder: Path) -> None:
    """As :func:`remove_leftovers`, once for each folder: to be called before a file is written to it."""
    _sweep(os.path.abspath(folder))


@cache
def _sweep(folder: str) -> None:
    remove_leftovers(Path(folder))


@cache
def _machine() -> str:
    """Where a process number means one process: this machine since its start, or the container in it.

    Its name does not tell that: copies of a virtual machine, and many Macs, have the same.
    """
    try:
        place = f"{_BOOT_ID.read_text(encoding='ascii')}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        place = str(uuid.getnode())  # of its network card
    return hashlib.sha256(f"{platform.node()}/{place}".encode()).hexdigest()[:8]


def _is_over(machine: str, process: int, *, own: bool) -> bool:
    if machine != _machine():
        return False
    return own if process == os.getpid() else not _is_alive(process)


def _is_forgotten(entry: os.DirEntry[str]) -> bool:
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > FORGOTTEN_SECONDS


def _is_alive(process: int) -> bool:
    if os.name == "nt":  # there, asking with a signal would end the process
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
