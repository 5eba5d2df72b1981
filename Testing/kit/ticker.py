"""A ticker (see CovidSegLib.gui.core.task) without Qt."""

from __future__ import annotations

import time
from collections.abc import Callable


class Ticker:
    """A ticker that the test turns by hand."""

    def __init__(self) -> None:
        self.function: Callable[[], None] | None = None

    def start(self, function: Callable[[], None]) -> None:
        self.function = function

    def stop(self) -> None:
        self.function = None

    def turn(self, seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while self.function is not None:
            assert time.monotonic() < end
            self.function()
            time.sleep(0.001)
