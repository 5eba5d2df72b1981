"""Left and right lung: parted by geometry, whichever way the patient lies and the scan was stored.

The two lungs often touch in front of the heart (the anterior junction line is thinner than a voxel). They are parted
on a coarse grid by shrinking the mask until it falls into two large pieces; every voxel then goes to the nearer piece.
The boundary is the zero of a smooth field, so it does not show the coarse grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from ..geometry.masks import grow_apart
from ..geometry.resampling import PlaneResampler, axis_weights, block_sums
from ..system.last_answer import LastAnswer

COARSE_MM = 3.0
"""Grid on which lungs are parted: fine enough for the thinnest lung tongue, coarse enough to be quick."""

SMALLER_SHARE = 0.1
"""The smaller lung has at least this share of both (a shrunken left lung after surgery or effusion: about a fifth)."""

MAX_SHRINK_MM = 24.0
"""Contact deeper than this is no contact of two lungs."""

MIN_SHRINK_MM = 0.1
"""No contact at all: pieces that lie apart on the coarse grid."""

ONE_LUNG_ASPECT = 1.15
"""One lung is narrower than so many times its depth (114 of them: 0.62 to 1.09), two together are wider (57: 1.24 to
1.86)."""

SURE_HOLLOW = 0.3
"""What heart and great vessels take from a lung lies on the side of the other one: so much more than on the outer side,
as a share of both (114 lungs: 0.52 to 1)."""

BOTH_DEEP = 0.8
"""Two lungs that touch reach so far from front to back, as a share of both together (six pictures: from 0.93 on; the
smaller pieces that single lungs fall in, 412 slices: up to 0.69)."""

LEAST_HOLLOW = 0.005
"""As a share of the lung: less is no hollow."""

_ALL = slice(None)


@dataclass(frozen=True)
class Sides:
    """A field over upright slices that is negative on the patient's right and positive on the left.

    ``field``: float32 (z, y, x) on a coarse grid; ``steps``: voxels of the scan per coarse voxel (z, y, x).
    ``parted``: whether two lungs were found; otherwise the field only says on which side of the grid a voxel lies, or
    which lung the only one is. ``known``: False where there is one lung and nothing tells which.
    """

    field: np.ndarray
    steps: tuple[int, ...]
    shape: tuple[int, ...]
    parted: bool = True
    known: bool = True

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
            stretched(coarse, new, step)
            for coarse, new, step in zip(self.field.shape[1:], self.shape[1:], self.steps[1:], strict=True)
        )
        return PlaneResampler(rows, columns)


def stretched(coarse: int, new: int, step: int) -> scipy.sparse.csr_matrix:
    """Weights (new, coarse) from a coarse line to the fine one it was made of; past its ends the outer value holds."""
    edged = axis_weights(coarse + 2, new, 0.5 / step + 0.5, 1.0 / step)
    repeat = np.clip(np.arange(-1, coarse + 1), 0, coarse - 1)
    ends = scipy.sparse.csr_matrix((np.ones(coarse + 2, np.float32), (np.arange(coarse + 2), repeat)))
    return (edged @ ends).tocsr()


def find_sides(
    lung: np.ndarray, spacing_mm: tuple[float, float, float], last: LastAnswer[Sides] | None = None
) -> Sides:
    """Part a lung mask. ``lung``: bool or uint8 (0: no lung), (z, y, x), upright; ``spacing_mm``: upright x, y, z.

    Where two lungs are not found the middle of the grid decides; but a single lung that only reaches across it (with
    less than :data:`SMALLER_SHARE`) is not cut in two. What is too narrow for two lungs is one: its side is told by the
    hollow that heart and vessels leave in it, or else by where it lies. ``last``: the sides that were found last; they
    hold as long as the mask is the same on the coarse grid, as it is after most strokes of a reader.
    """
    steps = tuple(max(1, round(COARSE_MM / mm)) for mm in spacing_mm[::-1])
    sampling = tuple(mm * step for mm, step in zip(spacing_mm[::-1], steps, strict=True))
    coarse = _coarse(lung, steps)
    question = coarse.tobytes(), steps, sampling, lung.shape
    return (last or LastAnswer()).to(question, lambda: _part(coarse, steps, sampling, lung.shape))


def _part(coarse: np.ndarray, steps: tuple[int, ...], sampling: tuple[float, ...], shape: tuple[int, ...]) -> Sides:
    """Part a mask on the coarse grid, whose blocks measure ``sampling`` mm (z, y, x)."""
    # Only lung has sides: the work is done in its box, and what lies outside repeats the box's border.
    box = scipy.ndimage.find_objects(coarse.astype(np.uint8))
    only = _only_lung(coarse[box[0]], sampling) if box else None
    sure = only is not None and abs(only) >= SURE_HOLLOW
    seeds = _seeds(coarse[box[0]], sampling) if box and not sure else None
    if only is not None and (seeds is None or not _face_each_other(*seeds)):
        return _of_one_lung(coarse, only, steps, shape)
    if seeds is None:
        return Sides(_by_the_middle(coarse) * np.float32(sampling[2]), steps, shape, parted=False)
    right, left = (scipy.ndimage.distance_transform_edt(~seed, sampling).astype(np.float32) for seed in seeds)
    outside = [(part.start, size - part.stop) for part, size in zip(box[0], coarse.shape, strict=True)]
    return Sides(np.pad(right - left, outside, mode="edge"), steps, shape)


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


def _of_one_lung(coarse: np.ndarray, hollow: float, steps: tuple[int, ...], shape: tuple[int, ...]) -> Sides:
    """The side of the only lung; ``hollow``: see :func:`_only_lung`."""
    side, known = -np.sign(hollow), True
    if abs(hollow) < SURE_HOLLOW:
        ends = np.unique(np.sign(_by_the_middle(coarse)[0, 0]))
        known = len(ends) == 1
        side = ends[-1]
    return Sides(np.full(coarse.shape, side, np.float32), steps, shape, parted=False, known=known)


def _only_lung(lung: np.ndarray, sampling: tuple[float, ...]) -> float | None:
    """On which side the only lung is hollow: from -1 (all of it on the patient's right) to 1 (left).

    ``lung``: the mask in its box. None where it is wide enough for two lungs, or falls into two beside one another.
    """
    if lung.shape[2] * sampling[2] > ONE_LUNG_ASPECT * lung.shape[1] * sampling[1]:
        return None
    if _seeds(lung, sampling, MIN_SHRINK_MM) is not None:
        return None
    return _hollow_side(lung)


def _hollow_side(lung: np.ndarray) -> float:
    """On which side ``lung`` is hollow: from -1 (all of it on the patient's right) to 1 (left); 0 without a hollow."""
    # A lung is bulged outwards: between its front and its back only what is missing on the inner side is left free.
    missing = _between_ends(lung, 1) & ~lung
    on_right = np.count_nonzero(missing & ~np.maximum.accumulate(lung, 2))
    on_left = np.count_nonzero(missing & ~np.flip(np.maximum.accumulate(np.flip(lung, 2), 2), 2))
    if on_right + on_left < LEAST_HOLLOW * np.count_nonzero(lung):
        return 0.0
    return (on_left - on_right) / (on_left + on_right)


def _face_each_other(right: np.ndarray, left: np.ndarray) -> bool:
    """Whether the two pieces of what is narrow are two lungs that touch, as in a picture that was squeezed.

    Both reach from front to back, and each is hollow towards the other.
    """
    rows = [np.flatnonzero(piece.any(axis=(0, 2))) for piece in (right, left)]
    deep = min(np.ptp(row) + 1 for row in rows) >= BOTH_DEEP * np.count_nonzero((right | left).any(axis=(0, 2)))
    return bool(deep and _hollow_side(right) >= SURE_HOLLOW and _hollow_side(left) <= -SURE_HOLLOW)


def _between_ends(mask: np.ndarray, axis: int) -> np.ndarray:
    """All between the first and the last voxel of ``mask`` in each line along ``axis``."""
    reversed_ends = np.maximum.accumulate(np.flip(mask, axis), axis)
    return np.maximum.accumulate(mask, axis) & np.flip(reversed_ends, axis)


def _seeds(
    lung: np.ndarray, sampling: tuple[float, ...], most_mm: float = MAX_SHRINK_MM
) -> tuple[np.ndarray, np.ndarray] | None:
    """Masks of the right and the left lung on the coarse grid, or None where there is only one side.

    ``lung``: in its box; ``most_mm``: how much the mask may shrink until it falls in two.
    """
    # Lungs are shallow where they touch in front, and where the scan ends; a single slice has no depth along z.
    rim = ((0, 0) if len(lung) == 1 else (1, 1), (1, 1), (1, 1))
    padded = np.pad(lung, rim)
    inner = tuple(slice(before, size - after) for (before, after), size in zip(rim, padded.shape, strict=True))
    depth = scipy.ndimage.distance_transform_edt(padded, sampling)
    for shrink in np.arange(0.0, most_mm, min(sampling)):
        pieces, count = scipy.ndimage.label(depth > shrink)
        if count < 2:
            continue
        sizes = np.bincount(pieces.ravel())[1:]
        second, first = np.argsort(sizes)[-2:] + 1
        if sizes[second - 1] < SMALLER_SHARE * sizes.sum():
            continue
        centres = np.array(scipy.ndimage.center_of_mass(pieces > 0, pieces, [first, second])) * sampling
        apart = centres[1] - centres[0]
        if abs(apart[2]) < np.abs(apart[:2]).max():
            continue  # one above or behind the other: parts of one lung
        right, left = (first, second) if apart[2] > 0 else (second, first)
        grown = grow_apart(pieces == right, pieces == left, padded)
        return grown[0][inner], grown[1][inner]
    return None
