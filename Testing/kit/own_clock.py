"""A clock for how long a call keeps its caller waiting, whatever else the machine has to do."""

from __future__ import annotations

import time
from pathlib import Path

_SCHEDULED = Path("/proc/thread-self/schedstat")
"""Nanoseconds that this thread computed, and that it stood in the queue for a processor (Linux)."""


def own_seconds() -> float:
    """Seconds that pass for this thread; those in which other programs had its processor do not count."""
    try:
        queued = int(_SCHEDULED.read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):  # another system
        queued = 0.0
    return time.monotonic() - queued
