"""What is said of a fault of the program itself."""

from __future__ import annotations

import sys

from ..errors import traceback_text


def print_bug(error: Exception) -> None:
    """Write the traceback of a bug to standard error, once: that of the child process if it happened there."""
    from ..worker.parent import WorkerCrashError

    text = error.child_traceback if isinstance(error, WorkerCrashError) else traceback_text(error)
    print(text.rstrip(), file=sys.stderr)


BUG_SENTENCE = "This is a fault of CovidSeg, not of the scan. Please report the lines above."
