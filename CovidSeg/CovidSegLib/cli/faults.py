"""What an exception means to a command: its exit code, and what is said about it."""

from __future__ import annotations

import sys

from ..errors import CovidSegError, WorkerDiedError, traceback_text

DONE, OWN_FAULT, WRONG_CALL, CANCELLED = 0, 1, 2, 130
"""Exit codes. A child process that was killed counts as our own fault: it says nothing about the input."""


def exit_code(error: Exception) -> int:
    """The exit code that ``error`` leads to."""
    return WRONG_CALL if isinstance(error, CovidSegError) and not isinstance(error, WorkerDiedError) else OWN_FAULT


def print_bug(error: Exception) -> None:
    """Write the traceback of a bug to standard error, once: that of the child process if it happened there."""
    from ..worker.parent import WorkerCrashError

    text = error.child_traceback if isinstance(error, WorkerCrashError) else traceback_text(error)
    print(text.rstrip(), file=sys.stderr)


BUG_SENTENCE = "This is a fault of CovidSeg, not of the scan. Please report the lines above."
