"""Which of several lobe segmentations of one scan is used: the one rule, for files and for the scene of Slicer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ..anatomy.lobe_order import lobes_out_of_place
from ..geometry.grid import Grid
from ..i18n import tr as _
from .given_lobes import GivenLobes
from .lobes import measure_lobes
from .sided import SidedLungs
from .values import LobeRegion


@dataclass(frozen=True)
class LobesOfLungs:
    """Lobes that can be used.

    ``part``: uint8 (z, y, x) of :class:`CovidSegLib.segmentation.Lobe`, upright, in the box of the lungs; ``regions``
    and ``flags``: see :func:`.lobes.measure_lobes`.
    """

    given: GivenLobes
    part: np.ndarray
    regions: tuple[LobeRegion, ...]
    flags: tuple[str, ...]


def in_order(offered: Iterable[GivenLobes]) -> GivenLobes | None:
    """The first to be tried of what is ``offered``, with all others behind it; None where nothing is.

    Lobes without a sign of an estimate come first, then an estimate that a reader has checked, then others. Within
    these they stay in their order.
    """
    ranked = sorted(offered, key=_rank)
    return replace(ranked[0], others=tuple(ranked[1:])) if ranked else None


def choose_lobes(given: GivenLobes, lungs: SidedLungs, grid: Grid) -> tuple[LobesOfLungs | None, list[str]]:
    """The first of ``given`` and its others that lies as lobes do and on the ``lungs``; and what is to be said of it.

    Those that do not are passed over, each with its reason. Where others could have been used it is told which was.
    ``grid``: that of the lobes.
    """
    usable: list[LobesOfLungs] = []
    said: list[str] = []
    text = (
        _("One lobe segmentation is not used. {reason}")
        if given.others
        else _("The lobe segmentation is not used. {reason}")
    )
    for one in (given, *given.others):
        found = _on_lungs(one, lungs, grid)
        if isinstance(found, LobesOfLungs):
            usable.append(found)
        else:
            said.append(text.format(reason=found))
    if len(usable) > 1:
        said.append(_which(usable[0].given, len(usable)))
    return (usable[0] if usable else None), said


def _on_lungs(given: GivenLobes, lungs: SidedLungs, grid: Grid) -> LobesOfLungs | str:
    """The lobes in the box of the lungs, or why they cannot be used."""
    part = grid.to_upright(given.lobes)[lungs.box]
    reason = lobes_out_of_place(part, lungs.grid.spacing)
    if reason:
        return reason
    regions, flags = measure_lobes(lungs.codes, part, grid.voxel_ml)
    return LobesOfLungs(given, part, regions, tuple(flags)) if regions else flags[0]


def _rank(given: GivenLobes) -> int:
    return 0 if not given.estimated else 1 if given.checked else 2


def _which(used: GivenLobes, count: int) -> str:
    text = (
        _("There are {count} lobe segmentations of this scan. One that bears no sign of an estimate is used."),
        _("There are {count} lobe segmentations of this scan. An estimate that a reader has checked is used."),
        _("There are {count} lobe segmentations of this scan. One of CovidSeg's estimates is used."),
    )[_rank(used)]
    return text.format(count=count)
