"""From masks to all numbers of a scan: the one function that panel, command line and batch call."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from ..anatomy.flat_ends import flat_ends
from ..geometry.grid import Grid, read_only
from ..i18n import tr as _
from ..reading.verdict import Kind, Verdict, judge
from ..segmentation import Label
from .density import density, histograms
from .found import Found, find_all
from .given_lobes import GivenLobes
from .lesions import COUNTED_ML
from .lobe_numbers import LobeSubject, with_lobes
from .quantities import QUANTITIES
from .rules import Rules, ct_class, zone_score
from .severity import NO_INFECTION_KNOWN
from .sided import LEFT_CODES, RIGHT_CODES, Code, SidedLungs
from .stability import moved_edges
from .subject import Subject
from .values import EdgeMove, Measurements, Region, Zone
from .visibility import absence_flags, cut_faces, flat_end_flags, plausibility_flags, visibility_flags
from .zones import LEVELS, count_zones

_SIDES = (("right", RIGHT_CODES), ("left", LEFT_CODES))


def measure(
    labels: np.ndarray,
    grid: Grid,
    *,
    voxels: np.ndarray | None = None,
    lobes: np.ndarray | GivenLobes | None = None,
    absent: Collection[Label] = (),
    rules: Rules | None = None,
    stability: bool = False,
    found: Found | None = None,
    verdict: Verdict | None = None,
    infection_known: bool = True,
) -> Measurements:
    """All numbers of one scan, also after its labels were corrected by hand.

    ``labels``: uint8 (K, J, I) of :class:`CovidSegLib.segmentation.Label`; ``grid``: theirs, may be oblique.
    ``voxels``: the scan itself, int16 HU of the same shape, for the densities. ``lobes``: uint8 of
    :class:`.lobes.Lobe` of the same shape (of several, what :func:`.lobe_choice.in_order` gives); without them lobes
    are estimated from the shape of the lungs, and the score has a range. It has one, too, where they are CovidSeg's own
    estimate, corrected or not, unless :attr:`.given_lobes.GivenLobes.checked` says that a reader has checked them.
    ``absent``: labels without a segment (see :class:`CovidSegLib.segmentation.Segmentation`); such a lung has no
    percentage. ``stability``: also measure
    with the masks' edges moved by one voxel. ``found``: :func:`.found.find_all` of ``labels``, and ``verdict``:
    :func:`CovidSegLib.reading.verdict.judge` of ``voxels``, where they are known already; by it there are no densities
    of what is no HU. ``infection_known``: False where nobody may have looked for infection; then, and where its segment
    is absent, no score of lobes is told.
    Raises ValueError for arrays of different shapes.
    """
    rules = rules or Rules()
    given = GivenLobes(lobes) if isinstance(lobes, np.ndarray) else lobes
    offered = () if given is None else (given, *given.others)
    for other in (voxels, *(one.lobes for one in offered)):
        if other is not None and other.shape != labels.shape:
            raise ValueError(f"arrays of one grid are needed, not {labels.shape} and {other.shape}")
    labels = read_only(labels)
    voxels = None if voxels is None else read_only(voxels)
    verdict = None if voxels is None else verdict or judge(voxels, grid)
    refused = verdict.density_refused if verdict else ""
    told = verdict.told_with_numbers if verdict else ()
    found = found or find_all(labels, grid)
    lungs = found.lungs
    if lungs is None:
        nothing = np.zeros((len(Code), len(LEVELS)), np.int64)
        return replace(_of_zones(nothing, 0.0), density_refused=refused, rules=rules, flags=told)
    upright = grid.to_upright
    hounsfield = upright(voxels)[lungs.box] if voxels is not None else None
    is_shown = verdict is not None and verdict.kind is not Kind.SCALED  # else air may lie where padding does
    faces = cut_faces(lungs, hounsfield if is_shown else None, verdict.values.shift_hu if verdict else 0.0)
    ends = flat_ends(lungs.codes, lungs.grid.spacing)
    ending = {"right" if end.right else "left" for end in ends}
    ml = grid.voxel_ml
    pieces = [lesion for _number, lesion in found.lesions]
    measured = replace(
        _of_zones(count_zones(lungs.codes, lungs.grid), ml, absent),
        lesions=tuple(piece for piece in pieces if piece.ml >= COUNTED_ML),
        small_lesions=tuple(piece for piece in pieces if piece.ml < COUNTED_ML),
        density_refused=refused,
        partly_visible=tuple(side for side, names in faces.items() if names or side in ending),
        rules=rules,
        stability=_stability(lungs, ml, absent) if stability else (),
    )
    slices = lungs.shape[0]
    doubts = absence_flags(measured.left, measured.right)
    if slices > 1 and not doubts:
        doubts = plausibility_flags(measured.left, measured.right)
    # Two lungs in a single slice have no volumes to judge.
    plausible = False if doubts else True if slices > 1 else None
    flags = [*visibility_flags(faces, slices), *flat_end_flags(ends, faces), *doubts]
    unknown = "" if infection_known and Label.INFECTION not in absent else NO_INFECTION_KNOWN
    if unknown:
        flags.append(_("No infection is marked; where nobody looked for it, 0 %, CT-0 and a score of 0 mean nothing."))
    if hounsfield is not None and not refused:
        found_density = density(histograms(lungs.codes, hounsfield), ml, rules)
        without: dict[str, Any] = {f"{side}_mean_hu": None for side, codes in _SIDES if codes[0] in absent}
        measured = replace(measured, density=found_density and replace(found_density, **without))
    subject_of_lobes = LobeSubject(
        lungs, grid, found.memory.lobes, _no_estimate(absent, cut=any(faces.values())), unknown
    )
    measured, of_lobes = with_lobes(measured, given, subject_of_lobes)
    subject = Subject(lungs, None if refused else hounsfield, ml, rules)
    more = {quantity.path: quantity.measure(subject) for quantity in QUANTITIES if quantity.measure is not None}
    return replace(measured, plausible=plausible, flags=(*told, *flags, *of_lobes), more=more)


def _no_estimate(absent: Collection[Label], *, cut: bool) -> str:
    """Why lobes cannot be estimated, as far as that is known without a look at the lungs' shape."""
    if {Label.LEFT_LUNG, Label.RIGHT_LUNG} & set(absent):
        return _("There are not two lungs.")
    return _("The scan does not show both lungs whole.") if cut else ""


