"""An endless stream of training slices, drawn so that few infected slices and few scans do not drown."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from CovidSegLib.progress import Progress

from .augmentation import Augmentation
from .cache import open_cached
from .dataset import Case, FramedCase

INFECTED_WEIGHT = 1.0
FREE_WEIGHT = 0.4


def slice_weights(infected: np.ndarray) -> np.ndarray:
    """Chance weights of one scan's slices (n,), from which of them are infected.

    Divided by the square root of the scan's sum: a long scan counts more than a short one, but not in proportion.
    """
    weights = np.where(infected, INFECTED_WEIGHT, FREE_WEIGHT)
    return weights / np.sqrt(weights.sum())


MOST_OPEN = 16
"""Cases whose files are open at a time, where there is no cache."""


class FramedSlices(Protocol):
    """A case as a training draws from it: :class:`FramedCase` or :class:`CovidSegTraining.cache.CachedCase`."""

    def __len__(self) -> int: ...

    def slice(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Slice ``k``: float32 (rows, columns, 3) in [-1, 1] and uint8 labels (rows, columns)."""

    def infected_slices(self) -> np.ndarray:
        """Which slices show infection: bool (slices,)."""

    def release(self) -> None:
        """Close files until the next read."""


class TrainingStream:
    """Draws augmented slices from cases; holds a few numbers per slice, never a volume.

    ``cache``: folder for framed slices (see :mod:`CovidSegTraining.cache`), which makes drawing several times as fast;
    None reads the scans themselves at every draw, and keeps the files of the latest few open.
    """

    def __init__(
        self,
        cases: list[Case],
        augmentation: Augmentation,
        seed: int,
        progress: Progress,
        *,
        cache: Path | None = None,
    ) -> None:
        self._cases: list[FramedSlices] = []
        self._open: deque[int] = deque()
        self._lock = threading.Lock()
        weights, addresses = [], []
        for number, case in enumerate(cases):
            progress.step("looking at cases", number, len(cases))
            framed = FramedCase(case) if cache is None else open_cached(case, cache)
            self._cases.append(framed)
            weights.append(slice_weights(framed.infected_slices()))
            addresses += [(number, k) for k in range(len(framed))]
            self._keep_few_open(number)
        self._addresses = addresses
        self._cumulative = np.concatenate(weights).cumsum()
        self._cumulative /= self._cumulative[-1]
        self._augmentation = augmentation
        self._seed = seed

    def __len__(self) -> int:
        """How many different slices there are."""
        return len(self._addresses)

    def sample(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Sample ``number``: float32 (rows, columns, 3) in [-1, 1] and uint8 labels (rows, columns).

        It depends on the seed and its number only: a training that resumes sees what it would have seen without the
        pause, and samples can be made in any order, by any number of threads.
        """
        random = np.random.default_rng((self._seed, number))
        case, k = self._addresses[int(self._cumulative.searchsorted(random.random(), side="right"))]
        inputs, labels = self._cases[case].slice(k)
        self._keep_few_open(case)
        return self._augmentation(inputs, labels, random)

    def _keep_few_open(self, case: int) -> None:
        """Memory and open files stay flat: every open file costs a buffer and an index."""
        with self._lock:
            if case in self._open:
                self._open.remove(case)
            self._open.append(case)
            if len(self._open) > MOST_OPEN:
                self._cases[self._open.popleft()].release()

    def samples(self, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Samples number ``first``, ``first + 1``, …, without end."""
        return map(self.sample, itertools.count(first))
