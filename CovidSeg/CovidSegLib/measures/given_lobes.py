"""Lobes that a user brings, and how they compare with those that CovidSeg estimates from the same lungs.

An estimate stays an estimate until somebody says that a reader has checked it, however much of it was changed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ..anatomy.flat_ends import LEAST_ML
from ..anatomy.lobe_estimate import EstimatedLobes, lobes_of_any_lungs
from ..anatomy.lobe_model import read_lobe_model
from ..anatomy.lobe_shape import BLOCK_MM, LEFT_LOBES, RIGHT_LOBES, coarse_lungs
from ..errors import InputError
from ..geometry.grid import Grid
from ..i18n import tr as _
from ..segmentation import Label, Lobe
from ..system.last_answer import LastAnswer
from .sided import sided_lungs

ALIKE = {LEFT_LOBES: 0.99, RIGHT_LOBES: 0.96}
"""Dice with the estimate from which on all lobes of a lung are that estimate, whatever they say of themselves. Lobes
that experts drew in 41 lungs, from which the model has learned, have up to 0.984 on the left and up to 0.937 on the
right, where the middle one is the least like."""


@dataclass(frozen=True)
class GivenLobes:
    """``lobes``: uint8 (K, J, I) of :class:`CovidSegLib.segmentation.Lobe`.

    ``estimated``: whether they say in any way that CovidSeg estimated them; ``checked``: whether somebody says that a
    reader has checked them. ``source``: which they are, for whoever brings them (in Slicer the id of their node).
    ``others``: what is tried in their stead, in this order, where they cannot be used (:mod:`.lobe_choice`).
    """

    lobes: np.ndarray
    estimated: bool = False
    checked: bool = False
    source: str = ""
    others: tuple[GivenLobes, ...] = ()

    def __post_init__(self) -> None:
        whole = np.issubdtype(self.lobes.dtype, np.integer)
        if not whole or (self.lobes.size and not 0 <= self.lobes.min() <= self.lobes.max() <= max(Lobe)):
            raise ValueError("lobes must be whole numbers from 0 to 5")


@dataclass(frozen=True)
class Comparison:
    """``counts`` (6, 6): voxels of lung in each lobe as estimated (first axis) and as given; 0 is no lobe."""

    counts: np.ndarray

    @property
    def changed(self) -> int:
        """Voxels of lung that are in another lobe, or in none."""
        return int(self.counts.sum() - np.trace(self.counts))

    @property
    def changed_percent(self) -> float:
        """The same as a share of the lungs."""
        return 100.0 * self.changed / max(int(self.counts.sum()), 1)

    @property
    def is_alike(self) -> bool:
        """Whether the lobes of either lung are so like the estimate that they can be nothing else.

        What lies in no lobe does not count: lobes may have been cropped.
        """
        return any(all(self._overlap(lobe) >= least for lobe in lobes) for lobes, least in ALIKE.items())

    def _overlap(self, lobe: Lobe) -> float:
        in_lobes = self.counts[:, 1:]
        either = in_lobes[lobe].sum() + in_lobes[:, lobe - 1].sum()
        return float(2 * in_lobes[lobe, lobe - 1] / either) if either else 0.0


_last_compared: LastAnswer[Comparison] = LastAnswer()
_last_own: LastAnswer[Comparison] = LastAnswer()
"""Of the lobes that were compared last: numbers follow after each edit of the infection."""


def compare_with_own(lobes: np.ndarray, grid: Grid) -> Comparison:
    """Compare ``lobes`` with those that are estimated from the lungs that they fill themselves.

    They are the lungs of the time when lobes were estimated, whatever became of the masks since. ``lobes``: uint8
    (K, J, I) of :class:`Lobe` on ``grid``. Raises InputError, with the reason, where they fill no two lungs, or
    ModelError.
    """
    question = hashlib.sha256(np.ascontiguousarray(lobes).data).digest(), lobes.shape, grid.affine.tobytes()
    return _last_own.to(question, lambda: _own(lobes, grid))


def _own(lobes: np.ndarray, grid: Grid) -> Comparison:
    table = np.zeros(len(Lobe) + 1, np.uint8)
    table[list(LEFT_LOBES)], table[list(RIGHT_LOBES)] = Label.LEFT_LUNG, Label.RIGHT_LUNG
    lungs = sided_lungs(table[lobes], grid)
    if lungs is None:
        raise _fill_no_lungs()
    codes, spacing = lungs.codes, lungs.grid.spacing
    for lung in coarse_lungs(codes, spacing):
        if lung.ml < LEAST_ML or (np.ptp(lung.frame, axis=1) < BLOCK_MM).any():
            raise _fill_no_lungs()
    return Comparison(
        _counts(grid.to_upright(lobes)[lungs.box], codes, lobes_of_any_lungs(codes, spacing, read_lobe_model()))
    )


def _fill_no_lungs() -> InputError:
    return InputError(_("They do not fill two lungs."))


def compare(lobes: np.ndarray, lungs: np.ndarray, found: EstimatedLobes) -> Comparison:
    """Compare ``lobes`` with those ``found`` in ``lungs``, voxel by voxel.

    ``lobes``: uint8 (z, y, x), upright, of :class:`Lobe`; ``lungs``: as :func:`.find_lobes` took them.
    """
    digest = hashlib.sha256(found.model[1].encode())
    for given, plane in zip(lobes, lungs, strict=True):
        digest.update(np.ascontiguousarray(given).data)
        digest.update(np.ascontiguousarray((plane > 0) + (plane & 1)).data)
    return _last_compared.to((digest.digest(), lobes.shape), lambda: Comparison(_counts(lobes, lungs, found)))


def _counts(lobes: np.ndarray, lungs: np.ndarray, found: EstimatedLobes) -> np.ndarray:
    size = len(Lobe) + 1
    counts = np.zeros(size * size, np.int64)
    for k, (given, plane) in enumerate(zip(lobes, lungs, strict=True)):
        inside = plane > 0
        if inside.any():
            pairs = found.plane(k, plane)[inside].astype(np.intp) * size + given[inside]
            counts += np.bincount(pairs, minlength=counts.size)
    return counts.reshape(size, size)
