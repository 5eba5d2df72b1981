"""How much memory this process may take: a file that asks for too much fails here, before the whole machine does."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path

from ..errors import EngineError
from ..i18n import tr as _

_OF_WANT = re.compile(
    r"MemoryError|ImportError|OSError: .*(Errno 12|WinError 1455)|SyntaxError|SystemError"
    r"|RuntimeError: can't start new thread|OSError: .*failed to map"
)
"""How the last line of a traceback begins that may come of too little memory."""

_SURELY_TOO_SMALL, _SURELY_ENOUGH = 800 << 20, 2 << 30
"""Bytes of address space: what the libraries take that segment a scan; what a usual scan is segmented in. In between
anything may fail in any way. In less, OpenBLAS (of SciPy), when it is loaded, asks for memory again for ever."""

_STATUS = Path("/proc/self/status")


def bound_memory(more: int | None) -> None:
    """Let this process take at most ``more`` bytes beyond what it holds now; None: as many as it likes.

    What asks for more gets a MemoryError, or what compiled code makes of that. On Linux what a process can write to is
    counted (RLIMIT_DATA), not its address space (RLIMIT_AS): runtimes and drivers reserve far more of that than they
    use. On Windows a job object counts committed memory. Elsewhere, and where the system refuses, nothing is bounded.
    """
    with suppress(OSError, ValueError):
        if sys.platform == "linux":
            import resource

            hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
            wanted = resource.RLIM_INFINITY if more is None else _held() + more
            if hard != resource.RLIM_INFINITY and (wanted == resource.RLIM_INFINITY or wanted > hard):
                wanted = hard
            resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
        elif sys.platform == "win32":
            from .memory_windows import bound_commit

            bound_commit(more)


def too_small(traceback_text: str) -> EngineError | None:
    """What a traceback means where the user's session limits memory (``ulimit -v``) and that is why; else None.

    Libraries then cannot be loaded, threads cannot be started, and compiled Python reads as nonsense.
    """
    limit = limit_of_session()
    if limit is None:
        return None
    if limit >= _SURELY_ENOUGH and not _OF_WANT.match(traceback_text.rstrip().rpartition("\n")[2]):
        return None
    return session_too_small(limit)


def check_session() -> None:
    """Raise EngineError where the session gives a process so little memory that libraries end it without a word."""
    limit = limit_of_session()
    if limit is not None and limit < _SURELY_TOO_SMALL:
        raise session_too_small(limit)


def session_too_small(limit: int) -> EngineError:
    """The error for a session that gives a process ``limit`` bytes."""
    return EngineError(
        _("This session gives a process {size} of memory, which is not enough.").format(size=f"{limit >> 20} MB"),
        _("Allow more (ulimit -v, ulimit -d), or start it where there is no such limit."),
    )


def limit_of_session() -> int | None:
    """How many bytes of address space (``ulimit -v``) or of data the user's session leaves to a process; None: any."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
        return min((limit for limit in soft if limit != resource.RLIM_INFINITY), default=None)
    return None


def leave_no_core() -> None:
    """A crash writes no image of this process to the disk: a scan is in it."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _held() -> int:
    """Bytes that count for RLIMIT_DATA by now. Raises OSError or ValueError."""
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) << 10
    raise ValueError("the system does not tell")
