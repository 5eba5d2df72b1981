"""Names of files that are not finished, and the clearing up of those that nobody will finish any more.

A process that is killed leaves what it was writing; its name says which process of which machine that was.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path

_NAME = re.compile(r"\.covidseg-([0-9a-f]{8})-(\d+)-.+")


def unfinished_name(ending: str = "") -> str:
    """A new name for a file or folder that is not finished, hidden, and with this ``ending``."""
    return f"{unfinished_prefix()}{uuid.uuid4().hex[:12]}{ending}"


def unfinished_prefix() -> str:
    """How names of unfinished files of this process begin."""
    return f".covidseg-{_machine()}-{os.getpid()}-"


def remove_leftovers(folder: Path, *, own: bool = False) -> None:
    """Remove unfinished files and folders of this machine's processes that are gone from ``folder``.

    Those of other machines, which may share the folder, stay: whether their processes are alive is not known.
    ``own``: this process's too, at its end: Ctrl-C can come between the making of a folder and the note of it.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            if match is None or match[1] != _machine():
                continue
            process = int(match[2])
            if (process == os.getpid() and not own) or (process != os.getpid() and _is_alive(process)):
                continue
            with suppress(OSError):
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
    """Where a process number means one process: this machine, or the container in it, without its name."""
    try:
        numbers = str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        numbers = ""
    return hashlib.sha256(f"{platform.node()}/{numbers}".encode()).hexdigest()[:8]


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
