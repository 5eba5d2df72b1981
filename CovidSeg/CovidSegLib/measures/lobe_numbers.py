"""What is told of lobes: of an estimate, of lobes that a user brings, and of an estimate that a user brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..anatomy.lobe_estimate import EstimatedLobes, PartedLungs, find_lobes
from ..errors import InputError, ModelError
from ..geometry.grid import Grid
from ..i18n import tr as _
from ..system.last_answer import LastAnswer
from ..words import in_ml
from .given_lobes import Comparison, GivenLobes, compare, compare_with_own
from .lobe_choice import LobesOfLungs, choose_lobes
from .lobes import lobe_total
from .severity import severity_of, widened
from .sided import SidedLungs
from .values import LobeRegion, Measurements


@dataclass(frozen=True)
class LobeSubject:
    """What lobes are told of.

    ``lungs``: of one scan, on ``grid``; ``last``: see :func:`CovidSegLib.anatomy.lobe_estimate.find_lobes`;
    ``no_estimate``: why lobes cannot be estimated, where that is known before; ``no_score``: why infection has no
    score, whatever the lobes.
    """

    lungs: SidedLungs
    grid: Grid
    last: LastAnswer[PartedLungs]
    no_estimate: str = ""
    no_score: str = ""

    def estimate(self) -> tuple[EstimatedLobes | None, str]:
        """The lobes as they are estimated from the lungs, or why they cannot be."""
        if self.no_estimate:
            return None, self.no_estimate
        try:
            codes = self.lungs.codes.astype(np.uint8, copy=False)
            return find_lobes(codes, self.lungs.grid.spacing, last=self.last), ""
        except InputError as error:
            return None, error.sentence
        except ModelError as error:
            return None, str(error)


def with_lobes(
    measured: Measurements, given: GivenLobes | None, subject: LobeSubject
) -> tuple[Measurements, Sequence[str]]:
    """``measured`` with the numbers of lobes, or the reason why there are none; and what a reader of them should know.

    ``given``: lobes that a user brings, on the grid of the ``subject``.
    """
    chosen, flags = (None, []) if given is None else choose_lobes(given, subject.lungs, subject.grid)
    if chosen is not None:
        measured, more = _of_given(measured, chosen, subject)
        return replace(measured, lobes_from=chosen.given.source), [*flags, *more]
    reason = subject.no_estimate or subject.no_score
    found, reason = (None, reason) if reason else subject.estimate()
    if found is None:
        return replace(measured, severity_refused=reason), flags
    return replace(measured, severity=severity_of(found, subject.grid.voxel_ml), lobes_are="estimated"), flags


def _of_given(measured: Measurements, chosen: LobesOfLungs, subject: LobeSubject) -> tuple[Measurements, Sequence[str]]:
    """As :func:`with_lobes`, of those that were ``chosen``."""
    given, regions, flags = chosen.given, chosen.regions, chosen.flags
    found, reason = subject.estimate()
    told = _compare(chosen, found, subject)
    is_estimate = given.estimated or told.is_alike
    if is_estimate and not given.checked:
        said = [_whose(chosen, found, told, subject), *flags]
        return _of_estimate(measured, regions, found, told.nearest, subject, reason or " ".join(flags)), said
    if told.nearest is None and not given.checked:
        text = _("It could not be told whether these lobes are CovidSeg's estimate. {reason}")
        flags = (text.format(reason=told.reason), *flags)
    if subject.no_score:
        regions = tuple(replace(region, score=None) for region in regions)
    total = lobe_total(regions)
    refused = "" if total is not None else subject.no_score or " ".join(chosen.flags)
    measured = replace(measured, lobes=regions, lobe_score=total, severity_refused=refused, lobes_are="given")
    if is_estimate:
        measured = replace(measured, lobes_are="estimated, then checked by a reader")
        flags = (_("The lobes are CovidSeg's estimate, which a reader has checked."), *flags)
    return measured, flags


@dataclass(frozen=True)
class _Told:
    """What a comparison with the estimate tells: ``own`` from the lungs that the lobes fill, ``now`` from the lungs.

    ``reason``: why there is no ``own``.
    """

    own: Comparison | None
    now: Comparison | None
    reason: str = ""

    @property
    def is_alike(self) -> bool:
        return any(one is not None and one.is_alike for one in (self.own, self.now))

    @property
    def nearest(self) -> Comparison | None:
        """That with less changed: lungs may have been corrected since, or lobes be cropped."""
        known = [one for one in (self.own, self.now) if one is not None]
        return min(known, key=lambda one: one.changed, default=None)


def _compare(chosen: LobesOfLungs, found: EstimatedLobes | None, subject: LobeSubject) -> _Told:
    own, reason = None, ""
    try:
        own = compare_with_own(chosen.given.lobes, subject.grid)
    except InputError as error:
        reason = error.sentence
    except ModelError as error:
        reason = str(error)
    if found is None or (own is not None and not own.changed):
        return _Told(own, None, reason)
    return _Told(own, compare(chosen.part, subject.lungs.codes, found), reason)


def _of_estimate(
    measured: Measurements,
    regions: tuple[LobeRegion, ...],
    found: EstimatedLobes | None,
    compared: Comparison | None,
    subject: LobeSubject,
    reason: str,
) -> Measurements:
    """The score of lobes that CovidSeg estimated, as they are now: with the range of an estimate from the same lungs.

    ``reason``: why there is no such estimate, or what the lobes lack.
    """
    corrected = compared is not None and compared.changed > 0
    measured = replace(measured, lobes_are="estimated, corrected" if corrected else "estimated")
    total = lobe_total(regions)
    if subject.no_score or found is None or total is None:
        return replace(measured, severity_refused=subject.no_score or reason)
    severity = severity_of(found, subject.grid.voxel_ml)
    return replace(measured, severity=widened(severity, regions, total) if corrected else severity)


CHANGED_LUNGS = 0.01
"""What lies either in a lung or in a lobe, as a share of the lungs: from more on that is told of an estimate."""


def _whose(chosen: LobesOfLungs, found: EstimatedLobes | None, told: _Told, subject: LobeSubject) -> str:
    """That lobes are an estimate, by what that is known, how much of it was changed, and what a reader can do."""
    compared = told.nearest
    said = (
        _("The lobes that were given are CovidSeg's estimate.")
        if chosen.given.estimated
        else _("The lobes that were given do not say so, but they are those that CovidSeg estimates.")
    )
    more = []
    if compared is not None and compared.changed:
        ml, percent = in_ml(compared.changed * subject.grid.voxel_ml), f"{compared.changed_percent:.1f}"
        more.append(_("{ml} of them ({percent} % of the lungs) changed.").format(ml=ml, percent=percent))
    if compared is told.own and _has_all_lobes(chosen) and _changed_lungs(chosen, subject) > CHANGED_LUNGS:
        more.append(_("The lungs changed since the lobes were estimated."))
    if found is None:
        more.append(_("From the lungs as they are now there is no estimate."))
    until = _(
        "They count as estimated until you say that a reader has checked them (covidseg report --lobes-checked; in "
        "Slicer: mark all as completed)."
    )
    return " ".join([said, *more, until])


def _has_all_lobes(chosen: LobesOfLungs) -> bool:
    """Whether none was taken out: what it held is in no lobe, and in the lungs as before."""
    return all(region.lung_ml > 0 for region in chosen.regions)


def _changed_lungs(chosen: LobesOfLungs, subject: LobeSubject) -> float:
    """How much lies either in a lung or in a lobe, as a share of the lungs."""
    pairs = [
        (np.count_nonzero(codes), np.count_nonzero(lobes), np.count_nonzero((codes > 0) & (lobes > 0)))
        for codes, lobes in zip(subject.lungs.codes, chosen.part, strict=True)
    ]
    lung, lobe, both = np.sum(pairs, axis=0)
    outside = np.count_nonzero(chosen.given.lobes) - lobe  # of the box of the lungs
    return float((lung + lobe - 2 * both + outside) / lung)
