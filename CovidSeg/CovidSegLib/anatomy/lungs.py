"""Left and right lung: parted by geometry, whichever way the patient lies and the scan was stored.

The two lungs often touch in front of the heart (the anterior junction line is thinner than a voxel). They are parted
on a coarse grid by shrinking the mask until it falls into two large pieces; every voxel then goes to the nearer piece.
The boundary is the zero of a smooth field, so it does not show the coarse grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage, sparse

from ..masks import grow_apart
from ..resampling import PlaneResampler, axis_weights, block_sums

COARSE_MM = 3.0
"""Grid on which lungs are parted: fine enough for the thinnest lung tongue, coarse enough to be quick."""

SMALLER_SHARE = 0.1
"""The smaller lung has at least this share of both (a shrunken left lung after surgery or effusion: about a fifth)."""

MAX_SHRINK_MM = 24.0
"""Contact deeper than this is no contact of two lungs."""


_ALL = slice(None)


@dataclass(frozen=True)
class Sides:
    """A field over upright slices that is negative on the patient's right and positive on the left.

    ``field``: float32 (z, y, x) on a coarse grid; ``steps``: voxels of the scan per coarse voxel (z, y, x).
    ``parted``: whether two lungs were found; otherwise the field only says on which side of the grid a voxel lies.
    """

    field: np.ndarray
    steps: tuple[int, ...]
    shape: tuple[int, ...]
    parted: bool = True

    def is_left(self, k: int, rows: slice = _ALL, columns: slice = _ALL) -> np.ndarray:
        """Which pixels of upright slice ``k`` lie on the patient's left: bool (rows, columns), or a part of them."""
        step = self.steps[0]
        position = (k - (step - 1) / 2) / step
        low = int(np.clip(np.floor(position), 0, len(self.field) - 1))
        high = min(low + 1, len(self.field) - 1)
        share = float(np.clip(position - low, 0, 1))
        plane = (1 - share) * self.field[low] + share * self.field[high]
        return self._resampler.part(rows, columns)(plane) > 0

    @cached_property
    def _resampler(self) -> PlaneResampler:
        rows, columns = (
            _stretch(coarse, new, step)
            for coarse, new, step in zip(self.field.shape[1:], self.shape[1:], self.steps[1:], strict=True)
        )
        return PlaneResampler(rows, columns)


def _stretch(coarse: int, new: int, step: int) -> sparse.csr_matrix:
    """Weights (new, coarse) from a coarse line to the fine one it was made of; past its ends the outer value holds."""
    edged = axis_weights(coarse + 2, new, 0.5 / step + 0.5, 1.0 / step)
    repeat = np.clip(np.arange(-1, coarse + 1), 0, coarse - 1)
    ends = sparse.csr_matrix((np.ones(coarse + 2, np.float32), (np.arange(coarse + 2), repeat)))
    return (edged @ ends).tocsr()


def find_sides(lung: np.ndarray, spacing_mm: tuple[float, float, float]) -> Sides:
    """Part a lung mask. ``lung``: bool or uint8 (0: no lung), (z, y, x), upright; ``spacing_mm``: upright x, y, z.

    Where two lungs are not found the middle of the grid decides; but a single lung that only reaches across it (with
    less than :data:`SMALLER_SHARE`) is not cut in two.
    """
    steps = tuple(max(1, round(COARSE_MM / mm)) for mm in spacing_mm[::-1])
    coarse = _coarse(lung, steps)
    sampling = tuple(mm * step for mm, step in zip(spacing_mm[::-1], steps, strict=True))
    # Only lung has sides: the work is done in its box (with a rim of background, so that lungs are shallow where they
    # touch in front), and what lies outside repeats the box's border.
    box = ndimage.find_objects(coarse.astype(np.uint8))
    seeds = _seeds(np.pad(coarse[box[0]], 1), sampling) if box else None
    if seeds is None:
        return Sides(_by_the_middle(coarse) * np.float32(sampling[2]), steps, lung.shape, parted=False)
    right, left = (
        ndimage.distance_transform_edt(~seed[1:-1, 1:-1, 1:-1], sampling).astype(np.float32) for seed in seeds
    )
    outside = [(part.start, size - part.stop) for part, size in zip(box[0], coarse.shape, strict=True)]
    return Sides(np.pad(right - left, outside, mode="edge"), steps, lung.shape)


def _coarse(lung: np.ndarray, steps: tuple[int, ...]) -> np.ndarray:
    """The mask on the coarse grid, slab by slab: a block is lung where half of its voxels are."""
    blocks = []
    for z in range(0, lung.shape[0], steps[0]):
        slab = lung[z : z + steps[0]]
        sums = sum(block_sums(plane != 0, *steps[1:]).astype(np.uint32) for plane in slab)
        blocks.append(sums >= 0.5 * len(slab) * steps[1] * steps[2])
    return np.stack(blocks)


def _by_the_middle(coarse: np.ndarray) -> np.ndarray:
    """A field (float32, in voxels) that parts the grid in the middle, or gives all of it to the side with the lung."""
    columns = np.arange(coarse.shape[2], dtype=np.float32) - np.float32((coarse.shape[2] - 1) / 2)
    amounts = np.count_nonzero(coarse, axis=(0, 1))
    left = amounts[columns > 0].sum() / max(amounts.sum(), 1)
    if amounts.any() and not SMALLER_SHARE <= left <= 1 - SMALLER_SHARE:
        columns = np.full_like(columns, 1 if left > 0.5 else -1)
    return np.broadcast_to(columns, coarse.shape)


def _seeds(lung: np.ndarray, sampling: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    """Masks of the right and the left lung on the coarse grid, or None where there is only one side."""
    depth = ndimage.distance_transform_edt(lung, sampling)
    for shrink in np.arange(0.0, MAX_SHRINK_MM, min(sampling)):
        pieces, count = ndimage.label(depth > shrink)
        if count < 2:
            continue
        sizes = np.bincount(pieces.ravel())[1:]
        second, first = np.argsort(sizes)[-2:] + 1
        if sizes[second - 1] < SMALLER_SHARE * sizes.sum():
            continue
        centres = np.array(ndimage.center_of_mass(pieces > 0, pieces, [first, second])) * sampling
        apart = centres[1] - centres[0]
        if abs(apart[2]) < np.abs(apart[:2]).max():
            continue  # one above or behind the other: parts of one lung
        right, left = (first, second) if apart[2] > 0 else (second, first)
        return grow_apart(pieces == right, pieces == left, lung)
    return None
