"""Lobes of another program's segmentation: which they are is told by their DICOM codes, never by their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..i18n import tr as _
from ..segmentation import Lobe
from .rules import lobe_score
from .sided import Code
from .values import LobeRegion

_LEFT, _RIGHT = "7771000", "24028007"
_UPPER, _MIDDLE, _LOWER = "45653009", "40020002", "90572001"

_CODES = {
    # Type and modifier, as TotalSegmentator and Slicer's own lists encode lobes.
    (_UPPER, _RIGHT): Lobe.RIGHT_UPPER,
    (_UPPER, _LEFT): Lobe.LEFT_UPPER,
    (_MIDDLE, _RIGHT): Lobe.RIGHT_MIDDLE,
    (_LOWER, _RIGHT): Lobe.RIGHT_LOWER,
    (_LOWER, _LEFT): Lobe.LEFT_LOWER,
    # One code for lobe and side (SNOMED CT; the middle lobe's is in DICOM's own dictionary).
    ("42400003", ""): Lobe.RIGHT_UPPER,
    ("72481006", ""): Lobe.RIGHT_MIDDLE,
    ("266005", ""): Lobe.RIGHT_LOWER,
    ("44714003", ""): Lobe.LEFT_UPPER,
    ("41224006", ""): Lobe.LEFT_LOWER,
}
_SCHEMES = ("SCT", "SNOMED-CT", "http://snomed.info/sct")
_KNOWN_TYPES = {kind for kind, _ in _CODES}

MISSING_SHARE = 0.05
"""A lobe map that leaves out more of the lungs than this is flagged."""

MOST_MISSING = 0.25
"""One that leaves out more than this, as one of a cropped scan does, has no scores: they would be of another organ."""


def lobe_of_codes(scheme: str, type_code: str, modifier_code: str = "") -> Lobe | None:
    """The lobe that a segment's SNOMED CT property type and type modifier mean, or None."""
    if scheme not in _SCHEMES or type_code not in _KNOWN_TYPES:
        return None
    return _CODES.get((type_code, modifier_code)) or _CODES.get((type_code, ""))


def lobe_of_terminology(entry: str) -> Lobe | None:
    """The lobe that a segment's terminology entry (Slicer's ``context~category~type~modifier~...``) means, or None.

    By type and modifier; where those only say "lung", by the anatomic region, as in a DICOM SEG.
    """
    codes = [[*part.split("^"), "", ""][:2] for part in entry.split("~")]
    for type_place, modifier_place in ((2, 3), (5, 6)):
        if modifier_place < len(codes):
            scheme, kind = codes[type_place]
            lobe = lobe_of_codes(scheme, kind, codes[modifier_place][1] or codes[3][1])
            if lobe is not None:
                return lobe
    return None


def measure_lobes(codes: np.ndarray, lobes: np.ndarray, voxel_ml: float) -> tuple[tuple[LobeRegion, ...], list[str]]:
    """Lung and infection in each lobe, and what is odd about the lobe map.

    ``codes``: uint8 (z, y, x) of :class:`Code`; ``lobes``: uint8 of :class:`Lobe` on the same grid. Counted is what is
    lung and lobe; without any lobe there are no regions, and the sentence says why.
    """
    keys = np.zeros(len(Code) * (len(Lobe) + 1), np.int64)
    for plane, parts in zip(codes, lobes, strict=True):
        keys += np.bincount((plane.astype(np.intp) * (len(Lobe) + 1) + parts).ravel(), minlength=keys.size)
    counts = keys.reshape(len(Code), len(Lobe) + 1)
    lung = counts[Code.LEFT :].sum(axis=0)
    infected = counts[Code.LEFT_INFECTED :].sum(axis=0)
    if not lung[1:].any():
        return (), [_("It does not lie on the lungs.")]
    regions = tuple(_region(lobe, lung[lobe] * voxel_ml, infected[lobe] * voxel_ml) for lobe in Lobe)
    flags = [_missing(lobe) for lobe in Lobe if not lung[lobe]]
    missing = lung[0] / lung.sum()
    if missing > MISSING_SHARE:
        text = _("{percent} % of the lungs belong to no lobe of the lobe segmentation.")
        if missing > MOST_MISSING:
            text = _("{percent} % of the lungs belong to no lobe of the lobe segmentation: it gives no score.")
            regions = tuple(replace(region, score=None) for region in regions)
        flags.append(text.format(percent=f"{100 * missing:.0f}"))
    return regions, flags


def _missing(lobe: Lobe) -> str:
    return {
        Lobe.RIGHT_UPPER: _("The lobe segmentation has no right upper lobe."),
        Lobe.RIGHT_MIDDLE: _("The lobe segmentation has no right middle lobe."),
        Lobe.RIGHT_LOWER: _("The lobe segmentation has no right lower lobe."),
        Lobe.LEFT_UPPER: _("The lobe segmentation has no left upper lobe."),
        Lobe.LEFT_LOWER: _("The lobe segmentation has no left lower lobe."),
    }[lobe]


def lobe_name(lobe: Lobe) -> str:
    """What ``lobe`` is called in tables and records ("right upper lobe")."""
    return f"{lobe.name.replace('_', ' ').lower()} lobe"


def lobe_total(regions: Iterable[LobeRegion]) -> int | None:
    """The CT severity score, 0 to 25; None unless all five lobes were measured."""
    scores = [region.score for region in regions if region.score is not None]
    return sum(scores) if len(scores) == len(Lobe) else None


def _region(lobe: Lobe, lung_ml: float, infection_ml: float) -> LobeRegion:
    score = lobe_score(100.0 * infection_ml / lung_ml) if lung_ml else None
    return LobeRegion.of(lobe_name(lobe), float(lung_ml), float(infection_ml), score=score)
