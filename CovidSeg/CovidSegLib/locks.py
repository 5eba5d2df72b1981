"""One process at a time: a lock on an open file, which a kill or a crash lets go as well."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import IO


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
