"""Many cases on this machine: child processes read, compute and write, so that each other's scans are safe from them.

Each child keeps its network open from the first scan to the last. There is one child more than compute at a time
(computing takes longer than all the rest): while one has its turn, another one reads the next scan or writes the last
one. No more scans than that are in memory, and none in this process.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ..progress import Cancelled, Progress
from ..system.processes import core_count
from ..worker.parent import Worker
from .outcome import Outcome, RunCases, run_case
from .plan import PlannedCase

if TYPE_CHECKING:
    from ..options import Options

_LOOK_SECONDS = 0.2
"""How often a wait is left to see whether to stop."""

_CLOSE_SECONDS = 5.0


class WorkerPool:
    """Children of which ``jobs`` at a time compute and share the cores, for ``cases`` scans or more.

    Entering the context starts them, leaving it ends them.
    """

    def __init__(self, options: Options, jobs: int, cases: int) -> None:
        threads = options.threads or max(1, core_count() // jobs)
        self._workers = [Worker(replace(options, threads=threads)) for _ in range(min(jobs + 1, cases))]
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._turns = _Turns(jobs)
        self._closed = threading.Event()

    def __len__(self) -> int:
        """How many cases it takes at a time."""
        return len(self._workers)

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
        with suppress(queue.Empty):
            for _worker in self._workers:
                self._idle.get(timeout=_CLOSE_SECONDS)
        for worker in self._workers:
            worker.close()

    def wait_until_ready(self, progress: Progress) -> None:
        """Wait until the first child has its network open. Raises ModelError, EngineError or Cancelled."""
        self._workers[0].wait_until_ready(progress)

    def run(self, number: int, case: PlannedCase, cancelled: Callable[[], bool]) -> Outcome:
        """Segment one case; to be called from as many threads as one likes. Raises Cancelled alone."""

        def stop() -> bool:
            return self._closed.is_set() or cancelled()

        waiting = Progress(cancelled=stop)
        worker = self._next_idle(waiting)
        try:
            run = partial(worker.run, turn=partial(self._turns.taken, number, waiting))
            return run_case(number, case, run, cancelled=stop)
        finally:
            self._idle.put(worker)

    def _next_idle(self, progress: Progress) -> Worker:
        while True:
            progress.step("waiting", 0, 1)
            with suppress(queue.Empty):
                return self._idle.get(timeout=_LOOK_SECONDS)


class _Turns:
    """Lets ``free`` cases compute at a time; of those that wait, the first comes first."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: set[int] = set()
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, number: int, progress: Progress) -> Iterator[None]:
        """Case ``number`` computes inside. Raises Cancelled."""
        with self._changed:
            self._waiting.add(number)
            try:
                while not self._free or number != min(self._waiting):
                    self._changed.wait(_LOOK_SECONDS)
                    progress.step("waiting", 0, 1)
                self._free -= 1
            finally:
                self._waiting.discard(number)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()


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
            nothing: tuple[Outcome, ...] = ()
            yield lambda _cases: (outcome for outcome in nothing)
            return
        with WorkerPool(self.options, min(self.jobs, cases), cases) as pool:
            pool.wait_until_ready(progress)
            yield lambda cases: run_here(cases, pool, progress.stop_asked)


def _check_options(options: Options) -> None:
    """Raise ModelError or EngineError for what a child would refuse at once."""
    from ..network import engines, models

    models.verify(models.find(options.model))
    engines.check_installed(options.engine)


def run_here(
    cases: Sequence[tuple[int, PlannedCase]], pool: WorkerPool, stop_asked: Callable[[], bool]
) -> Generator[Outcome | None, None, None]:
    """Segment ``cases`` (with their numbers) in the children of ``pool``; outcomes come as they are ready.

    A None in between says that time has passed. Raises Cancelled, after the outcomes that were there already. When the
    iterator is left early, what is at work is stopped.
    """
    leaving = threading.Event()
    ready: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()

    def cancelled() -> bool:
        return leaving.is_set() or stop_asked()

    def end() -> None:
        leaving.set()
        threads.shutdown(cancel_futures=True)

    threads = ThreadPoolExecutor(len(pool))
    try:
        for number, case in cases:
            threads.submit(pool.run, number, case, cancelled).add_done_callback(ready.put)
        for _ in cases:
            yield from _next(ready, stop_asked)
    except (Cancelled, KeyboardInterrupt):
        end()
        # What was done before the stop was noticed is done.
        while not ready.empty():
            done = ready.get()
            if not done.cancelled() and done.exception() is None:
                yield done.result()
        raise
    finally:
        end()


def _next(ready: queue.SimpleQueue[Future[Outcome]], stop_asked: Callable[[], bool]) -> Iterator[Outcome | None]:
    """The next outcome, with a None for every while without one. Raises Cancelled."""
    while True:
        if stop_asked():
            raise Cancelled
        try:
            done = ready.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            yield None
        else:
            yield done.result()
            return
