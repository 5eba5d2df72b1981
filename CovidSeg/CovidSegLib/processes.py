"""Ending a child process together with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess


def signal_group(process: subprocess.Popen[bytes], *, by_force: bool) -> None:
    """Ask a child (started in a session of its own) and all it started to end, or kill them.

    PythonSlicer is a launcher with a child of its own: ending the launcher alone would leave that child.
    """
    if os.name == "nt":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL if by_force else signal.SIGTERM)
