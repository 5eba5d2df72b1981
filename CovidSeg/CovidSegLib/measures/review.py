"""The lesions of a scan as a list to review: how large, how certain the network was, and which are the reader's.

How certain the network was is kept as *seeds*: of each lesion that it drew one voxel and the mean probability. Seeds
are small enough for a tag, and still fit when the reader has changed the lesions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.grid import Grid
from ..geometry.masks import Box
from ..segmentation import Label, Segmentation
from .found import Found
from .lesions import COUNTED_ML, Lesion, label_lesions
from .sided import infection_on_right
from .values import Side

MAX_SEEDS = 500
"""Of more lesions than these, the smallest have no seed."""

Seed = tuple[int, int, int, int]
"""K, J, I of a voxel and the mean probability of its lesion in percent."""


@dataclass(frozen=True)
class ReviewLesion:
    """One lesion to look at.

    ``number``: its value in :attr:`ReviewList.numbers`; ``rank``: 1 for the largest;
    ``side``: of the lung that it counts to, or most of it; ``certainty``: the network's mean probability in percent,
    None where the network drew nothing or it is not known; ``readers``: whether a reader drew, changed or accepted any
    of it; ``accepted``: whether all of it is the reader's word.
    """

    number: int
    rank: int
    side: Side
    lesion: Lesion
    certainty: int | None
    readers: bool
    accepted: bool


@dataclass(frozen=True)
class ReviewList:
    """All lesions, largest first. ``numbers`` (int32, K J I): which voxel is whose, inside ``box``."""

    lesions: tuple[ReviewLesion, ...]
    numbers: np.ndarray
    box: Box

    def by_size(self) -> tuple[ReviewLesion, ...]:
        """Those to list, largest first: of :data:`.lesions.COUNTED_ML` and more, or with something of a reader's."""
        return tuple(filter(_is_listed, self.lesions))

    def by_certainty(self) -> tuple[ReviewLesion, ...]:
        """Those of :meth:`by_size`, least certain first; those of which nothing is known last."""
        return tuple(sorted(self.by_size(), key=_doubt))

    def not_listed(self) -> tuple[ReviewLesion, ...]:
        """The smaller ones, which no reader touched."""
        return tuple(one for one in self.lesions if not _is_listed(one))

    def mask(self, number: int, shape: tuple[int, ...]) -> np.ndarray:
        """The voxels (bool, K J I) of one lesion on the whole grid."""
        mask = np.zeros(shape, bool)
        mask[self.box] = self.numbers == number
        return mask

    def part(self, one: ReviewLesion) -> np.ndarray:
        """The voxels (bool, K J I) of one lesion in its own box, that of :attr:`ReviewLesion.lesion`."""
        own = zip(one.lesion.box, self.box, strict=True)
        return self.numbers[tuple(slice(start - at.start, stop - at.start) for (start, stop), at in own)] == one.number


def _is_listed(one: ReviewLesion) -> bool:
    return one.lesion.ml >= COUNTED_ML or one.readers


def _doubt(lesion: ReviewLesion) -> int:
    return 101 if lesion.certainty is None else lesion.certainty


def make_review_list(
    found: Found, grid: Grid, readers: np.ndarray, accepted: np.ndarray, seeds: Sequence[Seed]
) -> ReviewList:
    """The lesions that were ``found`` in labels on ``grid``, as a list.

    ``readers``: where a reader decided, ``accepted``: what a reader confirmed or drew; both bool (n), of the voxels of
    lesions alone (:meth:`.found.Found.in_lesions`).
    """
    numbers, box = found.numbers, found.box
    own = numbers[numbers > 0]
    count = len(found.lesions)

    def voxels_in(mask: np.ndarray) -> np.ndarray:
        return np.bincount(own[mask], minlength=count + 1)

    sizes = np.bincount(own, minlength=count + 1)
    any_reader = voxels_in(readers) > 0
    all_accepted = voxels_in(accepted) == sizes
    right = np.zeros(len(own), bool)
    if found.lungs is not None:
        right = infection_on_right(found.lungs, grid, box)[numbers > 0]
    on_right = 2 * voxels_in(right) > sizes
    certainty: dict[int, list[int]] = {}
    for *voxel, percent in seeds:
        place = [at - part.start for at, part in zip(voxel, box, strict=True)]
        if all(0 <= at < size for at, size in zip(place, numbers.shape, strict=True)) and numbers[tuple(place)]:
            certainty.setdefault(int(numbers[tuple(place)]), []).append(percent)
    listed = []
    for rank, (number, lesion) in enumerate(found.lesions, start=1):
        # Two lesions of the network that the reader joined: the less certain one is the reason to look.
        sure = min(certainty[number]) if number in certainty else None
        side: Side = "right" if on_right[number] else "left"
        edits = bool(any_reader[number]), bool(all_accepted[number])
        listed.append(ReviewLesion(number, rank, side, lesion, sure, *edits))
    return ReviewList(tuple(listed), numbers, box)


def lesion_seeds(segmentation: Segmentation, found: Found | None = None) -> tuple[Seed, ...]:
    """The seeds of the lesions that the network drew, largest lesion first; none where its certainty is not known.

    ``found``: what was found in these labels, where that is known already.
    """
    if segmentation.certainty is None or segmentation.certainty.size == 0:
        return ()
    numbers, box = (found.numbers, found.box) if found else label_lesions(segmentation.labels, Label.INFECTION)
    inside = numbers[numbers > 0]  # in the order of the certainty
    sizes = np.bincount(inside)
    means = np.bincount(inside, segmentation.certainty, len(sizes)) / np.maximum(sizes, 1)
    first = np.full(len(sizes), -1)
    first[inside[::-1]] = np.arange(len(inside))[::-1]
    largest = sorted(range(1, len(sizes)), key=lambda number: -sizes[number])[:MAX_SEEDS]
    places = np.unravel_index(np.flatnonzero(numbers)[first[largest]], numbers.shape)
    voxels = np.stack(places, axis=1) + [part.start for part in box]
    return tuple(
        (*map(int, voxel), round(100 * means[number] / 255)) for number, voxel in zip(largest, voxels, strict=True)
    )


def with_certainty(segmentation: Segmentation, found: Found | None = None) -> Segmentation:
    """``segmentation`` whose provenance says how certain the network was of each lesion that it drew.

    ``found``: see :func:`lesion_seeds`.
    """
    text = seeds_text(lesion_seeds(segmentation, found))
    return replace(segmentation, provenance=replace(segmentation.provenance, lesion_certainty=text))


def seeds_text(seeds: Sequence[Seed]) -> str:
    """Seeds as the value of a tag."""
    return ",".join(" ".join(str(value) for value in seed) for seed in seeds)


def read_seeds(text: str | None) -> tuple[Seed, ...]:
    """The inverse of :func:`seeds_text`; what cannot be read is left out."""
    seeds: list[Seed] = []
    for part in (text or "").split(","):
        values = part.split()
        if len(values) == 4 and all(value.isdecimal() for value in values):
            k, j, i, percent = map(int, values)
            seeds.append((k, j, i, percent))
    return tuple(seeds)
