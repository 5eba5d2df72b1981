"""A process that is killed -9 in the middle of its work, at a moment of the test's choice."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

_CALLS = ("open", "os.", "shutil.", "tempfile.")
"""Audit events (sys.addaudithook) of calls that touch files."""


def killed_at(moment: int, work: Callable[[], object]) -> bool:
    """Run ``work`` in a fork that is killed before its ``moment``-th call that touches files, counted from 1.

    Returns whether it came to its end, because it made fewer calls.
    """
    process = os.fork()
    if process == 0:
        count = [0]

        def hook(event: str, _arguments: tuple) -> None:
            if event.startswith(_CALLS):
                count[0] += 1
                if count[0] == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(process, 0)
    return os.WIFEXITED(status)
