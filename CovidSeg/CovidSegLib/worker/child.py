"""The child process of :mod:`CovidSegLib.worker.parent`, run as ``python -m CovidSegLib.worker.child``.

It ends when its input ends, so it never outlives its parent. Its standard output is moved away before anything else is
imported, so that no library can print into the messages.
"""

from __future__ import annotations

import base64
import gc
import json
import os
import pickle
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from ..errors import CovidSegError, EngineError, traceback_text
from ..i18n import to_json
from ..i18n import tr as _
from ..progress import Cancelled, Progress, Report
from ..system.interrupts import Interrupts
from ..system.memory import bound_memory, leave_no_core

if TYPE_CHECKING:
    from ..geometry.volume import CtVolume
    from ..network.engines import Engine
    from ..options import Options
    from ..reading.checks import Findings
    from ..segmentation import Segmentation
    from .jobs import Job

LOG_FILE = "log.txt"
"""What libraries print; it lies in the folder that parent and child share."""

_ending = threading.Lock()
_REPORT_SECONDS = 0.05
"""Reports of one stage are sent no more often than this."""

_READING_BYTES, _COMPUTING_BYTES = 3 << 30, 1 << 30
"""What may be needed beside the scan: to open the engine meanwhile (on a GPU gigabytes), and to compute."""

_BYTES_A_VOXEL = 64
"""Far more than a scan needs (about 9), also with a reader's segments in many layers."""

_LARGEST = 16 << 30
"""What the largest scan takes that is read at all (``reading.hounsfield.MAX_VOXELS``)."""

_UNPACKED = 64
"""How much larger than its file a scan may become when it is read; what is smaller than _READING_BYTES always may."""

_TIDY_SECONDS = 2.0
"""How long work may go on to clean up after its parent is gone."""


def serve() -> None:
    """Open the engine, and meanwhile and then do job after job until the input ends. Does not return."""
    channel = _own_channel()
    requests = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    gc.disable()  # until the libraries are there: what they make while they load is looked through again and again
    with Interrupts(process_ends=True) as interrupts:
        hello = json.loads(requests.readline() or b"null")
        if hello is None:
            return
        leave_no_core()
        folder = Path(hello["folder"])
        # What is unpacked on the way goes with this folder, whoever is killed.
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        send = partial(_send, channel, folder)
        try:
            inbox = _Inbox(requests, folder)
            engine = _LateEngine(hello["options"], send, inbox)
            while True:
                packed = inbox.jobs.get()
                try:
                    engine.check()
                    # By our own parent, through a pipe that nobody else has.
                    job: Job[Any] = pickle.loads(base64.b64decode(packed))
                    _load_libraries()
                    bound_memory(_READING_BYTES + _needed(job.sources))
                    # A reporter of its own: what a job says first is heard, however soon it comes after the last one.
                    answer = {"record": job.run(engine.segment, Progress(_Reporter(send, engine), interrupts.asked))}
                except Cancelled:
                    _end(folder)
                except Exception as error:
                    answer = _described(error, last=engine.error is not None)
                send(answer)
                if answer.get("last"):
                    os._exit(0)  # threads that a library left behind must not hold up the end
        except KeyboardInterrupt:  # asked to stop: what was at work has cleaned up
            _end(folder)


def _send(channel: IO[bytes], folder: Path, message: dict[str, Any]) -> None:
    line = json.dumps(message, default=lambda value: value.to_json()).encode() + b"\n"
    try:
        channel.write(line)
    except OSError:  # nobody listens any more
        _end(folder)


def _load_libraries() -> None:
    """Load what any job needs and a bound on memory could keep from loading halfway."""
    import scipy.ndimage
    import scipy.sparse  # noqa: F401
    import SimpleITK  # noqa: F401

    if not gc.isenabled():
        gc.freeze()
        gc.enable()


class _Inbox:
    """What the parent says, read by a thread of its own: ``jobs`` as they are sent, and when to ``go`` on."""

    def __init__(self, requests: IO[bytes], folder: Path) -> None:
        self.jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.go: queue.SimpleQueue[None] = queue.SimpleQueue()
        threading.Thread(target=self._receive, args=(requests, folder), daemon=True).start()

    def _receive(self, requests: IO[bytes], folder: Path) -> None:
        with suppress(OSError, ValueError):  # a parent that is killed may leave half a line
            for line in requests:
                message = json.loads(line)
                if "go" in message:
                    self.go.put(None)
                else:
                    self.jobs.put(message["job"])
        if os.name != "nt" and _leads_its_session():
            os.killpg(0, signal.SIGTERM)  # our first thread, which cleans up, and what it started
            time.sleep(_TIDY_SECONDS)
        _end(folder)


