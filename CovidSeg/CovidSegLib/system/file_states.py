"""What lies where an output shall be: whether it is a file at all, may be written to, and is still what it was."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import ChangedMeanwhileError, OutputError
from ..i18n import tr as _

States = tuple[tuple[Path, str], ...]
"""Files and their :func:`file_state` when a run began."""

_MAY_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def file_state(path: Path) -> str:
    """Changes when somebody writes to the file or puts another in its place; "" where there is none.

    Size, time and the file's number in its file system: a copy of the same size may bring the same time along. The time
    of its status does not count: backups and our own leftovers are names of the same file, and come and go. It holds
    while a program runs; :func:`kept_state` is for longer.
    """
    about = _about(path)
    return "" if about is None else _state_of(about)


def kept_state(path: Path) -> str:
    """As :func:`file_state` without what a copy of the whole folder changes, or a backup: what may be written down."""
    about = _about(path)
    return "" if about is None else kept_state_of(about)


def kept_state_of(about: os.stat_result) -> str:
    """:func:`kept_state` of a file that is known already."""
    return f"{about.st_size}/{about.st_mtime_ns}"


def is_file_of(state: str, about: os.stat_result) -> bool:
    """Whether ``state`` is of the file that ``about`` tells of, with the same content; its names may be others."""
    return state == _state_of(about)


def _state_of(about: os.stat_result) -> str:
    return f"{kept_state_of(about)}/{about.st_ino}"


def _about(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError, RuntimeError):  # also a name that no file can have, and links in a circle
        return None


def states_of(files: Iterable[Path]) -> States:
    """The states of ``files`` as a run begins that may replace them, as a value that travels to a child process."""
    return tuple((file, file_state(file)) for file in files)


def check_still(states: Mapping[Path, str]) -> None:
    """Raise ChangedMeanwhileError unless every file is in the :func:`file_state` that it was in when the run began.

    Minutes lie between that and the result: somebody may have saved corrections meanwhile.
    """
    for path, state in states.items():
        if file_state(path) != state:
            raise changed_meanwhile(path)


def changed_meanwhile(path: Path) -> ChangedMeanwhileError:
    """The error that says so of ``path``."""
    error = ChangedMeanwhileError(
        _("The output was changed by somebody else while CovidSeg worked, and stays as it is."),
        _("Run again to replace it as it is then, or choose another name."),
    )
    error.subject = str(path)
    return error


def refuse_special(output: Path) -> None:
    """Raise OutputError where ``output`` is there and, links followed, neither a file nor a folder.

    A device would be replaced by a file, which breaks the system; a pipe blocks whoever opens it.
    """
    try:
        mode = output.stat().st_mode
    except OSError:  # nothing there, or a name that no file can have: told elsewhere
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OutputError(
            _("The output is a device, a pipe or a socket, which is not replaced by a file."), _("Choose another name.")
        )


def refuse_protected(output: Path) -> None:
    """Raise OutputError where ``output`` is there and write-protected.

    Also where this process could write it all the same: as root, or by way of its folder.
    """
    about = _about(output)
    if about is not None and not about.st_mode & _MAY_WRITE:
        raise OutputError(
            _("The output exists and is write-protected."), _("Take the protection off, or choose another name.")
        )
