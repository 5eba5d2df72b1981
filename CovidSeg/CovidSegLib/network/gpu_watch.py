"""A GPU that hangs ends the process that waits for it: for child processes alone, whose parent goes on on the CPU.

Drivers hang inside compiled code, where no exception reaches. ``faulthandler`` has a watchdog that needs no Python.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from .engines import Wrapped

VARIABLE = "COVIDSEG_GPU_SECONDS"
"""How long a GPU may take to be tried, and for one batch of slices."""

_SECONDS = 300.0


def _patience() -> float:
    try:
        return max(float(os.environ.get(VARIABLE, "")), 0.001)
    except ValueError:
        return _SECONDS


@contextmanager
def gpu_in_time() -> Iterator[None]:
    """End this process (code 1, with every thread's traceback in its log) unless what is inside is done in time."""
    faulthandler.dump_traceback_later(_patience(), exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


class EngineInTime(Wrapped):
    """An engine each batch of which must be done in time."""

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """As the engine's own."""
        with gpu_in_time():
            return self._engine.predict(inputs)
