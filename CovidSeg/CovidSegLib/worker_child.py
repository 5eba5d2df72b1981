"""The child process of :mod:`CovidSegLib.worker`, run as ``python -m CovidSegLib.worker_child``.

It ends when its input ends, so it never outlives its parent. Its standard output is moved away before anything else is
imported, so that no library can print into the messages.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import numpy as np

from .errors import CovidSegError, EngineError
from .i18n import from_json, to_json
from .i18n import tr as _
from .progress import Progress, Report
from .volume import CtVolume

if TYPE_CHECKING:
    from .network.engines import Engine
    from .options import Options

VOXELS_FILE, LABELS_FILE, CERTAINTY_FILE, LOG_FILE = "voxels.npy", "labels.npy", "certainty.npy", "log.txt"
"""What lies in the folder that parent and child share: int16 HU, uint8 labels, their certainty (see
:class:`CovidSegLib.segmentation.Segmentation`), and what libraries print."""

_ending = threading.Lock()
_REPORT_SECONDS = 0.05
"""Reports of one stage are sent no more often than this."""


def serve() -> None:
    """Open the engine, then segment scan after scan until the input ends. Does not return."""
    channel = _own_channel()
    requests = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    hello = json.loads(requests.readline() or b"null")
    if hello is None:
        return
    folder = Path(hello["folder"])

    def send(message: dict[str, Any]) -> None:
        line = json.dumps(message).encode() + b"\n"
        try:
            channel.write(line)
        except OSError:  # nobody listens any more
            _end(folder)

    scans: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_receive_scans, args=(requests, scans, folder), daemon=True).start()
    progress = Progress(_Reporter(send))
    try:
        options, engine = _open(hello["options"], progress)
    except Exception as error:
        send(_described(error, last=True))
        os._exit(0)  # threads that a library left behind must not hold up the end
    send({"ready": True})
    while True:
        scan = scans.get()
        try:
            answer = _segment(scan, folder, progress, options, engine)
        except Exception as error:
            answer = _described(error, last=False)
        send(answer)


class _Reporter:
    """Sends reports on, but no flood of them."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._stage, self._time = "", 0.0

    def __call__(self, report: Report) -> None:
        now = time.monotonic()
        if report.notice or report.stage != self._stage or now - self._time >= _REPORT_SECONDS or report.fraction >= 1:
            self._stage, self._time = report.stage, now
            self._send({"report": [report.stage, float(report.fraction), to_json(report.notice)]})


def _own_channel() -> IO[bytes]:
    """What was standard output, for messages alone: whatever prints from now on prints to standard error."""
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return channel


def _receive_scans(requests: IO[bytes], scans: queue.SimpleQueue[dict[str, Any]], folder: Path) -> None:
    """Pass requests on; at their end, end the process."""
    with suppress(OSError, ValueError):  # a parent that is killed may leave half a line
        for line in requests:
            scans.put(json.loads(line))
    _end(folder)


def _end(folder: Path) -> NoReturn:
    """End, and leave nothing: the parent may have been killed. The first thread does it, any other waits."""
    _ending.acquire()
    shutil.rmtree(folder, ignore_errors=True)
    if os.name != "nt" and os.getpgrp() == os.getsid(0):  # the session that the parent made for us
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _open(chosen: dict[str, Any], progress: Progress) -> tuple[Options, Engine]:
    from . import pipeline

    options = pipeline.Options(**chosen)
    return options, pipeline.open_engine(options, progress)


def _segment(
    scan: dict[str, Any], folder: Path, progress: Progress, options: Options, engine: Engine
) -> dict[str, Any]:
    """Segment the scan that lies in ``folder`` and put its labels beside it; returns the answer to send."""
    from . import pipeline

    voxels = np.asarray(np.load(folder / VOXELS_FILE, mmap_mode="r", allow_pickle=False))
    volume = CtVolume(
        voxels, np.array(scan["affine"], dtype=float), scan["source"], tuple(map(from_json, scan["notes"]))
    )
    segmentation = pipeline.segment(volume, options, progress, engine=engine)
    np.save(folder / LABELS_FILE, segmentation.labels, allow_pickle=False)
    if segmentation.certainty is not None:
        np.save(folder / CERTAINTY_FILE, segmentation.certainty, allow_pickle=False)
    return {
        "affine": segmentation.affine.tolist(),
        "provenance": {
            **asdict(segmentation.provenance),
            "warnings": [to_json(warning) for warning in segmentation.provenance.warnings],
        },
        "certainty": segmentation.certainty is not None,
    }


def _described(error: Exception, *, last: bool) -> dict[str, Any]:
    """``error`` as a message; ``last`` says that the child ends with it."""
    if isinstance(error, MemoryError):
        error = EngineError(
            _("There was not enough memory to segment the scan."), _("Close other programs and try again.")
        )
    if isinstance(error, CovidSegError):
        kind = next(kind for kind in type(error).mro() if kind.__module__ == CovidSegError.__module__)
        return {"error": kind.__name__, "sentence": to_json(error.sentence), "hint": to_json(error.hint), "last": last}
    return {"crash": "".join(traceback.format_exception(error)), "last": last}


if __name__ == "__main__":
    serve()
