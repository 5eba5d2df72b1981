"""One process at a time: a lock on an open file, which a kill or a crash lets go as well."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ..errors import OutputError
from ..i18n import tr as _

PATIENCE_SECONDS = 120.0
"""How long another process may keep what is locked for moments; one that was stopped would keep it for ever."""

_POLL_SECONDS = 0.05


@contextmanager
def one_at_a_time(lock: Path, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Wait until no other process is in this context with the same ``lock``, a file that is made for it and removed.

    For what is read, changed and written again in a moment: of two that do so at once, one's change would be lost.
    Raises OutputError where the file cannot be made, or another process does not come to its end.
    """
    file = _locked(lock, patience_seconds)
    try:
        yield
    finally:
        # Who waits for this very file sees that it is gone, and makes a new one.
        with suppress(OSError):
            lock.unlink()
        file.close()


def _locked(lock: Path, patience_seconds: float) -> IO[bytes]:
    give_up_at = time.monotonic() + patience_seconds
    while True:
        try:
            file = lock.open("ab")
        except OSError as error:
            raise OutputError(
                _("The folder cannot be locked against other processes."), _("May files be made in it?")
            ) from error
        if try_lock(file) and _is_still(lock, file):
            return file
        file.close()
        if time.monotonic() > give_up_at:
            raise OutputError(
                _("Another process has been writing into the folder for too long."),
                _("Wait for its end, or stop it, and try again."),
            )
        time.sleep(_POLL_SECONDS)


def _is_still(lock: Path, file: IO[bytes]) -> bool:
    """Whether the file that is locked is the one that others would lock."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), lock.stat())
    except OSError:
        return False


def try_lock(file: IO[bytes]) -> bool:
    """Let no other process have ``file`` until it is closed; False where one has it already.

    A system without such locks goes without.
    """
    try:
        if sys.platform == "win32":  # in words that a type checker knows
            import msvcrt

            file.seek(1 << 40)  # a byte that nobody writes
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        with suppress(OSError):
            file.seek(0)
    return True
