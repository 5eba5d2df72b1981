"""Whether lungs are such that their shape tells the lobes: both there, whole, and each on its own side."""

from __future__ import annotations

import numpy as np
import scipy

from ..errors import InputError
from ..i18n import tr as _
from .flat_ends import LEAST_ML, flat_ends
from .lobe_shape import CoarseLung
from .lung_dents import MOST_ML as MOST_DENTS_ML
from .lung_dents import dents_ml

CUT_MM2 = 100.0
"""A lung that touches a face of the scan with more than this counts as cut off; a tip that just ends there does not."""

MOST_ML = 5500.0
"""Of one lung. Those that the model has learned from have 0.5 to 5 L."""

LEAST_RATIO, LARGEST_RATIO = 0.5, 1.3
"""Left over right; outside one lung has collapsed, is displaced by fluid or was operated on."""

THICKEST_MM = 10.0
"""In thicker slices a lung has no shape: a lobe would be a few slices high."""

LEAST_APART_MM = 60.0
"""How far the centre of the left lung lies to the left of that of the right one, at least."""

MOST_ISLANDS = 0.005
"""Share of a lung that may lie apart from it; the network's lungs are in one piece."""

LEAST_FILLED = 0.95
"""Share of its inside that a mask fills; the network's lungs fill 0.99, drawn ones more."""

LEAST_CONTACT, FOREIGN_ML = 0.2, 5.0
"""Pieces of infection of so many mL have at least this share of their surface beside healthy lung. In 16 scans of
patients it is 0.64 and more; a windpipe that a labelmap has under the same value has next to none."""

MIDDLE_SHARE = 0.25
"""Such a piece counts as foreign within this share of the way between the lungs' centres from the middle: the tip of a
lung that is wholly infected touches little healthy lung too."""


def check_marked(left: CoarseLung, right: CoarseLung) -> None:
    """Raise InputError, with the reason, where a lung is missing, in pieces, or another structure is marked as it."""
    if not left.ml or not right.ml:
        raise InputError(_("There are not two lungs."))
    _check_foreign(left, right)
    for lung in (left, right):
        _check_pieces(lung)


def check_whole(lungs: np.ndarray, spacing_mm: tuple[float, float, float]) -> None:
    """Raise InputError for lungs that are cut off, by a plane of the array or inside of it, or in slices too thick.

    ``lungs``: uint8 (z, y, x), upright: odd in the left lung, even in the right one, 0 outside; ``spacing_mm``: x,
    y, z.
    """
    if spacing_mm[2] > THICKEST_MM:
        raise InputError(_("The slices are too thick to tell lobes from the shape of the lungs."))
    sizes = np.array(spacing_mm[::-1])
    for axis in range(3):
        area = float(np.prod(np.delete(sizes, axis)))
        for face in (0, -1):
            plane = np.take(lungs, face, axis=axis)
            left = np.count_nonzero(plane & 1)
            if max(left, np.count_nonzero(plane) - left) * area > CUT_MM2:
                raise InputError(_("The scan does not show both lungs whole."))
    for end in flat_ends(lungs, spacing_mm):
        raise InputError(end.sentence)


def check_uncut(left: CoarseLung, right: CoarseLung) -> None:
    """Raise InputError for lungs without any infection that have dents where infection was cut out, perhaps."""
    if left.infected.any() or right.infected.any():
        return
    for lung in (left, right):
        missing = dents_ml(lung)
        if missing > MOST_DENTS_ML:
            of_left = _("The mask of the left lung lacks {ml} mL at its outer side: was infection cut out of it?")
            of_right = _("The mask of the right lung lacks {ml} mL at its outer side: was infection cut out of it?")
            raise InputError(_say(lung, of_left, of_right, ml=f"{missing:.0f}"))


