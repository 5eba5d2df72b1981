"""Work in a child process: the parent stays live, a crash is an error message, cancel kills.

The parent holds a :class:`Worker`; the child (:mod:`CovidSegLib.worker.child`) keeps its engine open and does job after
job (:mod:`worker.jobs`). A scan in a file is read there, and its results are written there; voxels and labels of
Slicer's scene travel through files in a private folder. Everything else goes as JSON lines: requests on the child's
standard input, reports and answers on what was its standard output.
"""

from __future__ import annotations

import base64
import pickle
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import (
    ChangedMeanwhileError,
    EngineError,
    InputError,
    ModelError,
    OtherScanError,
    OutputError,
    ReadingDiedError,
    WorkerDiedError,
)
from ..i18n import from_json
from ..i18n import tr as _
from ..progress import Progress, Report
from ..system.memory import limit_of_session, session_too_small, too_small
from ..system.processes import finish
from ..system.unfinished import remove_leftovers
from .jobs import Job, ReadScan, SegmentVoxels
from .process import Child

if TYPE_CHECKING:
    from ..geometry.volume import CtVolume
    from ..options import Options
    from ..reading.checks import Findings
    from ..segmentation import Segmentation

_Taken = TypeVar("_Taken")

_TOLD = (EngineError, InputError, ModelError, OutputError, ChangedMeanwhileError, OtherScanError)
_ERRORS = {kind.__name__: kind for kind in _TOLD}

_DIED = (WorkerDiedError, ReadingDiedError)

_READING = ("reading", "measures")
"""Stages in which files are opened that others made: scans, masks, lobes."""

_LOOK_SECONDS = 0.2
"""How often a wait is left to see whether to stop."""


class WorkerCrashError(RuntimeError):
    """A bug: the child met an exception that nobody expected. ``child_traceback`` is its traceback."""

    def __init__(self, child_traceback: str) -> None:
        super().__init__(child_traceback)
        self.child_traceback = child_traceback


Turn = Callable[[], AbstractContextManager[None]]
"""Entered before a child computes, left when it has: where several take turns, entering waits."""


MakeJob = Callable[[Path], Job[Any]]
"""Makes a job for a child with this private folder."""


@contextmanager
def _at_once() -> Iterator[None]:
    yield


