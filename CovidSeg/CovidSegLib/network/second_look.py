"""The network's answer for a slice: one look, and a second, larger one where the first shows infection; or no look.

Seen larger, the border of infection is drawn a little better and finer; the mean of both looks is better than either
(CovidSegTraining/README.md, "A second look"). Slices without infection, most of a healthy chest, cost nothing more.

Above and below the lungs, one of several slices is looked at. Where slices lie close together, one between two that
show no infection and the same lungs gets the mean of their answers (docs/how_fast.md, "Slices that are not looked at").
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from ..geometry.resampling import PlaneResampler, axis_weights
from .engines import Engine
from .input_form import NetworkInputs
from .inputs import SliceFraming

SHOWS_INFECTION = 0.1
"""Probability of infection, anywhere on a slice, from which on it is looked at again: below the shipped threshold."""

THIN_MM = 2.0
"""Slices closer than this show much the same as the next: not every one of them need be looked at."""

LUNGLESS_MM = 20.0
"""Between two slices this near to each other, of which neither shows a lung, there is none: a lung is higher."""

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

    ``inputs``: what the network takes, as its card says; there is one look where that names no second one.
    ``slice_mm``: from slice to slice; where they lie close together not every one need be looked at. Several threads
    may ask at a time.
    """

    def __init__(
        self, engine: Engine, upright: np.ndarray, inputs: NetworkInputs, *, slice_mm: float = math.inf
    ) -> None:
        self._engine, self._upright, self._second = engine, upright, inputs.second_look
        self._step = 2 if slice_mm < THIN_MM else 1
        self._reach = max(1, int(LUNGLESS_MM / slice_mm))
        self._larger: SliceFraming | None = None
        self._enlarge = PlaneResampler(
            *(
                axis_weights(old, new, 0.5 * old / new - 0.5, old / new)
                for old, new in zip(inputs.shape, self._second or inputs.shape, strict=True)
            )
        )

    @property
    def sparse(self) -> bool:
        """Whether some slices may get the answer of those beside them: which ones follows from the batch, too."""
        return self._reach > 1

    def __call__(self, framing: SliceFraming, numbers: range, inputs: np.ndarray) -> list[Answer]:
        """What is found on each of the slices ``numbers``.

        ``framing``, ``inputs``: of the first look (:func:`.inputs.network_batches`). The framing that comes with an
        answer is the one that leads back from it. Raises EngineError.
        """
        first = self._sparse(inputs) if self.sparse and len(inputs) > 2 else self._engine.predict(inputs)
        shown = np.flatnonzero((self._second is not None) & (first[..., 2] >= SHOWS_INFECTION).any(axis=(1, 2)))
        second = dict(zip(shown, self._look_again(framing, [numbers[at] for at in shown]), strict=True))
        answers: list[Answer] = [(framing, k, found) for k, found in zip(numbers, first, strict=True)]
        for at, (larger, again) in second.items():
            answers[at] = (larger, numbers[at], (again + self._enlarged(first[at])) / 2)
        return answers

    def _sparse(self, inputs: np.ndarray) -> np.ndarray:
        """As the engine's answers, which are asked for only where they may tell more than those beside them.

        Between two slices within :data:`LUNGLESS_MM` that show no lung, none is looked at. Of thin slices every second
        one is, where those beside it differ or may show infection.
        """
        last = len(inputs) - 1
        ends = [*range(0, last, self._reach), last]
        wanted = sorted({*range(0, last, self._step), *ends})
        # A GPU computes as many slices as fit in the time of two.
        looked = ends if self._engine.device == "cpu" else wanted
        found = self._engine.predict(inputs[looked])
        answers = np.empty((len(inputs), *found.shape[1:]), found.dtype)
        answers[looked] = found
        told: set[int] = set()
        for low, high in pairwise(ends):
            if _is_without_lung(answers[[low, high]]):
                answers[low + 1 : high] = answers[[low, high]].mean(axis=0)
                told.update(range(low + 1, high))
        self._look_at(inputs, answers, [k for k in wanted if k not in told.union(looked)])
        missing = []
        for k in sorted({*range(last)}.difference(wanted, told)):
            below, above = answers[k - 1], answers[k + 1]
            if _is_clear(below) and _is_clear(above) and _are_alike(below, above):
                answers[k] = (below + above) / 2
            else:
                missing.append(k)
        self._look_at(inputs, answers, missing)
        return answers

    def _look_at(self, inputs: np.ndarray, answers: np.ndarray, numbers: list[int]) -> None:
        if numbers:
            answers[numbers] = self._engine.predict(inputs[numbers])

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
