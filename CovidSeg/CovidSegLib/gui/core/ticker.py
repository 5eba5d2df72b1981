"""The ticker of a Slicer that has a window: Qt's timer."""

from __future__ import annotations

from collections.abc import Callable

import qt

from .task import INTERVAL_MS


class _Timer:
    """A timer of Qt's, for one ticker after the other."""

    def __init__(self) -> None:
        self._timer = qt.QTimer()
        self._timer.interval = INTERVAL_MS
        self._timer.connect("timeout()", self._tick)
        self._function: Callable[[], None] | None = None
        self._ticking = False

    def start(self, function: Callable[[], None]) -> None:
        self._function = function
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()
        self._function = None  # nothing is disconnected: the timer may be calling

    def _tick(self) -> None:
        # What a tick does may let Qt process events, and the timer among them.
        if self._function is not None and not self._ticking:
            self._ticking = True
            try:
                self._function()
            finally:
                self._ticking = False


_idle: list[_Timer] = []
"""Timers that no ticker uses now. PythonQt holds what a signal is connected to, and that holds its timer: a ring that
Python's collector cannot open, so a timer of its own for every task would stay behind for ever."""


class QtTicker:
    """See :class:`.task.Ticker`."""

    def __init__(self) -> None:
        self._timer: _Timer | None = None

    def start(self, function: Callable[[], None]) -> None:
        """See :meth:`.task.Ticker.start`."""
        self.stop()
        self._timer = _idle.pop() if _idle else _Timer()
        self._timer.start(function)

    def stop(self) -> None:
        """See :meth:`.task.Ticker.stop`."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
            _idle.append(timer)