def check_lungs(left: CoarseLung, right: CoarseLung) -> None:
    """Raise InputError, with the reason, for lungs of unusual sizes, on the wrong sides, or with holes."""
    for lung in (left, right):
        if lung.ml < LEAST_ML:
            of_left, of_right = _("The left lung is too small ({ml} mL)."), _("The right lung is too small ({ml} mL).")
            raise InputError(_say(lung, of_left, of_right, ml=f"{lung.ml:.0f}"))
        if lung.ml > MOST_ML:
            of_left, of_right = _("The left lung is too large ({ml} mL)."), _("The right lung is too large ({ml} mL).")
            raise InputError(_say(lung, of_left, of_right, ml=f"{lung.ml:.0f}"))
    if _column(left) - _column(right) < LEAST_APART_MM:
        raise InputError(_("The lungs do not lie side by side, the left one on the left: are the sides right?"))
    for lung in (left, right):
        _check_filled(lung)
    if not LEAST_RATIO <= left.ml / right.ml <= LARGEST_RATIO:
        raise InputError(_("One lung is much smaller than the other (fluid, collapse or surgery?)."))


def _say(lung: CoarseLung, of_left: str, of_right: str, **numbers: str) -> str:
    return (of_right if lung.right else of_left).format(**numbers)


def _column(lung: CoarseLung) -> float:
    """Where the lung's centre lies from right to left, in mm."""
    counts = lung.lung.sum(axis=(0, 1))
    return float(np.average(np.arange(len(counts)), weights=counts) * lung.size_mm[2])


def _check_foreign(left: CoarseLung, right: CoarseLung) -> None:
    """Raise InputError where what counts as infection lies beside the lungs: another structure under its value."""
    infected = left.infected + right.infected
    healthy = left.lung + right.lung - infected
    pieces, count = scipy.ndimage.label(np.pad(infected > healthy, 1))
    ml_each = float(np.prod(left.size_mm) / np.prod(left.steps) / 1000)
    volumes = scipy.ndimage.sum(np.pad(infected, 1), pieces, range(1, count + 1)) * ml_each
    lung = np.pad(healthy > infected, 1)
    middle, reach = (_column(left) + _column(right)) / 2, MIDDLE_SHARE * (_column(left) - _column(right))
    for number in np.flatnonzero(volumes > FOREIGN_ML):
        column = (np.argwhere(pieces == number + 1)[:, 2].mean() - 1) * left.size_mm[2]
        if abs(column - middle) < reach and _contact(pieces == number + 1, lung) < LEAST_CONTACT:
            text = _(
                "{ml} mL that are marked as infection lie beside the lungs: does their value mean another structure?"
            )
            raise InputError(text.format(ml=f"{volumes[number]:.0f}"))


def _contact(piece: np.ndarray, lung: np.ndarray) -> float:
    """Share of the surface of ``piece`` that has ``lung`` beside it; both bool (z, y, x) with an empty rim."""
    surface = beside = 0
    for axis in range(3):
        for step in (1, -1):
            face = piece & ~np.roll(piece, step, axis)
            surface += int(np.count_nonzero(face))
            beside += int(np.count_nonzero(face & np.roll(lung, step, axis)))
    return beside / max(surface, 1)


def _check_pieces(lung: CoarseLung) -> None:
    pieces, count = scipy.ndimage.label(lung.lung > 0, np.ones((3, 3, 3)))
    volumes = scipy.ndimage.sum(lung.lung, pieces, range(1, count + 1))
    apart = 1 - volumes.max() / volumes.sum()
    if apart > MOST_ISLANDS:
        of_left = _("{percent} % of the left lung lie apart from it: are the sides right?")
        of_right = _("{percent} % of the right lung lie apart from it: are the sides right?")
        raise InputError(_say(lung, of_left, of_right, percent=f"{100 * apart:.1f}"))


def _check_filled(lung: CoarseLung) -> None:
    """Raise InputError for a mask with holes: what is missing inside (vessels, dense infection) changes its shape."""
    filled = scipy.ndimage.binary_fill_holes(scipy.ndimage.binary_closing(np.pad(lung.lung > 0, 2)))
    inside = scipy.ndimage.binary_erosion(filled)[2:-2, 2:-2, 2:-2]
    voxels = np.count_nonzero(inside) * np.prod(lung.steps)
    if voxels and lung.lung[inside].sum() / voxels < LEAST_FILLED:
        raise InputError(
            _("The mask of the right lung has holes (vessels or dense infection that are left out?).")
            if lung.right
            else _("The mask of the left lung has holes (vessels or dense infection that are left out?).")
        )
