"""Whether a lung ends in a flat face inside the scan, as one does that was cut off; a whole lung ends in a tip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..i18n import tr as _

REACH_MM = 12.0
"""How far inside the lung its section is taken that the last one is compared with."""

FLAT_SHARE = 0.6
"""An end whose section is at least this share of the one :data:`REACH_MM` further in is flat. In 41 drawn pairs of
lungs no whole one has more than 0.55 at an end (slices of 2 to 11 mm); without their last 5 % nearly all have."""

BEYOND_SHARE = 0.3
"""At an end the next section is smaller than this share: a few voxels that a network left there hide no flat face."""

LEAST_MM2 = 100.0
"""A smaller section is a tip."""

LEAST_ML = 400.0
"""Less is no lung whose shape can be judged."""


SAMPLE_MM = 3.0
"""Distance of the samples by which a section is measured."""


@dataclass(frozen=True)
class FlatEnd:
    """Which lung ends flat, and where: ``axis`` 0 (z), 1 (y) or 2 (x), at its ``last`` plane or at its first."""

    right: bool
    axis: int
    last: bool

    @property
    def sentence(self) -> str:
        """What is said of it."""
        text = (
            _("The right lung ends in a flat face at its {end} end (cut off, or fluid there?).")
            if self.right
            else _("The left lung ends in a flat face at its {end} end (cut off, or fluid there?).")
        )
        ends = ((_("lower"), _("upper")), (_("front"), _("back")), (_("right"), _("left")))
        return text.format(end=ends[self.axis][self.last])


def flat_ends(lungs: np.ndarray, spacing_mm: tuple[float, float, float]) -> tuple[FlatEnd, ...]:
    """The flat ends of both lungs inside the array; what ends at a face of the array is left out.

    ``lungs``: uint8 (z, y, x), upright (axes to head, back, left): odd in the left lung, even in the right one, 0
    outside; ``spacing_mm``: upright x, y, z.
    """
    sizes = np.array(spacing_mm[::-1])
    found = []
    for axis in range(3):
        for right, areas in enumerate(_sections(lungs, sizes, axis)):
            if areas.sum() * sizes[axis] < 1000 * LEAST_ML:
                continue
            for last, inwards in ((False, areas), (True, areas[::-1])):
                if _is_flat(inwards, float(sizes[axis])):
                    found.append(FlatEnd(bool(right), axis, last))
    return tuple(found)


def _sections(lungs: np.ndarray, sizes: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Areas in mm2 of the left and of the right lung in each plane along ``axis``, by samples ``SAMPLE_MM`` apart."""
    steps = [max(1, int(SAMPLE_MM / size)) for size in sizes]
    some = lungs[tuple(slice(None, None, 1 if number == axis else step) for number, step in enumerate(steps))]
    others = tuple(number for number in range(3) if number != axis)
    mm2 = float(np.prod([sizes[other] * steps[other] for other in others]))
    planes = np.ascontiguousarray(np.moveaxis(some, axis, 0)).reshape(lungs.shape[axis], -1)
    left = planes & 1
    in_left, in_both = (np.count_nonzero(part, axis=1) for part in (left, planes))
    return in_left * mm2, (in_both - in_left) * mm2


def _is_flat(areas: np.ndarray, step_mm: float) -> bool:
    """Whether the sections ``areas`` (mm2, in steps of ``step_mm``) begin, after nothing or little, with a flat one."""
    places = np.flatnonzero(areas)
    first, end = int(places[0]), int(places[-1]) + 1
    reach = max(2, int(np.ceil(REACH_MM / step_mm)))
    last = first + (end - first) // 2
    if not first or last + reach >= end:
        return False  # at the array's face, or too few slices to tell
    own, beyond, inside = areas[first:last], areas[first - 1 : last - 1], areas[first + reach : last + reach]
    return bool(((own > LEAST_MM2) & (beyond <= BEYOND_SHARE * own) & (own >= FLAT_SHARE * inside)).any())
