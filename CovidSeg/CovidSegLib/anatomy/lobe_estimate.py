"""Lobes estimated from the shape of the lungs: an ensemble of fissure surfaces, so that each voxel has a probability.

No fissure is seen: the lobes are those that lungs of such a shape had in scans in which experts drew them. How far that
can be off is told by the ensemble: every member has the surfaces moved by an error that the model made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import InputError
from ..geometry.grid import read_only
from ..geometry.masks import bounding_box
from ..geometry.resampling import PlaneResampler
from ..i18n import tr as _
from ..system.last_answer import LastAnswer
from .lobe_checks import check_lungs, check_marked, check_uncut, check_whole
from .lobe_model import LobeModel, LungModel, read_lobe_model
from .lobe_shape import (
    LEFT_LOBES,
    OBLIQUE_TERMS,
    RIGHT_LOBES,
    CoarseLung,
    Lobe,
    beside,
    coarse_lungs,
    horizontal_terms,
    oblique_terms,
)
from .lungs import stretched

__all__ = ["EstimatedLobes", "Lobe", "PartedLungs", "find_lobes", "lobes_of_any_lungs"]

_ROUNDS = 2
"""How often the weights of the lobes are found anew; more change nothing."""

_LEAST_OVERLAP = 0.3
"""No lobe weighs more than one whose members agree so little."""


@dataclass(frozen=True)
class EstimatedLobes:
    """Lobes on upright slices of ``shape`` (z, y, x), as probabilities on blocks of ``steps`` (z, y, x) voxels.

    ``probabilities``: uint8 (5, z, y, x), 255 is 1, lobe ``n`` at index ``n - 1``; it is the share of the ensemble that
    holds a block for that lobe, and 0 far from its lung. ``weights`` (5): by what probabilities are multiplied before
    the largest one says which lobe is shown; a lobe on whose place the members agree less weighs more, which makes the
    overlap with the true lobes largest. ``shown`` (5, 2): voxels of lung and of infection in the lobes as shown;
    ``members`` (n, 5, 2): in those of each member. ``overlap`` (n, 5): Dice of each member's lobes with those shown.
    ``lowest_overlap`` (5): the lowest Dice with an expert's lobe that the model had in the lungs it was judged on.
    ``model``: name and SHA-256 of the model.
    """

    probabilities: np.ndarray
    weights: np.ndarray
    shape: tuple[int, ...]
    steps: tuple[int, int, int]
    shown: np.ndarray
    members: np.ndarray
    overlap: np.ndarray
    lowest_overlap: tuple[float, ...]
    model: tuple[str, str]

    def plane(self, k: int, lungs: np.ndarray) -> np.ndarray:
        """The lobes of upright slice ``k``: uint8 (y, x) of :class:`Lobe`.

        ``lungs``: uint8 (y, x), odd in the left lung, even in the right one, 0 outside (see :func:`find_lobes`).
        """
        lobes = np.zeros(lungs.shape, np.uint8)
        box = _box(lungs)
        if box is None:
            return lobes
        part, found = lungs[box], lobes[box]
        left = (part & 1).view(bool)
        for inside, names in ((left, LEFT_LOBES), ((part > 0) ^ left, RIGHT_LOBES)):
            own = _box(inside)
            if own is not None:
                place = tuple(slice(a.start + b.start, a.start + b.stop) for a, b in zip(box, own, strict=True))
                np.copyto(found[own], self._best(k, names, *place), where=inside[own])
        return lobes

    def lobe_map(self, lungs: np.ndarray) -> np.ndarray:
        """The lobes of all slices: uint8 of the shape of ``lungs``, which is as :func:`find_lobes` takes it."""
        found = np.zeros(lungs.shape, np.uint8)
        for k, plane in enumerate(lungs):
            found[k] = self.plane(k, plane)
        return found

    def _best(self, k: int, names: Sequence[Lobe], rows: slice, columns: slice) -> np.ndarray:
        resample = self._resampler.part(rows, columns)
        low, high, share = self._between(k)
        fields = []
        for lobe in names:
            coarse = (1 - share) * self.probabilities[lobe - 1, low] + share * self.probabilities[lobe - 1, high]
            fields.append(resample(coarse * self.weights[lobe - 1]))
        best, largest = np.full(fields[0].shape, int(names[0]), np.uint8), fields[0]
        for lobe, field in zip(names[1:], fields[1:], strict=True):
            best[field > largest] = lobe
            largest = np.maximum(largest, field)
        return best

    def _between(self, k: int) -> tuple[int, int, float]:
        """The planes of blocks below and above slice ``k``, and how far it is from the first to the second."""
        position = (k - (self.steps[0] - 1) / 2) / self.steps[0]
        last = self.probabilities.shape[1] - 1
        low = int(np.clip(np.floor(position), 0, last))
        return low, min(low + 1, last), float(np.clip(position - low, 0, 1))

    @cached_property
    def _resampler(self) -> PlaneResampler:
        rows, columns = (
            stretched(coarse, new, step)
            for coarse, new, step in zip(self.probabilities.shape[2:], self.shape[1:], self.steps[1:], strict=True)
        )
        return PlaneResampler(rows, columns)


def _box(plane: np.ndarray) -> tuple[slice, slice] | None:
    """The smallest part of a plane (bool or uint8) that holds all that is not 0; None where nothing is."""
    rows = np.flatnonzero(plane.any(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(plane[rows[0] : rows[-1] + 1].any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


@dataclass(frozen=True)
class _PartedLung:
    """What the ensemble makes of one lung.

    ``votes``: uint8 (blocks with lung, members), which lobe each member gives a block to, 0 the lung's first one;
    ``best`` (blocks): which one is shown; ``weights``, ``shown`` (lobes), ``members`` and ``overlap`` (members, lobes):
    as in :class:`EstimatedLobes`, of lung alone.
    """

    votes: np.ndarray
    best: np.ndarray
    weights: np.ndarray
    shown: np.ndarray
    members: np.ndarray
    overlap: np.ndarray


@dataclass(frozen=True)
class PartedLungs:
    """What the ensemble makes of the shape of both lungs, left first: it holds whatever of them is infected.

    ``probabilities``: as in :class:`EstimatedLobes`.
    """

    probabilities: np.ndarray
    lungs: tuple[_PartedLung, _PartedLung]


def find_lobes(
    lungs: np.ndarray,
    spacing_mm: tuple[float, float, float],
    model: LobeModel | None = None,
    last: LastAnswer[PartedLungs] | None = None,
) -> EstimatedLobes:
    """Estimate the lobes of two whole lungs.

    ``lungs``: uint8 (z, y, x), upright (axes to head, back, left): 1 left lung, 2 right lung, 3 and 4 what of them is
    infected, 0 outside; ``spacing_mm``: upright x, y, z; ``model``: default the one that comes with CovidSeg;
    ``last``: what its ensemble made of the lungs before: it holds while these have the same shape. A lung
    that reaches the first or last plane of the array counts as cut off. Raises InputError, with the reason, where lobes
    cannot be told from the shape: lungs that are missing, cut off, on the wrong sides or of a shape that was not seen
    before. Raises ModelError when the model is missing or altered.
    """
    if lungs.ndim != 3 or lungs.dtype != np.uint8:
        raise ValueError(f"lungs must be uint8 (z, y, x), not {lungs.dtype} {lungs.shape}")
    used = model or read_lobe_model()
    coarse = coarse_lungs(lungs, spacing_mm)
    check_marked(*coarse)
    check_whole(lungs, spacing_mm)
    question = used.sha256, lungs.shape, spacing_mm, *(lung.lung.tobytes() for lung in coarse)
    parted = (last or LastAnswer()).to(question, lambda: _checked_part(coarse, used))
    check_uncut(*coarse)  # not kept with the shape: whether there is infection is no part of it
    return _estimate(lungs.shape, coarse, parted, used)


def lobes_of_any_lungs(lungs: np.ndarray, spacing_mm: tuple[float, float, float], model: LobeModel) -> EstimatedLobes:
    """As :func:`find_lobes`, of any two lungs: lobes of those that it refuses are judged, and never shown."""
    coarse = coarse_lungs(lungs, spacing_mm)
    return _estimate(lungs.shape, coarse, _part(coarse, model), model)


def _estimate(
    shape: tuple[int, ...], coarse: tuple[CoarseLung, CoarseLung], parted: PartedLungs, used: LobeModel
) -> EstimatedLobes:
    weights, shown, members, overlap = (
        np.concatenate([getattr(lung, name) for lung in parted.lungs], axis=-1)
        for name in ("weights", "shown", "members", "overlap")
    )
    infected = [_infected(lung, known) for lung, known in zip(coarse, parted.lungs, strict=True)]
    return EstimatedLobes(
        parted.probabilities,
        weights,
        shape,
        coarse[0].steps,
        np.stack([shown, np.concatenate([one for one, _members in infected])], axis=-1),
        np.stack([members, np.concatenate([counts for _shown, counts in infected], axis=-1)], axis=-1),
        overlap,
        used.lowest_overlap,
        (used.name, used.sha256),
    )


def _checked_part(coarse: tuple[CoarseLung, CoarseLung], model: LobeModel) -> PartedLungs:
    check_lungs(*coarse)
    _check_shapes(model, coarse)
    return _part(coarse, model)


def _part(coarse: tuple[CoarseLung, CoarseLung], model: LobeModel) -> PartedLungs:
    probabilities = np.zeros((len(Lobe), *coarse[0].lung.shape), np.uint8)
    left, right = (
        _decide(lung, _votes(lung, known, lung.shape_points(), probabilities), probabilities)
        for lung, known in zip(coarse, (model.left, model.right), strict=True)
    )
    return PartedLungs(read_only(probabilities), (left, right))


def _check_shapes(model: LobeModel, coarse: tuple[CoarseLung, CoarseLung]) -> None:
    for lung, known in zip(coarse, (model.left, model.right), strict=True):
        if known.is_unusual(lung.shape_points()):
            raise _unusual(lung)
    place = beside(*coarse)
    if (place < model.beside[0]).any() or (place > model.beside[1]).any():
        raise InputError(
            _("One lung ends much higher than the other, or lies before it (fluid, collapse or surgery?).")
        )


def _unusual(lung: CoarseLung) -> InputError:
    if lung.right:
        return InputError(_("The right lung has a shape from which lobes are not told (fluid, collapse or surgery?)."))
    return InputError(_("The left lung has a shape from which lobes are not told (fluid, collapse or surgery?)."))


def _votes(lung: CoarseLung, known: LungModel, points: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Which lobe each member gives each block with lung: uint8 (blocks, members), 0 the lung's first lobe.

    Fills in ``probabilities`` around the lung, plane by plane.
    """
    ensemble = known.members(points).astype(np.float32).T
    box = bounding_box(lung.lung > 0)
    assert box is not None  # check_lungs has seen to it
    around = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in box)
    votes = []
    for k in range(around[0].start, min(around[0].stop, len(lung.lung))):
        z, y, x = lung.coordinates(k)
        plane = _parted(ensemble, z, y[:, around[1]], x[..., around[2]], lung.right)
        for number, lobe in enumerate(lung.lobes):
            share = (plane == number).sum(axis=-1, dtype=np.uint16) * (255.0 / plane.shape[-1])
            probabilities[lobe - 1, k][around[1:]] = np.rint(share)
        votes.append(plane[lung.lung[k][around[1:]] > 0])
    return np.concatenate(votes)


