"""Surfaces told from a lung's shape, moved so that the lobes they part overlap most with those that experts drew.

A regression on the terms of surfaces treats all terms alike; what counts is on which side of a surface a voxel lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from CovidSegLib.anatomy.lobe_shape import (
    LEFT_LOBES,
    OBLIQUE_TERMS,
    RIGHT_LOBES,
    CoarseLung,
    horizontal_terms,
    oblique_terms,
)

from ..data.lobe_cases import LobeCase
from .lobe_fit import drawn_voxels

_EVERY = 8
"""So many of the voxels of a lung are left out for each one that is looked at: more change nothing."""

_SOFTNESS = 0.08
"""Height in the lung's frame over which a voxel's chance to lie below a surface turns: as uncertain as surfaces are."""

_HOLD = 1.0
"""What a coefficient that leaves its first value by a standard deviation costs, in Dice of one lobe of one case."""

_STEPS = 15


@dataclass(frozen=True)
class DrawnLung:
    """Some voxels of a lung: heights and terms of both surfaces, and in which of its lobes (voxels, lobes) each lies.

    A left lung has no horizontal fissure: its terms have no column.
    """

    oblique: tuple[np.ndarray, np.ndarray]
    horizontal: tuple[np.ndarray, np.ndarray]
    lobes: np.ndarray


def drawn_lung(case: LobeCase, lung: CoarseLung) -> DrawnLung:
    """The left or the right lung of ``case``."""
    places, lobes = drawn_voxels(case, lung, lung.lobes)
    some = slice(None, None, _EVERY)
    places = tuple(axis[some] for axis in places)
    inside = lobes[some, None] == np.array(RIGHT_LOBES if lung.right else LEFT_LOBES)
    height, terms = horizontal_terms(*places)
    return DrawnLung(oblique_terms(*places), (height, terms if lung.right else terms[:, :0]), inside.astype(np.float64))


def with_most_overlap(
    coefficients: np.ndarray, scores: np.ndarray, drawn: Sequence[DrawnLung], spread: np.ndarray
) -> np.ndarray:
    """``coefficients`` (1 + n, terms) moved so that the mean Dice of all lobes of ``drawn`` is largest.

    ``scores`` (cases, n): of the shapes of ``drawn``; ``spread`` (terms): standard deviation of each term. The move is
    held: the further from where it began, the more it costs.
    """
    rows = np.concatenate([np.ones((len(scores), 1)), scores], axis=1)

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        own = flat.reshape(coefficients.shape)
        off = (own - coefficients) / spread
        total, slope = _HOLD * float((off**2).sum()), 2 * _HOLD * off / spread
        for row, lung in zip(rows, drawn, strict=True):
            overlap, of_terms = _overlap(lung, row @ own)
            total -= overlap
            slope -= np.outer(row, of_terms)
        return total, slope.ravel()

    found = minimize(cost, coefficients.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    return found.x.reshape(coefficients.shape)


def _overlap(lung: DrawnLung, surfaces: np.ndarray) -> tuple[float, np.ndarray]:
    """Sum of the Dice of the lobes that ``surfaces`` (terms) part softly, and its slope (terms)."""
    below, below_slope = _side(lung.oblique, surfaces[:OBLIQUE_TERMS])
    if lung.horizontal[1].shape[1]:
        under, under_slope = _side(lung.horizontal, surfaces[OBLIQUE_TERMS:])
        chances = np.stack([(1 - below) * (1 - under), (1 - below) * under, below], axis=1)
    else:
        chances = np.stack([1 - below, below], axis=1)
    both, sizes = 2 * (chances * lung.lobes).sum(axis=0), chances.sum(axis=0) + lung.lobes.sum(axis=0)
    of_chances = 2 * lung.lobes / sizes - both / sizes**2
    if chances.shape[1] == 2:
        of_below, of_horizontal = of_chances[:, 1] - of_chances[:, 0], np.zeros(0)
    else:
        of_below = of_chances[:, 2] - of_chances[:, 0] * (1 - under) - of_chances[:, 1] * under
        of_under = (of_chances[:, 1] - of_chances[:, 0]) * (1 - below)
        of_horizontal = lung.horizontal[1].T @ (of_under * under_slope)
    of_oblique = lung.oblique[1].T @ (of_below * below_slope)
    return float((both / sizes).sum()), np.concatenate([of_oblique, of_horizontal])


def _side(fissure: tuple[np.ndarray, np.ndarray], terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The chance of each voxel to lie below a surface, and its slope as the surface rises."""
    height, parts = fissure
    chance = 1 / (1 + np.exp(-np.clip((parts @ terms - height) / _SOFTNESS, -30, 30)))
    return chance, chance * (1 - chance) / _SOFTNESS
