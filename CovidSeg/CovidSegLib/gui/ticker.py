"""The ticker of a Slicer that has a window: Qt's timer."""

from __future__ import annotations

from collections.abc import Callable

import qt

from .task import INTERVAL_MS


class QtTicker:
    """See :class:`.task.Ticker`."""

    def __init__(self) -> None:
        self._timer = qt.QTimer()
        self._timer.interval = INTERVAL_MS
        self._timer.connect("timeout()", self._tick)
        self._function: Callable[[], None] | None = None
        self._ticking = False

    def start(self, function: Callable[[], None]) -> None:
        """See :meth:`.task.Ticker.start`."""
        self._function = function
        self._timer.start()

    def stop(self) -> None:
        """See :meth:`.task.Ticker.stop`."""
        self._timer.stop()
        # PythonQt holds what a signal is connected to, and its timer holds that: a ring that Python's collector cannot
        # open. It may hold this ticker, not what the task brought. (Nothing is disconnected: the timer may be calling.)
        self._function = None

    def _tick(self) -> None:
        # What a tick does may let Qt process events, and the timer among them.
        if self._function is not None and not self._ticking:
            self._ticking = True
            try:
                self._function()
            finally:
                self._ticking = False
