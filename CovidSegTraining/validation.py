"""A quick look at cases that are not trained on, to stop when nothing gets better any more."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from .cache import open_cached
from .cases import Case
from .dataset import FramedCase, Label
from .streams import FramedSlices

SLICES = 96
"""Slices that are looked at, evenly from all cases; a look takes about as long as twenty steps."""


class Watch:
    """Slices of ``cases`` that were not trained on; ``cache``: folder for framed slices, or None."""

    def __init__(self, cases: list[Case], cache: Path | None) -> None:
        self._cases: list[FramedSlices] = [
            FramedCase(case) if cache is None else open_cached(case, cache) for case in cases
        ]
        addresses = [(number, k) for number, case in enumerate(self._cases) for k in range(len(case))]
        chosen = np.unique(np.linspace(0, len(addresses) - 1, min(SLICES, len(addresses))).round().astype(int))
        self._addresses = [addresses[index] for index in chosen]

    def look(self, network: keras.Model, batch: int) -> tuple[float, float]:
        """Dice of infection and of lung (infection is lung) over all slices together, on the network's own grid."""
        both, sizes = np.zeros(2), np.zeros(2)
        for first in range(0, len(self._addresses), batch):
            slices = [self._cases[case].slice(k) for case, k in self._addresses[first : first + batch]]
            labels = np.stack([labels for _, labels in slices])
            found = np.asarray(network(np.stack([inputs for inputs, _ in slices]), training=False)).argmax(axis=-1)
            drawn = (labels != Label.LUNG_NOT_DRAWN) & (labels != Label.UNKNOWN)
            lung = (labels >= Label.LEFT_LUNG) & (labels <= Label.INFECTION)
            pairs = (
                ((found == 2) & (labels != Label.UNKNOWN), labels == Label.INFECTION),
                ((found > 0) & drawn, lung & drawn),
            )
            for index, (mine, true) in enumerate(pairs):
                both[index] += np.count_nonzero(mine & true)
                sizes[index] += np.count_nonzero(mine) + np.count_nonzero(true)
        # Nothing to find and nothing found is as good as it gets.
        infection, lung_dice = np.where(sizes > 0, 2 * both / np.maximum(sizes, 1), 1.0)
        return float(infection), float(lung_dice)
