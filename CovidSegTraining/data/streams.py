"""An endless stream of training slices, drawn so that few infected slices and few scans do not drown."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from CovidSegLib.network.input_form import INPUT_SHAPE
from CovidSegLib.progress import Progress

from .augmentation import Augmentation
from .cache import open_cached
from .dataset import Case, FramedCase
from .lesion_transfer import carry_lesions

INFECTED_WEIGHT = 1.0
FREE_WEIGHT = 0.4


def slice_weights(infected: np.ndarray) -> np.ndarray:
    """Chance weights of one scan's slices (n,), from which of them are infected.

    Divided by the square root of the scan's sum: a long scan counts more than a short one, but not in proportion.
    """
    weights = np.where(infected, INFECTED_WEIGHT, FREE_WEIGHT)
    return weights / np.sqrt(weights.sum())


@dataclass(frozen=True)
class Sampling:
    """Of what slices a batch is drawn.

    ``shapes``: rows and columns; each ``batch`` has one of them, drawn by chance. ``picture_weight``: what a case of a
    single slice counts; many pictures of other patients would else outnumber the scans.
    """

    shapes: tuple[tuple[int, int], ...] = (INPUT_SHAPE,)
    batch: int = 1
    picture_weight: float = 1.0


MOST_OPEN = 16
"""Cases whose files are open at a time, where there is no cache."""


class FramedSlices(Protocol):
    """A case as a training draws from it: :class:`FramedCase` or :class:`CovidSegTraining.data.cache.CachedCase`."""

    def __len__(self) -> int: ...

    def slice(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Slice ``k``: float32 (rows, columns, 3) in [-1, 1] and uint8 labels (rows, columns)."""

    def infected_slices(self) -> np.ndarray:
        """Which slices show infection: bool (slices,)."""

    def release(self) -> None:
        """Close files until the next read."""


def _cumulative(weights: np.ndarray) -> np.ndarray:
    """Chances that rise to 1, or stay 0 where all weights are."""
    sums = weights.cumsum()
    return sums / (sums[-1] or 1)


class TrainingStream:
    """Draws augmented slices from cases; holds a few numbers per slice, never a volume.

    ``cache``: folder for framed slices (see :mod:`.cache`), which makes drawing several times as fast;
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
        sampling: Sampling = Sampling(),
    ) -> None:
        self._cases: list[list[FramedSlices]] = []
        self._open: deque[tuple[int, int]] = deque()
        self._lock = threading.Lock()
        self._sampling = sampling
        weights, addresses, infected = [], [], []
        for number, case in enumerate(cases):
            progress.step("looking at cases", number, len(cases))
            framed: list[FramedSlices] = [
                FramedCase(case, seen) if cache is None else open_cached(case, cache, seen) for seen in sampling.shapes
            ]
            self._cases.append(framed)
            infected.append(framed[0].infected_slices())
            weights.append(slice_weights(infected[-1]) * (sampling.picture_weight if len(framed[0]) == 1 else 1))
            addresses += [(number, k) for k in range(len(framed[0]))]
            for at in range(len(framed)):
                self._keep_few_open(number, at)
        self._addresses = addresses
        self._chances = _cumulative(np.concatenate(weights))
        self._donor_chances = _cumulative(np.concatenate(weights) * np.concatenate(infected))
        self._augmentation = augmentation
        self._seed = seed

    def __len__(self) -> int:
        """How many different slices there are, of whatever shape."""
        return len(self._addresses)

    def sample(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Sample ``number``: float32 (rows, columns, 3) in [-1, 1] and uint8 labels (rows, columns).

        It depends on the seed and its number only: a training that resumes sees what it would have seen without the
        pause, and samples can be made in any order, by any number of threads.
        """
        random = np.random.default_rng((self._seed, number))
        # All samples of a batch have one shape.
        of_batch = np.random.default_rng((self._seed, number // self._sampling.batch, 1))
        at = int(of_batch.integers(len(self._sampling.shapes)))
        inputs, labels = self._drawn(self._chances, at, random)
        chance = self._augmentation.transfer_chance
        if chance and self._donor_chances[-1] > 0 and random.random() < chance:
            given, given_labels = self._drawn(self._donor_chances, at, random)
            flip = -1 if random.random() < self._augmentation.left_right_chance else 1
            inputs, labels = carry_lesions(inputs, labels, given[:, ::flip], given_labels[:, ::flip])
        return self._augmentation(inputs, labels, random)

    def _drawn(self, chances: np.ndarray, at: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A slice in shape number ``at``, drawn by cumulative ``chances``."""
        case, k = self._addresses[int(chances.searchsorted(random.random(), side="right"))]
        drawn = self._cases[case][at].slice(k)
        self._keep_few_open(case, at)
        return drawn

    def _keep_few_open(self, case: int, at: int) -> None:
        """Memory and open files stay flat: every open file costs a buffer and an index."""
        with self._lock:
            if (case, at) in self._open:
                self._open.remove((case, at))
            self._open.append((case, at))
            if len(self._open) > MOST_OPEN:
                case, at = self._open.popleft()
                self._cases[case][at].release()

    def samples(self, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Samples number ``first``, ``first + 1``, …, without end."""
        return map(self.sample, itertools.count(first))
