"""The pipeline in a child process: the parent stays live, a crash is an error message, cancel kills.

The parent holds a :class:`Worker`; the child (:mod:`CovidSegLib.worker_child`) keeps its engine open and segments scan
after scan. Voxels and labels travel through files in a private folder, everything else as JSON lines: requests on the
child's standard input, reports and answers on what was its standard output.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import EngineError, InputError, ModelError, OutputError
from .i18n import from_json, to_json
from .i18n import tr as _
from .processes import NO_WINDOW, PATIENCE_SECONDS, ending_steps, finish, library_environment
from .progress import Progress, Report
from .segmentation import Provenance, Segmentation
from .volume import CtVolume
from .worker_child import CERTAINTY_FILE, LABELS_FILE, LOG_FILE, VOXELS_FILE

if TYPE_CHECKING:
    from .options import Options

_ERRORS = {kind.__name__: kind for kind in (EngineError, InputError, ModelError, OutputError)}

_LEND_SECONDS = 0.02
"""In Slicer a thread works only while Python is at work."""


class WorkerCrashError(RuntimeError):
    """A bug: the child met an exception that nobody expected. ``child_traceback`` is its traceback."""

    def __init__(self, child_traceback: str) -> None:
        super().__init__(child_traceback)
        self.child_traceback = child_traceback


class WorkerDiedError(EngineError):
    """The child process ended in the middle of its work: killed, out of memory, or a fault of a driver."""


class Worker:
    """A child process that segments scans one after the other with one engine.

    Parameters: ``options`` go to the pipeline; ``python`` is the interpreter (default: this one; in Slicer it is
    PythonSlicer). Entering the context starts the child, which loads its engine while the parent still reads the scan;
    leaving it ends the child and removes its folder, whatever happened. A child that is gone is started anew for the
    next scan. To be used from one thread.
    """

    def __init__(self, options: Options, *, python: str | None = None) -> None:
        self._options = options
        self._python = python or sys.executable
        self._child: _Child | None = None
        self._ready = False
        self._busy = False
        self._last = Report("engine")

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the child unless it is there. Raises EngineError when it cannot be started."""
        if self._child is None:
            self._ready, self._busy, self._last = False, False, Report("engine")
            self._child = _Child(self._python)
            self._child.send({"options": asdict(self._options), "folder": str(self._child.folder)})

    def wait_until_ready(self, progress: Progress) -> None:
        """Wait until the engine is open. Raises ModelError or EngineError when it cannot be opened, or Cancelled."""
        self.start()
        while not self._ready:
            self.poll(progress)

    def segment(self, volume: CtVolume, progress: Progress) -> Segmentation:
        """Segment ``volume`` in the child and wait for it.

        Raises the errors of :func:`CovidSegLib.pipeline.segment` as themselves, :class:`WorkerDiedError`,
        :class:`WorkerCrashError` for a bug, or Cancelled, after which the child is gone.
        """
        self.begin(volume)
        while True:
            segmentation = self.poll(progress)
            if segmentation is not None:
                return segmentation

    def begin(self, volume: CtVolume) -> None:
        """Hand ``volume`` to the child and return at once; :meth:`poll` then brings the result."""
        if self._busy:
            self.close()
        self.start()
        assert self._child is not None
        self._busy = True
        try:
            np.save(self._child.folder / VOXELS_FILE, volume.voxels, allow_pickle=False)
        except OSError as error:
            self.close()
            raise EngineError(
                _("The scan could not be written to the folder for temporary files."),
                _("Free some space there, or set TMPDIR to another folder."),
            ) from error
        notes = [to_json(note) for note in volume.notes]
        self._child.send({"affine": volume.affine.tolist(), "source": volume.source, "notes": notes})

    def poll(self, progress: Progress, wait_seconds: float = 0.2) -> Segmentation | None:
        """Wait at most ``wait_seconds`` for one message; returns the result when it is there, else None.

        Passes reports to ``progress`` and asks it whether to go on. Raises as :meth:`segment`.
        """
        assert self._child is not None, "begin() comes before poll()"
        try:
            message = self._child.receive(wait_seconds)
            self._tell(message, progress)
            if "provenance" in message:
                segmentation = self._child.result(message)
        except BaseException:  # stopped or dead: whatever this child still says is of no use
            self.close()
            raise
        if "error" in message or "crash" in message:
            self._busy = False
            if message["last"]:
                self.close()
            raise _exception(message)
        if "provenance" in message:
            self._busy = False
            return segmentation
        return None

    def close(self) -> None:
        """End the child, at once if it is at work, and remove its folder. May be called at any time, also twice."""
        finish(self.close_steps())

    def close_steps(self) -> Generator[None, None, None]:
        """As :meth:`close`, in steps between which a window lives; a generator that is closed waits for the rest."""
        child, self._child = self._child, None
        at_once, self._busy = self._busy or not self._ready, False
        if child is not None:
            yield from child.end_steps(at_once=at_once)

    def _tell(self, message: dict[str, Any], progress: Progress) -> None:
        self._ready = self._ready or "ready" in message
        if "report" in message:
            stage, fraction, notice = message["report"]
            if notice:
                progress.notice(stage, from_json(notice))
                return
            self._last = Report(stage, fraction)
        # Also without news: this is where the user's wish to stop is noticed.
        progress.step(self._last.stage, round(self._last.fraction * 1000), 1000)


