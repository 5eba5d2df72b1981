"""Child processes: where they find this library, how many cores there are for them, and how they are ended.

A child is ended together with all that it started, without standing still meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

NO_WINDOW: dict[str, Any] = {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)} if os.name == "nt" else {}
"""For whatever starts a child: on Windows else a black window of the console flashes up."""

PATIENCE_SECONDS = 3.0
"""How long a child may take to end before it is killed."""

_LOOK_SECONDS = 0.005


def core_count() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def library_environment() -> dict[str, str]:
    """The variable that lets a child import CovidSegLib, and whatever this process finds by it."""
    package = str(Path(__file__).resolve().parents[1])
    return {"PYTHONPATH": os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])}


def signal_group(process: subprocess.Popen[bytes], *, by_force: bool) -> None:
    """Ask a child (started in a session of its own) and all it started to end, or kill them.

    PythonSlicer is a launcher with a child of its own: ending the launcher alone would leave that child.
    """
    if os.name == "nt":
        command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(command, capture_output=True, check=False, **NO_WINDOW)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL if by_force else signal.SIGTERM)


def ending_steps(process: subprocess.Popen[bytes], *, ask: bool = True) -> Generator[None, None, None]:
    """Wait in steps until a child has ended; after :data:`PATIENCE_SECONDS` it is killed, and whatever it started.

    ``ask``: ask it to end first, instead of waiting for that. A generator that is closed early kills at once.
    """
    if ask and process.poll() is None:
        signal_group(process, by_force=False)
    kill_at = time.monotonic() + PATIENCE_SECONDS
    try:
        while process.poll() is None and time.monotonic() < kill_at:
            yield None
    finally:
        # What it started may live on, deaf to what it was asked; on Windows the whole tree was ended above.
        if process.poll() is None or os.name != "nt":
            signal_group(process, by_force=True)
        process.wait()


def finish(steps: Generator[None, None, None]) -> None:
    """Go through ``steps`` of ending something, where there is nothing else to do."""
    try:
        for _ in steps:
            time.sleep(_LOOK_SECONDS)
    finally:
        steps.close()
