"""The network's answer for a slice: one look, and a second, larger one where the first shows infection.

Seen larger, the border of infection is drawn a little better and finer; the mean of both looks is better than either
(CovidSegTraining/README.md, "A second look"). Slices without infection, most of a healthy chest, cost nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np

from ..geometry.resampling import PlaneResampler, axis_weights
from .engines import Engine
from .input_form import NetworkInputs
from .inputs import SliceFraming

SHOWS_INFECTION = 0.1
"""Probability of infection, anywhere on a slice, from which on it is looked at again: below the shipped threshold."""

_AT_HAND = 16
"""Slices that are kept as the second look sees them: neighbours are channels of one another."""


class Looks:
    """How the slices of one scan are looked at; ``upright``: the scan (z, y, x; HU).

    ``inputs``: what the network takes, as its card says; there is one look where that names no second one. Several
    threads may ask at a time.
    """

    def __init__(self, engine: Engine, upright: np.ndarray, inputs: NetworkInputs) -> None:
        self._engine, self._upright, self._second = engine, upright, inputs.second_look
        self._larger: SliceFraming | None = None
        self._enlarge = PlaneResampler(
            *(
                axis_weights(old, new, 0.5 * old / new - 0.5, old / new)
                for old, new in zip(inputs.shape, self._second or inputs.shape, strict=True)
            )
        )

    def __call__(
        self, framing: SliceFraming, numbers: range, inputs: np.ndarray
    ) -> Iterator[tuple[SliceFraming, int, np.ndarray]]:
        """Framing, number and probabilities (rows, columns, 3) of each of the slices ``numbers``.

        ``framing``, ``inputs``: of the first look (:func:`.inputs.network_batches`). The framing that comes with an
        answer is the one that leads back from it. Raises EngineError.
        """
        first = self._engine.predict(inputs)
        shown = np.flatnonzero((self._second is not None) & (first[..., 2] >= SHOWS_INFECTION).any(axis=(1, 2)))
        second = dict(zip(shown, self._look_again(framing, [numbers[at] for at in shown]), strict=True))
        for at, k in enumerate(numbers):
            if at in second:
                larger, again = second[at]
                yield larger, k, (again + self._enlarged(first[at])) / 2
            else:
                yield framing, k, first[at]

    def _look_again(self, framing: SliceFraming, numbers: list[int]) -> list[tuple[SliceFraming, np.ndarray]]:
        if not numbers or self._second is None:
            return []
        upright = self._upright
        if self._larger is None:
            seen = replace(framing, seen=self._second)
            # A method here would be a ring with its cache, and the scan stay in memory until Python looks for rings.
            self._framed = lru_cache(_AT_HAND)(lambda k: seen.to_network(upright[k]))
            self._larger = seen  # last: another thread may ask for it meanwhile
        larger = self._larger
        answers = self._engine.predict(np.stack([larger.channels(self._framed, k, len(upright)) for k in numbers]))
        return [(larger, answer) for answer in answers]

    def _enlarged(self, probabilities: np.ndarray) -> np.ndarray:
        return np.stack([self._enlarge(plane) for plane in np.moveaxis(probabilities, -1, 0)], axis=-1)
