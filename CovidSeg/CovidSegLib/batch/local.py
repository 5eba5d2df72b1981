"""Many cases on this machine: child processes compute, while threads of this one read the next and write the last.

Each child keeps its network open from the first scan to the last. A thread takes one case from file to files and asks
for a child in between, so reading, network and writing overlap without a pipeline of queues. There is one case more in
hand than children (computing takes longer than all the rest), and no more scans than that are in memory.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ..progress import Cancelled, Progress, Report
from ..segmentation import Segmentation
from ..volume import CtVolume
from ..worker import Worker
from .outcome import Outcome, RunCases, run_case
from .plan import PlannedCase

if TYPE_CHECKING:
    from ..options import Options

_LOOK_SECONDS = 0.2
"""How often a wait is left to see whether to stop."""

_CLOSE_SECONDS = 5.0


class WorkerPool:
    """``jobs`` children that share the cores. Entering the context starts them, leaving it ends them."""

    def __init__(self, options: Options, jobs: int) -> None:
        from ..network.engines import core_count

        threads = options.threads or max(1, core_count() // jobs)
        self._workers = [Worker(replace(options, threads=threads)) for _ in range(jobs)]
        self._idle = list(self._workers)
        self._waiting: set[int] = set()
        self._turn = threading.Condition()
        self._room = threading.Semaphore(jobs + 1)
        self._closed = threading.Event()
        self.jobs = jobs

    def __enter__(self) -> WorkerPool:
        try:
            for worker in self._workers:
                worker.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the children. A thread that is still at work stops with Cancelled and hands its child back first."""
        self._closed.set()
        with self._turn:
            self._turn.wait_for(lambda: len(self._idle) == len(self._workers), _CLOSE_SECONDS)
        for worker in self._workers:
            worker.close()

    def wait_until_ready(self, progress: Progress) -> None:
        """Wait until the first child has its network open. Raises ModelError, EngineError or Cancelled."""
        self._workers[0].wait_until_ready(progress)

    def run(
        self,
        number: int,
        case: PlannedCase,
        told: Callable[[Report], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """Segment one case; to be called from as many threads as one likes. Raises Cancelled alone."""

        def stop() -> bool:
            return self._closed.is_set() or cancelled()

        _wait(lambda: self._room.acquire(timeout=_LOOK_SECONDS), Progress(cancelled=stop))

        def segment(volume: CtVolume, progress: Progress) -> Segmentation:
            worker = self._next_idle(number, progress)
            try:
                return worker.segment(volume, progress)
            finally:
                with self._turn:
                    self._idle.append(worker)
                    self._turn.notify_all()

        try:
            return run_case(number, case, segment, told=told, cancelled=stop)
        finally:
            self._room.release()

    def _next_idle(self, number: int, progress: Progress) -> Worker:
        """A child for case ``number``; of cases that wait, the first comes first. Raises Cancelled."""
        with self._turn:
            self._waiting.add(number)
            try:
                while not self._idle or number != min(self._waiting):
                    self._turn.wait(_LOOK_SECONDS)
                    progress.step("waiting", 0, 1)
                return self._idle.pop()
            finally:
                self._waiting.discard(number)
                self._turn.notify_all()


def _wait(attempt: Callable[[], bool], progress: Progress) -> None:
    while not attempt():
        progress.step("waiting", 0, 1)


@dataclass(frozen=True)
class LocalRunner:
    """Runs a batch (:func:`CovidSegLib.batch.run_batch`) in ``jobs`` children of this process."""

    options: Options
    jobs: int = 1

    @contextmanager
    def open(self, progress: Progress, cases: int) -> Iterator[RunCases]:
        """Start the children, no more than ``cases``. Raises ModelError, EngineError or Cancelled."""
        if not cases:
            _check_options(self.options)
            yield _no_outcome
            return
        with WorkerPool(self.options, min(self.jobs, cases)) as pool:
            pool.wait_until_ready(progress)
            yield lambda cases: run_here(cases, pool, progress.stop_asked)


def _no_outcome(cases: Sequence[tuple[int, PlannedCase]]) -> Generator[Outcome | None, None, None]:
    yield from ()


def _check_options(options: Options) -> None:
    """Raise ModelError or EngineError for what a child would refuse at once."""
    from ..network import engines, models

    models.verify(models.find(options.model))
    engines.check_installed(options.engine)


def run_here(
    cases: Sequence[tuple[int, PlannedCase]],
    pool: WorkerPool,
    stop_asked: Callable[[], bool],
    told: Callable[[int, Report], None] = lambda number, report: None,
) -> Generator[Outcome | None, None, None]:
    """Segment ``cases`` (with their numbers) in the children of ``pool``; outcomes come as they are ready.

    A None in between says that time has passed. ``told`` gets reports, from other threads. Raises Cancelled, after the
    outcomes that were there already. When the iterator is left early, what is at work is stopped.
    """
    waiting = iter(cases)
    taking, leaving = threading.Lock(), threading.Event()
    outcomes: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()

    def cancelled() -> bool:
        return leaving.is_set() or stop_asked()

    def serve() -> None:
        try:
            while not leaving.is_set():
                with taking:
                    number, case = next(waiting, (-1, None))
                if case is None:
                    return
                outcomes.put(pool.run(number, case, partial(told, number), cancelled))
        except Cancelled:
            pass

    def end() -> None:
        leaving.set()
        for thread in threads:
            thread.join()

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(min(pool.jobs + 1, len(cases)))]
    try:
        for thread in threads:
            thread.start()
        for _ in cases:
            yield from _next(outcomes, stop_asked)
    except (Cancelled, KeyboardInterrupt):
        end()
        # What was done before the stop was noticed is done.
        while not outcomes.empty():
            yield outcomes.get()
        raise
    finally:
        end()


def _next(outcomes: queue.SimpleQueue[Outcome | None], stop_asked: Callable[[], bool]) -> Iterator[Outcome | None]:
    """The next outcome, with a None for every while without one. Raises Cancelled."""
    while True:
        if stop_asked():
            raise Cancelled
        try:
            yield outcomes.get(timeout=_LOOK_SECONDS)
            return
        except queue.Empty:
            yield None
