"""Whether the scan shows the lungs whole: a lung that is cut off has no true volume, and its percentage may mislead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..anatomy.flat_ends import FlatEnd
from ..i18n import tr as _
from .sided import LEFT_CODES, RIGHT_CODES, SidedLungs
from .values import Region, Side

CUT_MM2 = 100.0
"""A lung that touches a face of the scan with more than this counts as cut off; a tip that just ends there does not."""

PADDING_HU = -1500
"""No tissue and no air is below it: scanners fill what lies outside of their field of view with such values."""

PADDED_SHARE = 0.25
"""Of so many slices a place outside of the field of view is; a scan that was turned has it elsewhere in each."""

PLAUSIBLE_ML = (1500.0, 9000.0)
PLAUSIBLE_RATIO = (0.5, 1.3)
"""Both lungs together (normal at full breath: 4.5 +- 1.3 L, n = 564, Cheng and others 2019, COPD 14:1657), and left
over right. Outside, the masks or the scan deserve a look. The limits are our own, wide on purpose."""

_FACES = (("lower", "upper"), ("front", "back"), ("right", "left"))
"""Names of the first and the last plane along the upright axes."""


def cut_faces(lungs: SidedLungs, voxels: np.ndarray | None = None, shift_hu: float = 0.0) -> dict[Side, list[str]]:
    """Which edges of the scan cut which lung: the names of the edges, none for a lung that is whole.

    ``voxels``: the scan's HU (z, y, x) in the box of ``lungs``, to find the edge of a round field of view too;
    ``shift_hu``: how far they lie above HU.
    """
    found: dict[Side, list[str]] = {"left": [], "right": []}
    sizes = lungs.grid.spacing[::-1]
    padding = None if voxels is None else _padding(voxels, PADDING_HU + min(shift_hu, 0.0))
    sides: tuple[tuple[Side, tuple[int, int]], ...] = (("left", LEFT_CODES), ("right", RIGHT_CODES))
    for side, codes in sides:
        for axis, names in enumerate(_FACES):
            area = float(np.prod(np.delete(sizes, axis)))
            ends = (lungs.box[axis].start == 0, lungs.box[axis].stop == lungs.shape[axis])
            for index, at_edge, name in zip((0, -1), ends, names, strict=True):
                plane = np.take(lungs.codes, index, axis=axis)
                if at_edge and np.isin(plane, codes).sum() * area > CUT_MM2:
                    found[side].append(name)
        if padding is not None and _beside_padding(lungs.codes, codes, padding) * sizes[0] * sizes[1] > CUT_MM2:
            found[side].append("round")
    return found


def flat_end_flags(ends: Sequence[FlatEnd], faces: dict[Side, list[str]]) -> list[str]:
    """A sentence for every lung that ends flat inside the scan, once; a lung that the scan cuts off has its own."""
    told: dict[bool, str] = {}
    for end in ends:
        if not faces["right" if end.right else "left"]:
            told.setdefault(end.right, end.sentence)
    numbers = _("Its numbers are those of the part that is marked.")
    return [f"{sentence} {numbers}" for sentence in told.values()]


def _padding(voxels: np.ndarray, limit_hu: float) -> np.ndarray:
    """Where the scanner measured nothing. It lies so in many slices: one slice with another scale is no padding."""
    below = voxels < limit_hu
    return below & (below.mean(axis=0) >= PADDED_SHARE)


def _beside_padding(codes: np.ndarray, side: tuple[int, int], padded: np.ndarray) -> int:
    """How many lung voxels have padding beside them, in front of them or behind them."""
    count = 0
    for plane, padding in zip(codes, padded, strict=True):
        if padding.any() and not padding.all():  # a slice that was not measured ends no round field of view
            beside = np.zeros_like(padding)
            beside[1:] |= padding[:-1]
            beside[:-1] |= padding[1:]
            beside[:, 1:] |= padding[:, :-1]
            beside[:, :-1] |= padding[:, 1:]
            count += int(np.count_nonzero(beside & np.isin(plane, side)))
    return count


def visibility_flags(faces: dict[Side, list[str]], slices: int) -> list[str]:
    """A sentence for every lung that is cut off. Of one slice (``slices``) it is plain that it is, above and below."""
    texts: dict[Side, str] = {
        "left": _(
            "The left lung is only partly visible (cut off by the {edges} of the scan): "
            "its volume, percentage and zones are those of the visible part."
        ),
        "right": _(
            "The right lung is only partly visible (cut off by the {edges} of the scan): "
            "its volume, percentage and zones are those of the visible part."
        ),
    }
    told = {side: [name for name in names if slices > 1 or name not in _FACES[0]] for side, names in faces.items()}
    return [texts[side].format(edges=_edges(names)) for side, names in told.items() if names]


def _edges(names: list[str]) -> str:
    texts = {
        "lower": _("lower edge"),
        "upper": _("upper edge"),
        "front": _("front edge"),
        "back": _("back edge"),
        "right": _("right edge"),
        "left": _("left edge"),
        "round": _("round field of view"),
    }
    joined = texts[names[0]]
    for name in names[1:]:
        joined = _("{edges} and the {edge}").format(edges=joined, edge=texts[name])
    return joined


def absence_flags(left: Region, right: Region) -> list[str]:
    """A sentence for every lung that there is not."""
    absent: list[str] = [
        text
        for lung, text in (
            (left, _("No left lung was found, but infection on its side: it counts only to both lungs together.")),
            (right, _("No right lung was found, but infection on its side: it counts only to both lungs together.")),
        )
        if lung.infection_ml and lung.infection_percent is None
    ]
    if absent:
        return absent
    if not left.lung_ml:
        return [_("No left lung was found: numbers of both lungs together are those of one.")]
    if not right.lung_ml:
        return [_("No right lung was found: numbers of both lungs together are those of one.")]
    return []


def plausibility_flags(left: Region, right: Region) -> list[str]:
    """Sentences on volumes that whole lungs hardly have. Both must be there (:func:`absence_flags`)."""
    flags: list[str] = []
    total, ratio = left.lung_ml + right.lung_ml, left.lung_ml / right.lung_ml
    litres = f"{total / 1000:.1f}"
    if total < PLAUSIBLE_ML[0]:
        text = _("The lungs are unusually small ({litres} L): look at the masks and at the voxel size.")
        flags.append(text.format(litres=litres))
    if total > PLAUSIBLE_ML[1]:
        text = _("The lungs are unusually large ({litres} L): look at the masks and at the voxel size.")
        flags.append(text.format(litres=litres))
    if ratio < PLAUSIBLE_RATIO[0]:
        flags.append(_("The left lung is unusually small beside the other one: look at the masks."))
    if ratio > PLAUSIBLE_RATIO[1]:
        flags.append(_("The right lung is unusually small beside the other one: look at the masks."))
    return flags
