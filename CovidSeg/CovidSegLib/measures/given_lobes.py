"""Lobes that a user brings: whose they are, where CovidSeg itself estimated them first and a reader went on from there.

A reader's lobes give a score without a range. An estimate of which a handful of voxels was changed is no reader's work.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ..anatomy.lobe_model import read_lobe_model
from ..anatomy.lobe_shape import LEFT_LOBES
from ..errors import CovidSegError, InputError
from ..geometry.grid import Grid
from ..i18n import tr as _
from ..segmentation import Label
from ..system.last_answer import LastAnswer
from ..words import in_ml
from .lobe_map import estimated_lobe_map

LEAST_CHANGED = 0.01
"""Share of the lungs that a reader has moved from one lobe to another, at least: a fissure moved by 2 mm or so."""

_SHA256_LENGTH = 64


@dataclass(frozen=True)
class GivenLobes:
    """``lobes``: uint8 (K, J, I) of :class:`CovidSegLib.segmentation.Lobe`.

    ``estimated``: whether they say that CovidSeg estimated them, ``model``: the SHA-256 of the model, if they tell;
    ``confirmed``: whether a reader marked all of them as completed.
    """

    lobes: np.ndarray
    estimated: bool = False
    model: str = ""
    confirmed: bool = False

    def notes(self, grid: Grid) -> tuple[str, ...]:
        """What a reader of their score should know, as sentences. ``grid``: where they lie.

        Raises InputError where they are CovidSeg's estimate still, and where that cannot be told.
        """
        if not self.estimated:
            return ()
        if self.confirmed:
            return (_("The lobes are CovidSeg's estimate, which a reader marked as completed."),)
        if len(self.model) == _SHA256_LENGTH and self.model != read_lobe_model().sha256:
            raise InputError(
                _("The lobes were estimated with another model: what a reader corrected cannot be told."), _again()
            )
        voxels, changed = _compared(self.lobes, grid)
        ml = in_ml(changed * grid.voxel_ml)
        if changed < LEAST_CHANGED * voxels:
            text = _("The lobes were estimated by CovidSeg, and nobody has corrected them.")
            if changed:
                text = _("The lobes were estimated by CovidSeg, and hardly anything of them was corrected ({ml}).")
            raise InputError(text.format(ml=ml), _leave_out())
        text = _("The lobes are CovidSeg's estimate, in which a reader changed {ml} ({percent} % of the lungs).")
        return (text.format(ml=ml, percent=f"{100 * changed / voxels:.1f}"),)


_last_compared: LastAnswer[tuple[int, int]] = LastAnswer()
"""Of the lobes that were compared last, known by their voxels and their grid: numbers follow after each edit."""


def _compared(lobes: np.ndarray, grid: Grid) -> tuple[int, int]:
    """As :func:`_compare`, which takes a second, once for the same lobes on the same grid."""
    voxels = hashlib.sha256(np.ascontiguousarray(lobes).data).digest()
    return _last_compared.to((voxels, lobes.shape, grid.affine.tobytes()), lambda: _compare(lobes, grid))


def _compare(lobes: np.ndarray, grid: Grid) -> tuple[int, int]:
    """Voxels of all lobes, and those that an estimate from the same lungs has in another lobe. Raises InputError."""
    lungs = np.where(np.isin(lobes, LEFT_LOBES), Label.LEFT_LUNG, Label.RIGHT_LUNG).astype(np.uint8)
    lungs[lobes == 0] = Label.BACKGROUND
    try:
        estimated = estimated_lobe_map(lungs, grid).lobes
    except CovidSegError as error:
        text = _("The lobes were estimated by CovidSeg, and what a reader corrected cannot be told. {reason}")
        raise InputError(text.format(reason=error.sentence), _again()) from error
    return int(np.count_nonzero(lungs)), int(np.count_nonzero(estimated != lobes))


def _again() -> str:
    return _("Estimate them again, or mark all of them as completed in Slicer once they are right.")


def _leave_out() -> str:
    return _(
        "Leave them out: the score of estimated lobes is given with its range. If you have looked and they are right, "
        "mark all of them as completed in Slicer."
    )
