"""What lies where an output shall be: whether it is a file at all, may be written to, and is still what it was."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from ..errors import OutputError
from ..i18n import tr as _

_MAY_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def file_state(path: Path) -> str:
    """Changes when somebody writes to the file; "" where there is none."""
    try:
        about = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return f"{about.st_size}/{about.st_mtime_ns}"


def check_still(states: Mapping[Path, str]) -> None:
    """Raise OutputError unless every file is in the :func:`file_state` that it was in when it was looked at.

    Minutes lie between the look and the result: somebody may have saved corrections meanwhile.
    """
    if any(file_state(path) != state for path, state in states.items()):
        raise OutputError(
            _("The output was changed by somebody else while the scan was segmented, and stays as it is."),
            _("Run again, with --keep-edits to bring it up to date."),
        )


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
    """Raise OutputError where ``output`` is write-protected.

    Also where this process could write it all the same: as root, or by way of its folder.
    """
    if not output.stat().st_mode & _MAY_WRITE:
        raise OutputError(
            _("The output exists and is write-protected."), _("Take the protection off, or choose another name.")
        )
