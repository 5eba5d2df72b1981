"""A stand-in for Slicer's own installer of packages (5.12: Base/Python/slicer/packaging.py), with its two manners.

In testing mode it waits for pip, raises CalledProcessError where that fails, and calls nobody; else it goes on, and a
timer calls back on the main thread.
"""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import slicer

from .slicer_window.pythonqt import qt


class Installer(types.ModuleType):
    """``slicer.packaging``; ``calls``: the arguments that pip got."""

    def __init__(self, python: Path) -> None:
        super().__init__("slicer.packaging")
        self.calls: list[list[str]] = []
        self._python, self._timer = python, qt.QTimer()
        self._process: subprocess.Popen[str] | None = None

    def isPipInstallInProgress(self) -> bool:  # noqa: N802
        """Whether one that does not block is under way."""
        return self._process is not None

    def pip_install(
        self,
        requirements: list[str],
        constraints: Path | None = None,
        blocking: bool = True,
        show_progress: bool = True,
        requester: str | None = None,
        logCallback: Callable[[str], None] | None = None,  # noqa: N803
        completedCallback: Callable[[int], None] | None = None,  # noqa: N803
    ) -> None:
        """Run pip; see above."""
        arguments = [*requirements, "-c", str(constraints)]
        self.calls.append(arguments)
        command = [str(self._python), "-m", "pip", "install", *arguments]
        if slicer.app.testingEnabled():
            subprocess.run(command, check=True, capture_output=True, text=True)
            return
        assert not blocking
        assert not show_progress
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

        def look() -> None:
            process = self._process
            if process.poll() is None:
                return
            self._timer.stop()
            self._process = None
            for line in process.stdout:
                logCallback(line)
            completedCallback(process.returncode)

        self._timer.connect("timeout()", look)
        self._timer.start(20)


def install(python: Path) -> Installer:
    """Let ``slicer.packaging`` be one that installs for ``python``; who calls takes it out of sys.modules again."""
    sys.modules["slicer.packaging"] = made = Installer(python)
    return made