class Worker:
    """A child process that does one job after the other, with one engine for all.

    Parameters: ``options`` go to the pipeline (None: nothing is to be segmented, no engine is opened); ``python`` is
    the interpreter (default: this one; in Slicer it is PythonSlicer). Entering the context starts the child, which
    loads its engine while it already reads the first scan; leaving it ends the child and removes its folder, whatever
    happened. A child that is gone is started anew for the next job. To be used from one thread.
    """

    def __init__(self, options: Options | None, *, python: str | None = None) -> None:
        self._options = options
        self._python = python or sys.executable
        self._child: Child | None = None
        self._job: Job[Any] | None = None
        self._make: MakeJob | None = None
        self._turn: Turn = _at_once
        self._computing = ExitStack()
        self._ready, self._device = False, ""
        self._last, self._reads = Report("engine"), False

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the child unless it is there. Raises EngineError when it cannot be started."""
        if self._child is None:
            self._ready, self._device = self._options is None, ""
            self._job, self._make, self._last = None, None, Report("engine")
            self._child = Child(self._python)
            options = None if self._options is None else asdict(self._options)
            self._child.send({"options": options, "folder": str(self._child.folder)})

    def wait_until_ready(self, progress: Progress) -> None:
        """Wait until the engine is open. Raises ModelError or EngineError when it cannot be opened, or Cancelled."""
        self.start()
        while not self._ready:
            self._step(progress, _LOOK_SECONDS)

    def run(self, job: Job[_Taken], progress: Progress, turn: Turn = _at_once) -> _Taken:
        """Let the child do ``job`` and wait for it; returns what the job gives (:meth:`.jobs.Job.taken`).

        ``turn`` is entered while the child computes. Raises the errors of ``job`` as themselves,
        :class:`WorkerDiedError`, :class:`ReadingDiedError`, :class:`WorkerCrashError` for a bug, or Cancelled, after
        which the child is gone, with all that it had begun to write. Where a GPU ends the child, another one does the
        job on the CPU, and all that come after it.
        """
        self.begin(lambda _folder: job, turn)
        return self.wait(progress)

    def read(self, path: Path, progress: Progress) -> CtVolume:
        """Let the child read the scan at ``path`` (:func:`CovidSegLib.reading.read_ct`). Raises as :meth:`run`."""
        self.begin(partial(ReadScan, path=path))
        return self.wait(progress)

    def segment(self, volume: CtVolume, progress: Progress, findings: Findings | None = None) -> Segmentation:
        """Segment ``volume`` in the child and wait for it. Raises as :meth:`run` and :meth:`begin`.

        ``findings``: see :class:`.jobs.SegmentFunction`.
        """
        self.begin(partial(SegmentVoxels.of, volume, findings=findings))
        return self.wait(progress)

    def begin(self, make: MakeJob, turn: Turn = _at_once) -> None:
        """Let the child do the job that ``make`` gives for its folder, and return at once; see :meth:`poll`.

        Raises EngineError, also what ``make`` raises.
        """
        if self._job is not None:
            self.close()
        self.start()
        assert self._child is not None
        try:
            self._job = make(self._child.folder)
        except BaseException:
            self.close()
            raise
        self._make, self._turn = make, turn
        self._last = Report("engine" if isinstance(self._job, SegmentVoxels) else "reading")
        self._reads = False
        self._child.send({"job": base64.b64encode(pickle.dumps(self._job)).decode()})

    def poll(self, progress: Progress, wait_seconds: float = _LOOK_SECONDS) -> Any:
        """Wait at most ``wait_seconds`` for one message; returns what the job gives when it is done, else None.

        Passes reports to ``progress`` and asks it whether to go on. Raises as :meth:`run`.
        """
        job = self._job
        assert job is not None, "begin() comes before poll()"
        record = self._step(progress, wait_seconds)
        return None if record is None else job.taken(record)

    def wait(self, progress: Progress) -> Any:
        """Wait for the job that was begun; returns what it gives. Raises as :meth:`run`."""
        while True:
            taken = self.poll(progress)
            if self._job is None:
                return taken

    def close(self) -> None:
        """End the child, at once if it is at work, and remove its folder. May be called at any time, also twice."""
        finish(self.close_steps())

    def close_steps(self) -> Generator[None, None, None]:
        """As :meth:`close`, in steps between which a window lives; a generator that is closed waits for the rest."""
        child, self._child = self._child, None
        job, self._job, self._make = self._job, None, None  # a large scan's voxels are half a gigabyte
        try:
            if child is not None:
                yield from child.end_steps(at_once=job is not None or not self._ready)
        finally:
            self._computing.close()
            for folder in job.folders if job is not None else ():
                remove_leftovers(folder)

    def _step(self, progress: Progress, wait_seconds: float) -> dict[str, Any] | None:
        """As :meth:`_look`; where a GPU ended the child, another one begins anew on the CPU."""
        make = self._make
        try:
            return self._look(progress, wait_seconds)
        except _DIED:
            if not self._leaves_gpu(progress):
                raise
        if make is None:
            self.start()
        else:
            self.begin(make, self._turn)
        return None

    def _look(self, progress: Progress, wait_seconds: float) -> dict[str, Any] | None:
        """Wait at most ``wait_seconds`` for one message; returns what the job returned when that is there."""
        assert self._child is not None
        try:
            message = self._child.receive(wait_seconds)
            if message is None:
                raise self._died(self._child.exit_code())
            if "record" not in message:  # what is done is done, also where the user asked to stop meanwhile
                self._tell(message, progress)
            self._take_turns(message)
        except BaseException:  # stopped or dead: whatever this child still says is of no use
            self.close()
            raise
        if "error" in message or "crash" in message:
            self._job = self._make = None
            if message["last"]:
                self.close()
            raise _exception(message)
        if "record" in message:
            self._job = self._make = None
            return message["record"]
        return None

    def _take_turns(self, message: dict[str, Any]) -> None:
        if "turn" not in message:
            return
        if message["turn"]:
            self._last, self._reads = Report("network"), False
            self._computing.enter_context(self._turn())
            assert self._child is not None
            self._child.send({"go": True})
        else:
            self._last = Report("masks", 1.0)
            self._computing.close()

    def _leaves_gpu(self, progress: Progress) -> bool:
        """Whether the child that died may have died of a GPU; from now on children compute on the CPU then.

        While the engine is opened a scan is read, too: the second child tells which of the two it was.
        """
        if self._options is None or self._device in ("", "cpu") or (self._ready and self._reads):
            return False
        self._options = replace(self._options, device="cpu")
        progress.notice("network", _("The GPU ended the process that computes, going on on the CPU."))
        return True

    def _tell(self, message: dict[str, Any], progress: Progress) -> None:
        self._ready = self._ready or "ready" in message
        self._device = message.get("device", self._device)
        if "report" in message:
            stage, fraction, notice = message["report"]
            if notice:
                progress.notice(stage, from_json(notice))
                return
            self._last, self._reads = Report(stage, fraction), stage in _READING
        # Also without news: this is where the user's wish to stop is noticed.
        progress.step(self._last.stage, round(self._last.fraction * 1000), 1000)

    def _died(self, code: int | None) -> Exception:
        """What it means that the child ended with ``code`` in the middle of its work."""
        if self._job is not None and self._reads:
            return _died_reading(code)
        limit = limit_of_session()
        if limit is not None:
            return session_too_small(limit)
        return WorkerDiedError(
            _("The process that computes the network stopped in the middle of its work."),
            _("Perhaps memory ran out: close other programs and try again, or compute without the graphics card."),
        )


def _died_reading(code: int | None) -> ReadingDiedError:
    if code == -getattr(signal, "SIGKILL", 9):
        return ReadingDiedError(
            _("The process that read the scan was stopped from outside, perhaps because memory ran out."),
            _("Close other programs and try again. If it happens again, export the scan anew: it may be damaged."),
        )
    return ReadingDiedError(
        _("The process that read the scan or its masks broke down: one of the files is damaged."),
        _("Copy or export them again."),
    )


def _exception(message: dict[str, Any]) -> Exception:
    """The exception that the child told of."""
    if "crash" in message:
        return too_small(message["crash"]) or WorkerCrashError(message["crash"])
    error = _ERRORS[message["error"]](from_json(message["sentence"]), from_json(message["hint"]))
    error.subject = message["subject"]
    return error
