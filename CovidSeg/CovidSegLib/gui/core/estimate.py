"""How long a run will take: from the last run on this machine, or from what a machine like it took."""

from __future__ import annotations

from ...hardware import Hardware

_START_SECONDS = 2.0
"""The child process, the runtime and the network, before the first slice; about the same everywhere."""

_SLICE_SECONDS_ON_ONE_CORE = 0.06
_SLICE_SECONDS_ON_GPU = 0.01
_MOST_CORES = 8
"""More cores hardly help one slice at a time."""


def seconds(slices: int, hardware: Hardware, *, on_gpu: bool, per_slice: float | None = None) -> float:
    """Seconds that a run over ``slices`` slices will take; ``per_slice``: what the last run here took for each."""
    if per_slice is None:
        shared = _SLICE_SECONDS_ON_ONE_CORE / min(max(hardware.cores, 1), _MOST_CORES)
        per_slice = _SLICE_SECONDS_ON_GPU if on_gpu else shared
    return _START_SECONDS + slices * per_slice


def per_slice(total_seconds: float, slices: int) -> float:
    """What a run of ``total_seconds`` over ``slices`` tells about the next one."""
    return max(total_seconds - _START_SECONDS, 0.0) / max(slices, 1)


class Clock:
    """Seconds left in a run. ``expected``: the estimate before it began."""

    def __init__(self, expected: float, now: float) -> None:
        self._expected, self._began = expected, now
        self._network_began: float | None = None

    def left(self, stage: str, fraction: float, now: float) -> float:
        """Seconds left when ``stage`` is ``fraction`` done: by what the network has done so far, once that tells."""
        planned = max(self._expected - (now - self._began), 1.0)
        if stage != "network":
            return planned
        if self._network_began is None:
            self._network_began = now
        if fraction < 0.05:  # too little to go by
            return planned
        return max((now - self._network_began) * (1.0 - fraction) / fraction, 1.0)
