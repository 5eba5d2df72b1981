"""The surfaces that part drawn lobes best: logistic regression on the side of the fissure on which a voxel lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from CovidSegLib.anatomy.lobe_shape import (
    LEFT_LOBES,
    RIGHT_LOBES,
    CoarseLung,
    Lobe,
    horizontal_terms,
    oblique_terms,
)

from ..data.lobe_cases import LobeCase

VOXELS = 4000
"""Drawn at random from each lung: more move no surface."""

_SHARPNESS = 0.03
"""In the frame of the lung: over which height a voxel's side turns from one to the other."""

_WEIGHT = 0.09
"""What one voxel counts against what is known of all surfaces: neighbours in a lobe are not independent."""

_SPREAD = 0.1
_ROUNDS, _STEPS = 2, 10


@dataclass(frozen=True)
class _Side:
    """Voxels on both sides of one fissure: the height of each, its terms, and whether it lies below (1) or not (0)."""

    height: np.ndarray
    terms: np.ndarray
    below: np.ndarray


def surfaces(cases: Sequence[LobeCase]) -> tuple[np.ndarray, np.ndarray]:
    """Terms of the surfaces of each case: of the left lung (cases, terms), and of the right lung.

    Where a lung has no fissure of its own to fit (beside the middle lobe, say) the mean of all cases decides.
    """
    left, oblique, horizontal = zip(*map(_sides, cases), strict=True)
    return _fit_all(left), np.concatenate([_fit_all(oblique), _fit_all(horizontal)], axis=1)


def _sides(case: LobeCase) -> tuple[_Side, _Side, _Side]:
    left, right = case.coarse
    drawn = [drawn_voxels(case, lung, lobes) for lung, lobes in ((left, LEFT_LOBES), (right, RIGHT_LOBES))]
    upper = drawn_voxels(case, right, (Lobe.RIGHT_UPPER, Lobe.RIGHT_MIDDLE))
    return (
        _Side(*oblique_terms(*drawn[0][0]), drawn[0][1] == Lobe.LEFT_LOWER),
        _Side(*oblique_terms(*drawn[1][0]), drawn[1][1] == Lobe.RIGHT_LOWER),
        _Side(*horizontal_terms(*upper[0]), upper[1] == Lobe.RIGHT_MIDDLE),
    )


def drawn_voxels(case: LobeCase, lung: CoarseLung, lobes: Sequence[Lobe]) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Coordinates (z, y, x) in the lung's frame, and lobes, of some voxels of ``lobes``."""
    indices = np.flatnonzero(np.isin(case.lobes, lobes))
    chosen = np.sort(np.random.default_rng(1).permutation(indices)[:VOXELS])
    places = np.unravel_index(chosen, case.lobes.shape)
    in_mm = [(place + 0.5) * mm for place, mm in zip(places, case.spacing_mm[::-1], strict=True)]
    return lung.in_frame(*in_mm), case.lobes.ravel()[chosen]


def _fit_all(sides: Sequence[_Side]) -> np.ndarray:
    count = sides[0].terms.shape[1]
    some = slice(None, None, 4)
    together = _Side(*(np.concatenate([getattr(side, name)[some] for side in sides]) for name in vars(sides[0])))
    mean, _ = _fit(together, np.zeros(count), np.eye(count), 2 * _STEPS)
    certainty = np.eye(count) / _SPREAD**2
    for _round in range(_ROUNDS):
        fits = [_fit(side, mean, certainty, _STEPS) for side in sides]
        found = np.array([terms for terms, _ in fits])
        mean = found.mean(axis=0)
        spread = np.cov(found.T) + np.mean([np.linalg.inv(own) for _, own in fits], axis=0)
        certainty = np.linalg.inv(spread + 1e-5 * np.eye(count))
    return found


def _fit(side: _Side, mean: np.ndarray, certainty: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Terms that part ``side`` best, with a normal prior, by Newton's method; and how certain they are.

    The side turns softly at first: far from the surface a sharp turn has no slope to follow.
    """
    terms = mean.copy()
    for step in range(steps):
        sharp = max(_SHARPNESS, 0.3 * 0.6**step)
        chance = 1 / (1 + np.exp(-np.clip((side.terms @ terms - side.height) / sharp, -12, 12)))
        slope = side.terms.T @ ((side.below - chance) / sharp) * _WEIGHT - certainty @ (terms - mean)
        curve = np.maximum(chance * (1 - chance), 1e-4) / sharp**2
        bend = (side.terms * curve[:, None]).T @ side.terms * _WEIGHT + certainty
        terms = terms + np.linalg.solve(bend, slope)
    return terms, bend
