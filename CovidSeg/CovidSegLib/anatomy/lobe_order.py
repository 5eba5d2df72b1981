"""Whether lobes lie as lobes do: each on its own side, the upper ones above, the middle one in front of the lower."""

from __future__ import annotations

import numpy as np

from ..i18n import tr as _
from ..segmentation import Lobe
from .lobe_shape import LEFT_LOBES, RIGHT_LOBES

SAMPLE_MM = 3.0
"""Distance of the samples by which the lobes' centres are found."""

LEAST_ML = 20.0
"""Less of a lobe has no place that could be judged."""

UPPER_BELOW = 0.08
"""By more than this share of the lung's height the centre of the upper lobe lies below that of the lower one where the
two are exchanged. In 41 drawn pairs of lungs it lies above it, by 0.16 and more."""

MIDDLE_BEHIND = 0.15
"""The same for the middle lobe behind the lower one, as a share of the lung's depth. In the drawn lungs it lies in
front by 0.10 and more, in one 0.02 behind."""

MIDDLE_ABOVE = 0.18
"""The same for the middle lobe above the upper one. In the drawn lungs it lies below by 0.15 and more, in one, that was
drawn unlike all others, 0.15 above."""

CUT_MM2 = 1000.0
"""A lobe of which a face of the scan shows more counts as cut off; the tip of one that just ends there does not."""

LEAST_MM = 18.0
"""And by more than this: where a scan shows the lowest part of a lung alone, the centres lie close to each other."""


def lobes_out_of_place(lobes: np.ndarray, spacing_mm: tuple[float, float, float]) -> str:
    """Why these can be no lobes, in a sentence: two are exchanged, or the scan is turned round. Else "".

    ``lobes``: uint8 (z, y, x), upright (axes to head, back, left), of :class:`Lobe`, also fewer than five;
    ``spacing_mm``: upright x, y, z. Only what is told safely by the lobes' centres is told.
    """
    steps = [max(1, int(SAMPLE_MM / mm)) for mm in spacing_mm[::-1]]
    sampled = lobes[tuple(slice(None, None, step) for step in steps)]
    size = np.array([step * mm for step, mm in zip(steps, spacing_mm[::-1], strict=True)])
    least = max(1, int(1000 * LEAST_ML / size.prod()))
    points = {lobe: np.argwhere(sampled == lobe) * size for lobe in Lobe}
    centres = {lobe: places.mean(axis=0) for lobe, places in points.items() if len(places) >= least}
    cut = _cut(lobes, spacing_mm)
    for right in (True, False):
        own = [lobe for lobe in (RIGHT_LOBES if right else LEFT_LOBES) if lobe in centres]
        if own:
            extent = np.ptp(np.concatenate([points[lobe] for lobe in own]), axis=0) + size
            reason = _order({lobe: centres[lobe] for lobe in own}, extent, cut)
            if reason:
                return reason
    return _sides(centres)


def _sides(centres: dict[Lobe, np.ndarray]) -> str:
    left, right = ([centres[lobe][2] for lobe in lobes if lobe in centres] for lobes in (LEFT_LOBES, RIGHT_LOBES))
    if left and right and min(left) <= max(right):
        return _("Its left lobes do not lie to the left of its right ones: are the sides, or two lobes, exchanged?")
    return ""


def _cut(lobes: np.ndarray, spacing_mm: tuple[float, float, float]) -> set[Lobe]:
    """The lobes that the scan cuts off: what is left of the middle one may lie above or behind its neighbours."""
    cut = set()
    for axis in range(3):
        area = float(np.prod(np.delete(spacing_mm[::-1], axis)))
        for face in (0, -1):
            counts = np.bincount(np.take(lobes, face, axis=axis).ravel(), minlength=len(Lobe) + 1)
            cut |= {lobe for lobe in Lobe if counts[lobe] * area > CUT_MM2}
    return cut


def _order(centres: dict[Lobe, np.ndarray], extent: np.ndarray, cut: set[Lobe]) -> str:
    """``centres``: of the lobes of one lung, ``extent``: of that lung (z, y, x), all in mm; ``cut``: cut off ones."""
    pairs = (
        (Lobe.RIGHT_UPPER, Lobe.RIGHT_LOWER, 0, UPPER_BELOW),
        (Lobe.LEFT_UPPER, Lobe.LEFT_LOWER, 0, UPPER_BELOW),
        (Lobe.RIGHT_LOWER, Lobe.RIGHT_MIDDLE, 1, MIDDLE_BEHIND),
        (Lobe.RIGHT_UPPER, Lobe.RIGHT_MIDDLE, 0, MIDDLE_ABOVE),
    )
    said = (
        _("Its right upper lobe lies below the right lower one: are the two exchanged?"),
        _("Its left upper lobe lies below the left lower one: are the two exchanged?"),
        _("Its right middle lobe lies behind the right lower one: are the two exchanged?"),
        _("Its right middle lobe lies above the right upper one: are the two exchanged?"),
    )
    for (first, second, axis, share), text in zip(pairs, said, strict=True):
        if second == Lobe.RIGHT_MIDDLE and cut & {first, second}:
            continue
        if first in centres and second in centres:
            mm = centres[second][axis] - centres[first][axis]
            if mm > max(share * extent[axis], LEAST_MM):
                return text
    return ""
