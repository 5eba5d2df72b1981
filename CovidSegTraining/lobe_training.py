"""From drawn lobes to the model of :mod:`CovidSegLib.anatomy.lobe_model`: shapes and their surfaces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from CovidSegLib.anatomy.lobe_model import LobeModel, LungModel
from CovidSegLib.anatomy.lobe_shape import beside

from .lobe_cases import LobeCase
from .lobe_fit import surfaces

COMPONENTS = 4
"""Of a lung's shape. More, or those of the other lung, and the sizes too, make held-out lobes worse."""

_RIDGE = 1.0
"""Held-out lobes are much the same from 1 to 3."""

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
    left, right = ([pair[side].shape_points() for pair in lungs] for side in (0, 1))
    usual = np.array([not case.is_odd for case in cases])
    fitted = surfaces(cases)
    first, second = (_lung(np.array(points), terms, usual) for points, terms in zip((left, right), fitted, strict=True))
    return LobeModel(first, second, _limits(np.array([beside(*pair) for pair in lungs])))


def _limits(places: np.ndarray) -> np.ndarray:
    """Lower and upper limits (2, n) of what is usual, from ``places`` (cases, n), all of which are."""
    reach = _FARTHER_BESIDE * places.std(axis=0)
    middle = places.mean(axis=0)
    return np.stack([np.minimum(middle - reach, places.min(axis=0)), np.maximum(middle + reach, places.max(axis=0))])


def _lung(points: np.ndarray, terms: np.ndarray, usual: np.ndarray) -> LungModel:
    """``points`` (cases, points) and ``terms`` (cases, terms) of one lung; ``usual``: which of them teach."""
    mean, components, coefficients = _regression(points[usual], terms[usual])
    nothing = np.zeros((0, terms.shape[1])), np.full(1 + len(components), np.inf)
    model = LungModel(mean, components, coefficients, *nothing)
    residuals, rests = [], []
    for number in range(len(points)):
        others = usual.copy()
        others[number] = False
        without = LungModel(*_regression(points[others], terms[others]), *nothing)
        scores, rest = without.scores(points[number])
        residuals.append(terms[number] - without.coefficients[0] - scores @ without.coefficients[1:])
        rests.append(rest)
    scores = np.abs([model.scores(one)[0] for one in points]).max(axis=0)
    limits = np.array([_FARTHER_REST * max(rests), *(_FARTHER_SCORE * scores)])
    return LungModel(mean, components, coefficients, np.array(residuals), limits)


def _regression(points: np.ndarray, terms: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean shape, components and coefficients (see :class:`LungModel`): principal components, then ridge regression."""
    mean = points.mean(axis=0)
    off = points - mean
    values, vectors = np.linalg.eigh(off @ off.T)
    order = np.argsort(values)[::-1][: min(COMPONENTS, len(points) - 2)]
    directions = (off.T @ vectors[:, order] / np.sqrt(values[order])).T
    directions *= np.sign(directions[np.arange(len(order)), np.abs(directions).argmax(axis=1)])[:, None]
    scores = off @ directions.T
    unit = scores[:, 0].std()
    scores /= unit
    constant = terms.mean(axis=0)
    square = scores.T @ scores + _RIDGE * np.eye(len(order))
    slopes = np.linalg.solve(square, scores.T @ (terms - constant))
    return mean, directions * unit, np.concatenate([constant[None], slopes])