def _parted(ensemble: np.ndarray, z: np.ndarray, y: np.ndarray, x: np.ndarray, right: bool) -> np.ndarray:
    """The lobe in each member of ``ensemble`` (terms, members) at points of one plane: uint8 (y, x, members)."""
    height, terms = oblique_terms(z, y, x)
    below = terms[0].astype(np.float32) @ ensemble[:OBLIQUE_TERMS] > (height + 0 * x)[0][..., None]
    if not right:
        return below.view(np.uint8)
    height, terms = horizontal_terms(z, y, x)
    under = terms[0].astype(np.float32) @ ensemble[OBLIQUE_TERMS:] > height[0][..., None]
    return np.where(below, np.uint8(2), under.view(np.uint8))


def _decide(lung: CoarseLung, votes: np.ndarray, probabilities: np.ndarray) -> _PartedLung:
    inside = lung.lung > 0
    voxels = lung.lung[inside].astype(np.float32)
    shares = np.stack([probabilities[lobe - 1][inside] for lobe in lung.lobes], axis=1)
    held = [(votes == number).T.astype(np.float32) for number in range(len(lung.lobes))]
    counts = np.stack([member @ voxels for member in held], axis=1)
    weights = np.ones(len(lung.lobes))
    for _round in range(_ROUNDS):
        best = (shares * weights).argmax(axis=1)
        overlap = np.empty((votes.shape[1], len(lung.lobes)))
        for number, member in enumerate(held):
            own = voxels * (best == number)
            both = np.maximum(counts[:, number] + own.sum(), 1)
            overlap[:, number] = 2 * (member @ own) / both
        weights = 1 / np.maximum(overlap.mean(axis=0), _LEAST_OVERLAP) ** 2
    return _PartedLung(
        votes, best, weights, _whole(np.bincount(best, voxels, len(lung.lobes))), _whole(counts), overlap
    )


def _infected(lung: CoarseLung, parted: _PartedLung) -> tuple[np.ndarray, np.ndarray]:
    """Infected voxels in the lobes as shown (lobes), and in those of each member (members, lobes)."""
    infected = lung.infected[lung.lung > 0].astype(np.float32)
    where = np.flatnonzero(infected)
    infected, votes, numbers = infected[where], parted.votes[where], range(len(lung.lobes))
    members = np.stack([infected @ (votes == number).astype(np.float32) for number in numbers], axis=1)
    return _whole(np.bincount(parted.best[where], infected, len(numbers))), _whole(members)


def _whole(counts: np.ndarray) -> np.ndarray:
    return np.rint(counts).astype(np.int64)
