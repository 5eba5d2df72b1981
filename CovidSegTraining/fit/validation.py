"""A quick look at cases that are not trained on, to stop when nothing gets better any more."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from CovidSegLib.errors import InputError

from ..data.cache import open_cached
from ..data.cases import Case
from ..data.dataset import DrawnLabel, FramedCase
from ..data.streams import FramedSlices

SLICES = 96
"""Slices that are looked at, evenly from all cases; a look takes about as long as twenty steps."""


def _evenly(numbers: np.ndarray) -> np.ndarray:
    """At most :data:`SLICES` of ``numbers`` (n,), from the first to the last."""
    return numbers[np.unique(np.linspace(0, len(numbers) - 1, min(SLICES, len(numbers))).round().astype(int))]


class Watch:
    """Slices of ``cases`` that were not trained on; ``cache``: folder for framed slices, or None.

    Raises InputError where none of them shows infection: to find nothing at all would be the best that can be.
    """

    def __init__(self, cases: list[Case], cache: Path | None) -> None:
        self._cases: list[FramedSlices] = [
            FramedCase(case) if cache is None else open_cached(case, cache) for case in cases
        ]
        addresses = [(number, k) for number, case in enumerate(self._cases) for k in range(len(case))]
        infected = np.flatnonzero(np.concatenate([case.infected_slices() for case in self._cases]))
        chosen = _evenly(np.arange(len(addresses)))
        if infected.size and not np.isin(infected, chosen).any():
            chosen = np.union1d(chosen, _evenly(infected))
        self._addresses = [addresses[index] for index in chosen]
        shown = (
            self._cases[case].slice(k)[1]
            for case, k in (addresses[index] for index in np.intersect1d(infected, chosen))
        )
        if not any((labels == DrawnLabel.INFECTION).any() for labels in shown):
            raise InputError(
                "None of the watched cases shows infection: a network that finds none would be kept as the best.",
                "Choose another --validation-fold, or watch none.",
            )

    def look(self, network: keras.Model, batch: int) -> tuple[float, float]:
        """Dice of infection and of lung (infection is lung) over all slices together, on the network's own grid."""
        both, sizes = np.zeros(2), np.zeros(2)
        for first in range(0, len(self._addresses), batch):
            slices = [self._cases[case].slice(k) for case, k in self._addresses[first : first + batch]]
            labels = np.stack([labels for _, labels in slices])
            found = np.asarray(network(np.stack([inputs for inputs, _ in slices]), training=False)).argmax(axis=-1)
            drawn = (labels != DrawnLabel.LUNG_NOT_DRAWN) & (labels != DrawnLabel.UNKNOWN)
            lung = (labels >= DrawnLabel.LEFT_LUNG) & (labels <= DrawnLabel.INFECTION)
            pairs = (
                ((found == 2) & (labels != DrawnLabel.UNKNOWN), labels == DrawnLabel.INFECTION),
                ((found > 0) & drawn, lung & drawn),
            )
            for index, (mine, true) in enumerate(pairs):
                both[index] += np.count_nonzero(mine & true)
                sizes[index] += np.count_nonzero(mine) + np.count_nonzero(true)
        # Nothing to find and nothing found is as good as it gets.
        infection, lung_dice = np.where(sizes > 0, 2 * both / np.maximum(sizes, 1), 1.0)
        return float(infection), float(lung_dice)
