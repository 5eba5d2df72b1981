"""The same cases on the workers of a Dask cluster that is already there.

Every machine sees the scans and the output folder under the same path and has CovidSeg installed. A worker keeps child
processes with the network open, one of which computes, with as many threads as Dask gave the worker. A case whose
worker is lost goes to another one by itself. Nothing here is imported, and no connection made, without ``--scheduler``.
"""

from __future__ import annotations

import atexit
import queue
import threading
import uuid
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import EngineError, InputError
from ..progress import Cancelled, Progress
from .local import WorkerPool
from .outcome import Failure, Outcome, RunCases
from .plan import PlannedCase

if TYPE_CHECKING:
    from distributed import Client, Future

    from ..options import Options

_CONNECT_SECONDS = 10
_LOOK_SECONDS = 0.2
_pools: dict[str, WorkerPool] = {}
"""By batch: a Dask worker may serve several."""

_opening = threading.Lock()


@dataclass(frozen=True)
class ClusterRunner:
    """Runs a batch (:func:`CovidSegLib.batch.run_batch`) on the workers of the scheduler at ``address``."""

    options: Options
    address: str

    @contextmanager
    def open(self, progress: Progress, cases: int) -> Iterator[RunCases]:
        """Connect to the scheduler. Raises EngineError or InputError."""
        with connect(self.address) as client:
            yield lambda cases: run_on_cluster(cases, client, self.options, progress.stop_asked)


def connect(address: str) -> Client:
    """A client of the scheduler at ``address`` ("tcp://host:8786"). Raises EngineError or InputError."""
    try:
        from distributed import Client
    except ImportError as error:
        raise EngineError("--scheduler needs the package distributed.", "pip install covidseg[cluster]") from error
    try:
        return Client(address, timeout=_CONNECT_SECONDS, set_as_default=False, name="covidseg")
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            "The Dask scheduler cannot be reached.", "Check its address (tcp://host:8786) and that it runs."
        ) from error


def run_on_cluster(
    cases: Sequence[tuple[int, PlannedCase]], client: Client, options: Options, stop_asked: Callable[[], bool]
) -> Generator[Outcome | None, None, None]:
    """As :func:`CovidSegLib.batch.local.run_here`, by the workers of ``client``'s scheduler."""
    ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
    batch = uuid.uuid4().hex
    futures: dict[Hashable, int] = {}
    waiting: set[Future] = set()
    try:
        for number, case in cases:
            future = client.submit(
                _run_on_worker, batch, number, case, options, key=f"covidseg-{batch}-{number}", pure=False
            )
            futures[future.key] = number
            waiting.add(future)
            future.add_done_callback(ended.put)
        while waiting:
            if stop_asked():
                raise Cancelled
            try:
                future = ended.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                yield None
                continue
            waiting.discard(future)
            yield _outcome(futures[future.key], future)
            future.release()
    except (Cancelled, KeyboardInterrupt):
        while not ended.empty():
            future = ended.get()
            yield _outcome(futures[future.key], future)
        raise
    finally:
        # What is at work on a worker sees that nobody waits for it any more, and stops.
        with suppress(Exception):
            client.cancel(list(waiting), force=True)
            client.run(_close, batch)


def _outcome(number: int, future: Future) -> Outcome:
    error = future.exception() if future.status == "error" else None
    if error is None and future.status == "finished":
        return future.result()
    kind = type(error).__name__
    if kind == "KilledWorker":
        return Outcome(number, failure=Failure("Every worker that took the case was lost. Has it enough memory?", True))
    if isinstance(error, ImportError):
        return Outcome(number, failure=Failure("A worker of the cluster has not this version of CovidSeg.", True))
    return Outcome(number, failure=Failure(f"The cluster gave up the case ({kind if error else future.status}).", True))


def _run_on_worker(batch: str, number: int, case: PlannedCase, options: Options) -> Outcome:
    """One case, inside a Dask worker."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def cancelled() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    return _pool(batch, options, worker.state.nthreads).run(number, case, cancelled)


def _pool(batch: str, options: Options, threads: int) -> WorkerPool:
    with _opening:
        if batch not in _pools:
            _pools[batch] = WorkerPool(replace(options, threads=options.threads or threads), 1, threads).__enter__()
        return _pools[batch]


def _close(batch: str) -> None:
    """End the child process that this Dask worker keeps for ``batch``."""
    with _opening:
        pool = _pools.pop(batch, None)
    if pool is not None:
        pool.__exit__()


@atexit.register
def _close_all() -> None:
    for batch in list(_pools):
        _close(batch)
