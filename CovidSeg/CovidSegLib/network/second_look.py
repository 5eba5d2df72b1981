"""The network's answer for a slice: one look, and a second, larger one where the first shows infection; or no look.

Seen larger, the border of infection is drawn a little better and finer; the mean of both looks is better than either
(CovidSegTraining/README.md, "A second look"). Slices without infection, most of a healthy chest, cost nothing more.

Where slices lie close together, one between two that show no infection and the same lungs gets the mean of their
answers (docs/how_fast.md, "Thin slices").
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from ..geometry.resampling import PlaneResampler, axis_weights
from .engines import Engine
from .input_form import NetworkInputs
from .inputs import SliceFraming

SHOWS_INFECTION = 0.1
"""Probability of infection, anywhere on a slice, from which on it is looked at again: below the shipped threshold."""

THIN_MM = 2.0
"""Slices closer than this show much the same as the next: not every one of them need be looked at."""

CLEAR = 0.02
"""Probability of infection, anywhere on a slice, from which on those beside it are looked at: below any threshold."""

ALIKE = 0.01
"""Two slices on which no larger share of the pixels has another class show the same lungs (the lungs take a third)."""

Answer = tuple[SliceFraming, int, np.ndarray]
"""Framing, number and probabilities (rows, columns, 3) of a slice."""

_AT_HAND = 16
"""Slices that are kept as the second look sees them: neighbours are channels of one another."""


class Looks:
    """How the slices of one scan are looked at; ``upright``: the scan (z, y, x; HU).

    ``inputs``: what the network takes, as its card says; there is one look where that names no second one. ``thin``:
    whether slices lie so close together (:data:`THIN_MM`) that not every one need be looked at. Several threads may ask
    at a time.
    """

    def __init__(self, engine: Engine, upright: np.ndarray, inputs: NetworkInputs, *, thin: bool = False) -> None:
        self._engine, self._upright, self._second, self._thin = engine, upright, inputs.second_look, thin
        self._larger: SliceFraming | None = None
        self._enlarge = PlaneResampler(
            *(
                axis_weights(old, new, 0.5 * old / new - 0.5, old / new)
                for old, new in zip(inputs.shape, self._second or inputs.shape, strict=True)
            )
        )

    def __call__(self, framing: SliceFraming, numbers: range, inputs: np.ndarray) -> list[Answer]:
        """What is found on each of the slices ``numbers``.

        ``framing``, ``inputs``: of the first look (:func:`.inputs.network_batches`). The framing that comes with an
        answer is the one that leads back from it. Raises EngineError.
        """
        first = self._sparse(inputs) if self._thin and len(inputs) > 2 else self._engine.predict(inputs)
        shown = np.flatnonzero((self._second is not None) & (first[..., 2] >= SHOWS_INFECTION).any(axis=(1, 2)))
        second = dict(zip(shown, self._look_again(framing, [numbers[at] for at in shown]), strict=True))
        answers: list[Answer] = [(framing, k, found) for k, found in zip(numbers, first, strict=True)]
        for at, (larger, again) in second.items():
            answers[at] = (larger, numbers[at], (again + self._enlarged(first[at])) / 2)
        return answers

    def _sparse(self, inputs: np.ndarray) -> np.ndarray:
        """As the engine's answers; every second slice only where those beside it differ or may show infection.

        None between the first and the last where neither shows a lung: no lung begins and ends within a few cm.
        """
        ends, between = [0, len(inputs) - 1], [*range(2, len(inputs) - 1, 2)]
        # A GPU computes as many slices as fit in the time of two.
        looked = ends if self._engine.device == "cpu" else [*ends, *between]
        found = self._engine.predict(inputs[looked])
        answers = np.empty((len(inputs), *found.shape[1:]), found.dtype)
        answers[looked] = found
        if _is_without_lung(answers[ends]):
            answers[1:-1] = answers[ends].mean(axis=0)
            return answers
        if looked == ends and between:
            answers[between] = self._engine.predict(inputs[between])
        missing = []
        for k in range(1, len(inputs) - 1, 2):
            below, above = answers[k - 1], answers[k + 1]
            if _is_clear(below) and _is_clear(above) and _are_alike(below, above):
                answers[k] = (below + above) / 2
            else:
                missing.append(k)
        if missing:
            answers[missing] = self._engine.predict(inputs[missing])
        return answers

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
        # All three at once: the rows of one matrix, then the columns.
        rows, columns = self._enlarge.rows, self._enlarge.columns
        lines = (rows @ probabilities.reshape(len(probabilities), -1)).reshape(-1, *probabilities.shape[1:])
        across = columns @ lines.transpose(1, 0, 2).reshape(probabilities.shape[1], -1)
        return across.reshape(-1, *lines.shape[::2]).transpose(1, 0, 2)


def _is_without_lung(answers: np.ndarray) -> bool:
    return bool((answers[..., 0] > 0.5).all() and _is_clear(answers))


def _is_clear(answer: np.ndarray) -> bool:
    return bool(answer[..., 2].max() < CLEAR)


def _are_alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two clear slices have the same lungs: without infection a pixel is lung or neither."""
    lungs = [answer[..., 1] > answer[..., 0] for answer in (one, other)]
    return bool(np.mean(lungs[0] != lungs[1]) < ALIKE)
