"""From drawn lobes to the model of :mod:`CovidSegLib.anatomy.lobe_model`: shapes and their surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from CovidSegLib.anatomy.lobe_model import LobeModel, LungModel
from CovidSegLib.anatomy.lobe_shape import beside

from ..data.lobe_cases import LobeCase
from .lobe_fit import surfaces
from .lobe_overlap import DrawnLung, drawn_lung, with_most_overlap

COMPONENTS = (3, 5)
"""Of a lung's shape: the prediction is the mean of one from the first 3 and one from the first 5. Those of the other
lung, and the sizes too, make held-out lobes worse."""

_RIDGE = 3.0
"""Held-out lobes are much the same from 1 to 3."""

_TURNS = 8
"""Into so many parts the cases are put; each part is left out in turn to see by how much a prediction misses it."""

_LEAST_SPREAD = 1e-3
"""Added to the spread of a term: one that is the same in all cases may still be moved a little."""

_FARTHER_SCORE, _FARTHER_REST = 1.5, 1.1
"""How much farther from the mean a shape may be than the farthest one that was seen."""

_FARTHER_BESIDE = 3.2
"""Standard deviations by which the lungs may lie beside each other unlike those that were seen."""


def train(cases: Sequence[LobeCase]) -> LobeModel:
    """Learn from ``cases``.

    Those whose drawn lobes are no usual ones (:attr:`LobeCase.is_odd`) teach nothing of where fissures lie, but how far
    a prediction may be off.
    """
    lungs = [case.coarse for case in cases]
    usual = np.array([not case.is_odd for case in cases])
    sides = []
    for side, terms in enumerate(surfaces(cases)):
        own = [pair[side] for pair in lungs]
        drawn = [drawn_lung(case, lung) for case, lung in zip(cases, own, strict=True)]
        sides.append(_lung(_Lungs(np.array([lung.shape_points() for lung in own]), terms, drawn), usual))
    return LobeModel(sides[0], sides[1], _limits(np.array([beside(*pair) for pair in lungs])))


@dataclass(frozen=True)
class _Lungs:
    """One lung of all cases: ``points`` (cases, points) of the shapes, ``terms`` (cases, terms) of the surfaces."""

    points: np.ndarray
    terms: np.ndarray
    drawn: Sequence[DrawnLung]

    def some(self, chosen: np.ndarray) -> _Lungs:
        """Those that are True in ``chosen`` (cases)."""
        return _Lungs(
            self.points[chosen],
            self.terms[chosen],
            [lung for lung, is_one in zip(self.drawn, chosen, strict=True) if is_one],
        )


def _limits(places: np.ndarray) -> np.ndarray:
    """Lower and upper limits (2, n) of what is usual, from ``places`` (cases, n), all of which are."""
    reach = _FARTHER_BESIDE * places.std(axis=0)
    middle = places.mean(axis=0)
    return np.stack([np.minimum(middle - reach, places.min(axis=0)), np.maximum(middle + reach, places.max(axis=0))])


def _lung(lungs: _Lungs, usual: np.ndarray) -> LungModel:
    """The model of ``lungs``; ``usual`` (cases): which of them teach."""
    learned = _regression(lungs.some(usual))
    nothing = np.zeros((0, lungs.terms.shape[1])), np.full(1 + len(learned[1]), np.inf)
    model = LungModel(*learned, *nothing)
    residuals, rests = np.zeros_like(lungs.terms), np.zeros(len(usual))
    turns = np.arange(len(usual)) % min(_TURNS, len(usual))
    for turn in range(turns.max() + 1):
        without = LungModel(*_regression(lungs.some(usual & (turns != turn))), *nothing)
        for number in np.flatnonzero(turns == turn):
            scores, rests[number] = without.scores(lungs.points[number])
            residuals[number] = lungs.terms[number] - without.coefficients[0] - scores @ without.coefficients[1:]
    farthest = np.abs([model.scores(one)[0] for one in lungs.points]).max(axis=0)
    limits = np.array([_FARTHER_REST * rests.max(), *(_FARTHER_SCORE * farthest)])
    return LungModel(*learned, residuals, limits)


def _regression(lungs: _Lungs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean shape, components and coefficients (see :class:`LungModel`).

    Principal components, then ridge regression to the surfaces, from where the overlap of the lobes is made larger.
    """
    points = lungs.points
    mean = points.mean(axis=0)
    off = points - mean
    values, vectors = np.linalg.eigh(off @ off.T)
    order = np.argsort(values)[::-1][: min(max(COMPONENTS), len(points) - 2)]
    directions = (off.T @ vectors[:, order] / np.sqrt(values[order])).T
    directions *= np.sign(directions[np.arange(len(order)), np.abs(directions).argmax(axis=1)])[:, None]
    scores = off @ directions.T
    unit = scores[:, 0].std()
    scores /= unit
    some = [_coefficients(scores[:, :count], lungs, len(order)) for count in COMPONENTS]
    return mean, directions * unit, np.mean(some, axis=0)


def _coefficients(scores: np.ndarray, lungs: _Lungs, count: int) -> np.ndarray:
    """Coefficients (1 + ``count``, terms) that use ``scores`` (cases, at most ``count``) alone."""
    constant = lungs.terms.mean(axis=0)
    square = scores.T @ scores + _RIDGE * np.eye(scores.shape[1])
    slopes = np.linalg.solve(square, scores.T @ (lungs.terms - constant))
    first = np.concatenate([constant[None], slopes])
    found = with_most_overlap(first, scores, lungs.drawn, lungs.terms.std(axis=0) + _LEAST_SPREAD)
    return np.pad(found, ((0, count - scores.shape[1]), (0, 0)))
