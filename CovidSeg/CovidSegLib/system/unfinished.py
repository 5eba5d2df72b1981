"""Names of files that are not finished, and the clearing up of those that nobody will finish any more.

A process that is killed leaves what it was writing; its name says which process of which machine that was, and when it
was started: numbers of processes are given anew.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from .processes import is_alive, started

FORGOTTEN_SECONDS = 7 * 24 * 3600.0
"""What was not written to for so long nobody will finish, wherever its process is or was: saving takes seconds."""

_NAME = re.compile(r"\.covidseg-([0-9a-f]{8})-(\d+)(?:\.(\d+))?-.+")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def unfinished_name(ending: str = "") -> str:
    """A new name for a file or folder that is not finished, hidden, and with this ``ending``."""
    return f"{unfinished_prefix()}{uuid.uuid4().hex[:12]}{ending}"


def unfinished_prefix() -> str:
    """How names of unfinished files of this process begin."""
    return f".covidseg-{_machine()}-{os.getpid()}.{started(os.getpid()) or 0}-"


def temporary_folder(place: Path | None = None) -> Path:
    """A new private folder (mode 0700) for what shall not outlive this process, in ``place``.

    ``place``: None for the system's folder for such. The caller removes the new folder; if it is killed before, the
    next call of any process does. Raises OSError.
    """
    place = Path(tempfile.gettempdir()) if place is None else place
    remove_leftovers(place)
    return Path(tempfile.mkdtemp(prefix=unfinished_prefix(), dir=place))


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
                if match is None or not (_is_over(*match.groups(), own=own) or _is_forgotten(entry)):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)


@contextmanager
def unfinished_folder(place: Path | None = None) -> Iterator[Path]:
    """A :func:`temporary_folder` until the end of the context. Raises OSError where it cannot be made."""
    folder = temporary_folder(place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


def _is_over(machine: str, process: str, start: str | None, *, own: bool) -> bool:
    """Whether the process is surely gone. ``start``: see :func:`started`; earlier versions did not note it."""
    if machine != _machine():
        return False
    number = int(process)
    if not is_alive(number):
        return True
    now = started(number)
    if now is not None and int(start or 0) not in (0, now):
        return True  # another one has its number by now
    return own and number == os.getpid()


def _is_forgotten(entry: os.DirEntry[str]) -> bool:
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > FORGOTTEN_SECONDS