def _exception(message: dict[str, Any]) -> Exception:
    """The exception that the child told of."""
    if "crash" in message:
        return WorkerCrashError(message["crash"])
    return _ERRORS[message["error"]](from_json(message["sentence"]), from_json(message["hint"]))


class _Child:
    """One running child process with its folder (mode 0700) and the thread that reads its messages."""

    def __init__(self, python: str) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="covidseg-"))
        except OSError as error:
            raise EngineError(
                _("There is no folder for temporary files."), _("Set TMPDIR to a folder with space.")
            ) from error
        try:
            self._process = _popen(python, self.folder)
            self._reader.start()
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

    def receive(self, wait_seconds: float) -> dict[str, Any]:
        """The next message, or an empty one after ``wait_seconds``. Raises :class:`WorkerDiedError`."""
        try:
            message = self._messages.get(timeout=wait_seconds)
        except queue.Empty:
            return {}
        if message is not None:
            return message
        raise WorkerDiedError(
            _("The process that computes the network stopped in the middle of its work."),
            _("Perhaps memory ran out: close other programs and try again, or compute without the graphics card."),
        )

    def result(self, message: dict[str, Any]) -> Segmentation:
        """The segmentation that ``message`` announces; its file is removed."""
        labels = np.load(self.folder / LABELS_FILE, allow_pickle=False)
        (self.folder / LABELS_FILE).unlink()
        certainty = None
        if message.get("certainty"):
            certainty = np.load(self.folder / CERTAINTY_FILE, allow_pickle=False)
            (self.folder / CERTAINTY_FILE).unlink()
        provenance = message["provenance"]
        provenance["warnings"] = tuple(from_json(warning) for warning in provenance["warnings"])
        provenance["edited"] = tuple(provenance["edited"])  # JSON has no tuples
        return Segmentation(labels, np.array(message["affine"], dtype=float), Provenance(**provenance), certainty)

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
        self._reader.join(_LEND_SECONDS)
        while self._reader.is_alive() and time.monotonic() < give_up_at:  # something else holds on to the pipe
            yield None
            self._reader.join(_LEND_SECONDS)
        if not self._reader.is_alive():
            process.stdout.close()


def _popen(python: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start the child in a session of its own, so that Ctrl-C reaches the parent alone and a kill reaches all of it."""
    with (folder / LOG_FILE).open("wb") as log:
        return subprocess.Popen(
            [python, "-m", f"{__package__}.worker_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,  # chatter of libraries; it goes with the folder
            cwd=folder,  # "-m" looks here for modules first: an empty place
            # ONNX Runtime from 1.29 on reports its use over the net unless told so before it is loaded.
            env={**os.environ, **library_environment(), "ORT_DISABLE_TELEMETRY": "1"},
            start_new_session=os.name != "nt",
            **NO_WINDOW,
        )
