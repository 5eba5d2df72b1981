"""Work in small steps, so that the window lives between them.

While Slicer's window is idle PythonQt holds Python's lock, and a Python thread stands still. So long work is a
generator: it yields a value to report, or None when there is nothing to do until the next tick. ``Cancelled`` is raised
in it to stop the work; what it cleans up then may take steps, too (:func:`ended_by`). Where no more ticks will come the
generator is closed, and the clean-up is waited for. What cannot be cut into steps runs in a thread that each tick lends
its time (:func:`in_thread`).
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, Generic, Protocol, TypeVar

from ...progress import Cancelled
from ...system.processes import finish
from ...system.steps import BUSY_SECONDS
from .observable import Signal

Result = TypeVar("Result")

INTERVAL_MS = 20


def in_thread(work: Callable[[], Result]) -> Generator[None, None, Result]:
    """Do ``work`` (plain arithmetic, nothing of Slicer) in a thread; returns its result or raises what it raised.

    When the steps are closed the thread goes on to its end, and nobody hears of it.
    """
    outcome: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(BUSY_SECONDS)
        yield None
    if errors:
        raise errors[0]
    return outcome[0]


def ended_by(
    work: Generator[Any, None, Result], end: Callable[[], Generator[None, None, None]]
) -> Generator[Any, None, Result]:
    """The steps of ``work`` and then, however it ends, those of ``end``; see :func:`system.processes.finish`."""
    try:
        result = yield from work
    except GeneratorExit:
        finish(end())
        raise
    except BaseException:
        yield from end()
        raise
    yield from end()
    return result


class Ticker(Protocol):
    """Calls a function again and again until it is stopped."""

    def start(self, function: Callable[[], None]) -> None:
        """Begin to call ``function`` every :data:`INTERVAL_MS`."""

    def stop(self) -> None:
        """Call it no longer."""


class Task(Generic[Result]):
    """A generator that is driven by ticks, by :meth:`wait`, or by both.

    Exactly one of ``finished`` (with the result), ``failed`` (with the exception) and ``cancelled`` is emitted, once;
    ``reported`` is emitted with every value that is not None.
    """

    def __init__(self, steps: Generator[Any, None, Result], ticker: Ticker | None = None) -> None:
        self._steps = steps
        self._ticker = ticker
        self.reported: Signal[[Any]] = Signal()
        self.finished: Signal[[Result]] = Signal()
        self.failed: Signal[[Exception]] = Signal()
        self.cancelled: Signal[[]] = Signal()
        self.done = self.stopping = self._to_throw = False
        self.result: Result | None = None
        self.error: BaseException | None = None

    def start(self) -> None:
        """Go on with every tick from now on."""
        if self._ticker is not None and not self.done:
            self._ticker.start(self.tick)

    def tick(self) -> None:
        """Do a little of the work."""
        end = time.monotonic() + BUSY_SECONDS
        while not self.done:
            report = self._advance()
            if report is None:
                return
            if not self.stopping:
                self.reported.emit(report)
            if time.monotonic() >= end:
                return

    def _advance(self) -> Any:
        """Do one step, and say what it reports; None where it has nothing to say or was the last one."""
        throw, self._to_throw = self._to_throw, False
        try:
            return self._steps.throw(Cancelled()) if throw else next(self._steps)
        except StopIteration as stop:
            if self.stopping and not self._to_throw:
                self._cancelled()
            else:  # also where the wish to stop came during the last step: what is done is not undone
                self._finished(stop.value)
        except Cancelled:
            self._cancelled()
        except Exception as error:
            self._failed(error)
        return None

    def wait(self, meanwhile: Callable[[], object]) -> Result:
        """Drive the work to its end and return the result; ``meanwhile`` is called between steps.

        Raises what the work raised, or RuntimeError when it was cancelled from elsewhere.
        """
        while not self.done:
            self.tick()
            meanwhile()
            if not self.done:
                time.sleep(INTERVAL_MS / 1000)
        if self.error is not None:
            raise self.error
        if self.result is None:
            raise RuntimeError("the work was cancelled")
        return self.result

    def cancel(self) -> None:
        """Stop; does nothing after the end. What has to be cleaned up may take some ticks more."""
        if not self.done and not self.stopping:
            self.stopping = self._to_throw = True
            # Where a step lets Qt work just now, the next one hears of it.
            if inspect.getgeneratorstate(self._steps) != inspect.GEN_RUNNING:
                self._advance()

    def close(self) -> None:
        """Stop, and wait for what has to be cleaned up: for when no more ticks will come."""
        if not self.done:
            self._steps.close()
            self._cancelled()

    def _cancelled(self) -> None:
        self._end()
        self.cancelled.emit()

    def _finished(self, result: Result) -> None:
        self.result = result
        self._end()
        self.finished.emit(result)

    def _failed(self, error: Exception) -> None:
        self.error = error
        self._end()
        self.failed.emit(error)

    def _end(self) -> None:
        self.done = True
        if self._ticker is not None:
            self._ticker.stop()
