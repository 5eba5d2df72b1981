"""An endless stream of training slices, drawn so that few infected slices and few scans do not drown."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from CovidSegLib.progress import Progress

from .augmentation import Augmentation
from .dataset import Case, FramedCase

INFECTED_WEIGHT = 1.0
FREE_WEIGHT = 0.4


def slice_weights(infected: np.ndarray) -> np.ndarray:
    """Chance weights of one scan's slices (n,), from which of them are infected.

    Divided by the square root of the scan's sum: a long scan counts more than a short one, but not in proportion.
    """
    weights = np.where(infected, INFECTED_WEIGHT, FREE_WEIGHT)
    return weights / np.sqrt(weights.sum())


class TrainingStream:
    """Draws augmented slices from cases; holds open files and a few numbers per slice, never a volume."""

    def __init__(self, cases: list[Case], augmentation: Augmentation, seed: int, progress: Progress) -> None:
        self._cases: list[FramedCase] = []
        weights, addresses = [], []
        for number, case in enumerate(cases):
            progress.step("looking at cases", number, len(cases))
            framed = FramedCase(case)
            self._cases.append(framed)
            weights.append(slice_weights(framed.infected_slices()))
            addresses += [(number, k) for k in range(len(framed))]
        self._addresses = addresses
        together = np.concatenate(weights)
        self._chances = together / together.sum()
        self._augmentation = augmentation
        self._seed = seed

    def __len__(self) -> int:
        """How many different slices there are."""
        return len(self._addresses)

    def samples(self, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Samples number ``first``, ``first + 1``, …: each depends on the seed and its number only.

        So a training that resumes sees what it would have seen without the pause.
        """
        number = first
        while True:
            random = np.random.default_rng((self._seed, number))
            case, k = self._addresses[random.choice(len(self._addresses), p=self._chances)]
            yield self._augmentation(*self._cases[case].slice(k), random)
            number += 1
