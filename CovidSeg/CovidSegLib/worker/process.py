"""The running child of :mod:`worker.parent`: its process, its private folder, and the thread that reads it."""

from __future__ import annotations

import contextlib
import json
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from ..errors import EngineError
from ..i18n import tr as _
from ..system.processes import (
    PATIENCE_SECONDS,
    ending_steps,
    finish,
    huge_page_environment,
    library_environment,
    start_child,
)
from ..system.unfinished import temporary_folder
from .child import LOG_FILE

_LEND_SECONDS = 0.02
"""In Slicer a thread works only while Python is at work."""

_EXIT_SECONDS = 1.0
"""How long a process may take from the end of its output to its own."""

_QUIET = {"ORT_DISABLE_TELEMETRY": "1", "OPENBLAS_NUM_THREADS": "1"}
"""ONNX Runtime from 1.29 on reports its use over the net unless told so before it is loaded. NumPy's products are small
here: threads of its library would wait for them at full speed, beside those that compute the network."""


class Child:
    """One running child process with its folder (mode 0700) and the thread that reads its messages."""

    def __init__(self, python: str) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._receiver = threading.Thread(target=self._read, daemon=True)
        try:
            self.folder = temporary_folder()
        except OSError as error:
            raise EngineError(
                _("There is no folder for temporary files."), _("Set TMPDIR to a folder with space.")
            ) from error
        try:
            self._process = _popen(python, self.folder)
            self._receiver.start()
        except BaseException as error:
            finish(self.end_steps(at_once=True))
            if isinstance(error, OSError):
                raise EngineError(_("The process that computes the network could not be started.")) from error
            raise

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            # What is no message was printed before the child moved its output away.
            with contextlib.suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict):
                    self._messages.put(message)
        self._messages.put(None)

    def send(self, message: dict[str, Any]) -> None:
        """Send one request. A child that is gone is noticed by :meth:`receive`."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def receive(self, wait_seconds: float) -> dict[str, Any] | None:
        """The next message, or an empty one after ``wait_seconds``; None when there will be no more."""
        try:
            return self._messages.get(timeout=wait_seconds)
        except queue.Empty:
            return {}

    def exit_code(self) -> int | None:
        """How the process ended, as :mod:`subprocess` tells it; None where that is not known soon."""
        assert self._process is not None
        try:
            return self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def end_steps(self, *, at_once: bool) -> Generator[None, None, None]:
        """End the process and all it started, wait for it, remove the folder."""
        try:
            if self._process is not None:
                yield from self._end_process(self._process, at_once)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end_process(self, process: subprocess.Popen[bytes], at_once: bool) -> Generator[None, None, None]:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()  # an idle child ends by this alone
        yield from ending_steps(process, ask=at_once)
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        self._receiver.join(_LEND_SECONDS)
        while self._receiver.is_alive() and time.monotonic() < give_up_at:  # something else holds on to the pipe
            yield None
            self._receiver.join(_LEND_SECONDS)
        if not self._receiver.is_alive():
            process.stdout.close()


def _popen(python: str, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / LOG_FILE).open("wb") as log:
        return start_child(
            [python, "-m", f"{__package__}.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,  # chatter of libraries; it goes with the folder
            environment={**library_environment(), **huge_page_environment(), **_QUIET},
            folder=folder,  # "-m" looks here for modules first: an empty place
        )