class _LateEngine:
    """The engine, opened by a thread while the first job reads its scan; ``error``: why it could not be."""

    def __init__(self, chosen: dict[str, Any] | None, send: Callable[[dict[str, Any]], None], inbox: _Inbox) -> None:
        self.error: Exception | None = None
        self._options: Options | None = None
        self._engine: Engine | None = None
        self._send, self._inbox = send, inbox
        self._thread: threading.Thread | None = None
        if chosen is not None:
            self._thread = threading.Thread(target=self._open, args=(chosen,), daemon=True)
            self._thread.start()

    def _open(self, chosen: dict[str, Any]) -> None:
        from .. import pipeline
        from ..network.engines import may_use_gpu
        from ..network.gpu_watch import gpu_in_time

        try:
            self._options = pipeline.Options(**chosen)
            if self._options.device != "cpu" and may_use_gpu(self._options.engine):
                self._send({"device": "gpu"})  # from now on a driver may end us
                with gpu_in_time():
                    self._engine = pipeline.open_engine(self._options, Progress(_Reporter(self._send)))
            else:
                self._engine = pipeline.open_engine(self._options, Progress(_Reporter(self._send)))
        except Exception as error:
            self.error = error
            self._inbox.jobs.put("")  # whoever waits for a job looks up
        else:
            self._send({"ready": True, "device": self._engine.device})

    def check(self) -> None:
        """Raise what kept the engine from being opened: nobody need wait for a scan that cannot be segmented."""
        if self.error is not None:
            raise self.error

    def segment(self, volume: CtVolume, progress: Progress, findings: Findings | None = None) -> Segmentation:
        """Segment ``volume`` when the engine is open and it is this child's turn to compute (see ``jobs``)."""
        from .. import pipeline
        from ..network.gpu_watch import EngineInTime

        if self._thread is not None:
            self._thread.join()
        self.check()
        assert self._options is not None, "a worker without options has no engine"
        assert self._engine is not None
        on_cpu = self._engine.device == "cpu"  # a driver's own needs nobody knows
        bound_memory(_COMPUTING_BYTES + _BYTES_A_VOXEL * volume.voxels.size if on_cpu else None)
        self._send({"turn": True})
        self._inbox.go.get()
        try:
            engine = self._engine if on_cpu else EngineInTime(self._engine)
            return pipeline.segment(volume, self._options, progress, engine=engine, findings=findings)
        finally:
            self._send({"turn": False})


class _Reporter:
    """Sends reports on, but no flood of them."""

    def __init__(self, send: Callable[[dict[str, Any]], None], engine: _LateEngine | None = None) -> None:
        self._send, self._engine = send, engine
        self._stage, self._time = "", 0.0

    def __call__(self, report: Report) -> None:
        if self._engine is not None:
            self._engine.check()
        now = time.monotonic()
        if report.notice or report.stage != self._stage or now - self._time >= _REPORT_SECONDS or report.fraction >= 1:
            self._stage, self._time = report.stage, now
            self._send({"report": [report.stage, float(report.fraction), to_json(report.notice)]})


def _own_channel() -> IO[bytes]:
    """What was standard output, for messages alone: whatever prints from now on prints to standard error."""
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return channel


def _needed(sources: Sequence[Path]) -> int:
    """Bytes that reading ``sources`` may take; a folder: what the largest scan takes that is read at all."""
    with suppress(OSError):
        sizes = [_LARGEST if source.is_dir() else source.stat().st_size * _UNPACKED for source in sources]
        return min(sum(sizes), _LARGEST)
    return 0  # reading says what is wrong


def _leads_its_session() -> bool:
    """Whether this is the session that the parent made for us; Windows has none."""
    return os.name != "nt" and os.getpgrp() == os.getsid(0) == os.getpid()


def _end(folder: Path) -> NoReturn:
    """End, and leave nothing: the parent may have been killed. The first thread does it, any other waits."""
    _ending.acquire()
    shutil.rmtree(folder, ignore_errors=True)
    if os.name != "nt" and _leads_its_session():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _described(error: Exception, *, last: bool) -> dict[str, Any]:
    """``error`` as a message; ``last`` says that the child ends with it."""
    if isinstance(error, MemoryError):
        error = EngineError(
            _("There was not enough memory to segment the scan."), _("Close other programs and try again.")
        )
    if isinstance(error, CovidSegError):
        kind = next(kind for kind in type(error).mro() if kind.__module__ == CovidSegError.__module__)
        words = {"sentence": to_json(error.sentence), "hint": to_json(error.hint), "subject": error.subject}
        return {"error": kind.__name__, **words, "last": last}
    return {"crash": traceback_text(error), "last": last}


if __name__ == "__main__":
    serve()