def _of_zones(counts: np.ndarray, ml: float, absent: Collection[Label] = ()) -> Measurements:
    """What follows from the voxels of each code in each third (:func:`.zones.count_zones`) and a voxel's volume."""
    regions: dict[str, Region] = {}
    zones = []
    for side, codes in _SIDES:
        lung, infection = counts[list(codes)].sum(axis=0) * ml, counts[codes[1]] * ml
        present = codes[0] not in absent
        regions[side] = Region.of(f"{side} lung", float(lung.sum()), float(infection.sum()), present=present)
        for level in (2, 1, 0):
            zones.append(_zone(side, LEVELS[level], float(lung[level]), float(infection[level]), present))
    total = Region.of(
        "both lungs",
        regions["left"].lung_ml + regions["right"].lung_ml,
        regions["left"].infection_ml + regions["right"].infection_ml,
        present=any(codes[0] not in absent for _side, codes in _SIDES),
    )
    percent = total.infection_percent
    return Measurements(
        total=total,
        left=regions["left"],
        right=regions["right"],
        zones=tuple(zones),
        zone_score=None if percent is None else sum(zone.score or 0 for zone in zones),
        ct_class=None if percent is None else ct_class(percent),
        lesions=(),
    )


def _zone(side: Any, level: Any, lung_ml: float, infection_ml: float, present: bool) -> Zone:
    name = f"{side} {level} zone"
    zone = Zone.of(name, lung_ml, infection_ml, present=present, score=None, side=side, level=level)
    percent = zone.infection_percent
    return replace(zone, score=None if percent is None else zone_score(percent))


def _stability(lungs: SidedLungs, ml: float, absent: Collection[Label]) -> tuple[EdgeMove, ...]:
    moves = []
    for mask, voxels, codes in moved_edges(lungs.codes):
        moved = _of_zones(count_zones(codes, lungs.grid), ml, absent)
        moves.append(
            EdgeMove(
                mask,
                voxels,
                moved.total.lung_ml,
                moved.total.infection_ml,
                moved.total.infection_percent,
                moved.left.infection_percent,
                moved.right.infection_percent,
                moved.zone_score,
                moved.ct_class,
            )
        )
    return tuple(moves)
