"""The place for one task of a section: a new one stops the one before, and none outlives the panel."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from .task import Result, Task, Ticker


def qt_ticker() -> Ticker:
    """A ticker of Qt's, for a Slicer that has a window."""
    from .ticker import QtTicker

    return QtTicker()


class TaskSlot:
    """At most one task at work. ``new_ticker`` makes what drives one."""

    def __init__(self, new_ticker: Callable[[], Ticker] = qt_ticker) -> None:
        self._new_ticker = new_ticker
        self._task: Task[Any] | None = None

    @property
    def busy(self) -> bool:
        """Whether a task is at work, or cleans up after it was stopped."""
        return self._task is not None

    def start(
        self,
        steps: Generator[Any, None, Result],
        finished: Callable[[Result], object],
        failed: Callable[[Exception], object],
        *,
        reported: Callable[[Any], object] | None = None,
        cancelled: Callable[[], object] | None = None,
        ended: Callable[[], object] | None = None,
    ) -> None:
        """Stop the one before and begin with ``steps``. What is called when: see :class:`.task.Task`.

        ``ended``: called first, whatever the end.
        """
        self.stop()
        task = self._task = Task(steps, self._new_ticker())
        for end in (task.finished, task.failed, task.cancelled):
            end.connect(self._release)
            if ended is not None:
                end.connect(lambda *_outcome: ended())
        task.finished.connect(finished)
        task.failed.connect(failed)
        if reported is not None:
            task.reported.connect(reported)
        if cancelled is not None:
            task.cancelled.connect(cancelled)
        task.start()

    def stop(self) -> None:
        """Cancel the task, if one is at work; what it has to clean up may take some ticks more."""
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        """As :meth:`stop`, and wait for the clean-up: the panel goes away."""
        if self._task is not None:
            self._task.close()

    def _release(self, _outcome: object = None) -> None:
        """Let a task that has ended go, with all it brought: a scan takes much memory."""
        if self._task is not None and self._task.done:
            self._task = None
