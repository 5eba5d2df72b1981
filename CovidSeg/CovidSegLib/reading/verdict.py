"""What the values of a scan are: right, shifted, scaled, a labelmap, or no Hounsfield units of any known kind.

The one place that decides it, for every taker of a scan: what segments refuses or corrects by this verdict, what
measures leaves densities out by it, and what shows a scan says it in these words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..field_of_view import ScanValues, looked_at
from ..geometry.grid import Grid
from ..geometry.volume import AIR_HU, CtVolume
from ..i18n import Text
from ..i18n import tr as _
from ..slice_levels import is_uneven
from ..soft_tissue import LARGEST_SHIFT, is_of_no_body
from ..value_scale import SWAPPED, UNEVEN

_SAMPLES_PER_AXIS = 96
_HIGHEST_LABEL, _MOST_LABELS, _DRAWN_SHARE = 255, 128, 0.8
"""Labels are bytes, of a whole body there are 117; in masks of lungs 0.93 to 0.99 of the voxels are as the next one, in
grey pictures of 8 bits at most 0.5."""

_AIR_HU = (-1100, -500)
_DARK_HU = -100
_ENOUGH_AIR = 0.005
_BONE_HU = 250
"""Values are cut off above this by the network's own window: no loss."""

_CLIPPED_SHARE = 0.01
_SOFT_HU = 500
"""Every chest has bone above it (cortical: 700 and more)."""

_WHOLE_SCAN = 12
"""So many slices show fat and muscle."""

_POOR = _("{reason}; the masks may be poor; density, ground glass and consolidation are not reported.")
_MOVED_BACK = _(
    "{reason}; the masks are made as if they were moved back; density, ground glass and consolidation are not reported."
)
_EMPTY = _("{reason}: there is nothing to see, the masks will be empty.")
_NO_DENSITY = _("{reason}. So density, ground glass and consolidation are not reported.")


_OTHER_UNIT = _("The series says that its values are no Hounsfield units")


class Kind(Enum):
    """What values are. ``RIGHT``: Hounsfield units; ``ODD``: none, or only a part of their range."""

    RIGHT = "right"
    SHIFTED = "shifted"
    ODD = "odd"
    SCALED = "scaled"
    LABELMAP = "labelmap"


class Oddity(NamedTuple):
    """``reason``: what is odd, without a full stop; ``sentence``: goes on from ``{reason}`` to what follows from it."""

    reason: str
    sentence: Text = _POOR

    @property
    def warning(self) -> str:
        """The whole sentence."""
        return self.sentence.format(reason=self.reason)


@dataclass(frozen=True)
class Verdict:
    """What the values of one scan are.

    ``oddities``: what is wrong, most important first; ``values``: how far they lie from HU, and where the scan was
    padded; ``without_bone``: why there are no densities though no value is wrong (no bone, or the
    file says so), without a full stop.
    """

    kind: Kind
    values: ScanValues
    oddities: tuple[Oddity, ...] = ()
    without_bone: str = ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each thing that is wrong."""
        return tuple(oddity.warning for oddity in self.oddities)

    @property
    def density_refused(self) -> str:
        """Why densities would be no Hounsfield units, in words; empty when they are.

        Stricter than :attr:`warnings`: a network can work on a scan that was cut to a window, a density cannot.
        """
        reason = self.oddities[0].reason if self.oddities else self.without_bone
        return _NO_DENSITY.format(reason=reason) if reason else ""

    @property
    def told_with_numbers(self) -> tuple[str, ...]:
        """What a reader of numbers must know and no warning says in other words: that there are no densities."""
        said = self.density_refused
        return (said,) if said and self.warnings in ((), (said,)) else ()

    def check(self) -> None:
        """Raise InputError for a labelmap, and for HU that were halved or doubled: no network could be right there."""
        if self.kind is Kind.LABELMAP:
            sentence = _("{reason}.").format(reason=self.oddities[0].reason)
            raise InputError(sentence, _("Give the scan that it was drawn on."))
        if self.kind is Kind.SCALED:
            self.values.check_scale()

    def check_is_no_labelmap(self) -> None:
        """Raise InputError for a labelmap: it is no scan at all, so its masks have nothing to stand on."""
        if self.kind is Kind.LABELMAP:
            self.check()


def judge_scan(volume: CtVolume) -> Verdict:
    """As :func:`judge`, and by what the file of ``volume`` says of its unit."""
    verdict = judge(volume.voxels, volume.grid)
    return replace(verdict, without_bone=_OTHER_UNIT) if volume.of_other_unit else verdict


def judge(voxels: np.ndarray, grid: Grid) -> Verdict:
    """What the ``voxels`` (int16, z, y, x) of a scan on ``grid`` are; changes nothing.

    Costs one look at every voxel for the extremes, at some slices, at a sample of each slice beside its neighbours,
    and at a sample of about a million voxels.
    """
    slices = grid.to_upright(voxels)
    across, back, _up = grid.upright.spacing
    looked = looked_at(len(slices))
    values = ScanValues.of_planes((slices[k] for k in looked), (back, across))
    lowest, highest = _extremes(slices, values.padded)
    if lowest == highest:
        return Verdict(Kind.ODD, values, (Oddity(_("All voxels have the same value"), _EMPTY),))
    if lowest >= 0 and highest <= _HIGHEST_LABEL and _is_drawn([slices[k] for k in looked]):
        text = _("The values run from {lowest} to {highest} in even areas: a labelmap or a mask, not a CT")
        return Verdict(Kind.LABELMAP, values, (Oddity(text.format(lowest=lowest, highest=highest), _NO_DENSITY),))
    picture = _picture(lowest, highest)
    if picture:
        return Verdict(Kind.ODD, values, (Oddity(picture),))
    if values.scale != SWAPPED and is_uneven(
        values.measured(plane) for plane in slices
    ):  # :class:`ScanValues` looked at some slices only
        values = replace(values, shift_hu=0.0, scale=UNEVEN)
    if values.scale != 1:
        return Verdict(Kind.SCALED, values, (Oddity(values.scaled, _NO_DENSITY),))
    sample = _measured(slices, values.padded)
    odd = _odd_range(sample, values.shift_hu, lowest, highest)
    if not odd and len(slices) >= _WHOLE_SCAN and is_of_no_body([sample]):
        odd = (Oddity(_("The fat, muscle and air of a body are not found: the values may be no Hounsfield units")),)
    if values.shift_hu:
        return Verdict(Kind.SHIFTED, values, odd)
    if odd:
        return Verdict(Kind.ODD, values, odd)
    return Verdict(Kind.RIGHT, values, without_bone=_without_bone(highest))


def _extremes(slices: np.ndarray, padded: np.ndarray | None) -> tuple[int, int]:
    """The lowest and the highest value of what was measured."""
    if padded is None:
        return int(slices.min()), int(slices.max())
    inside = ~padded
    ends = [(int(plane[inside].min()), int(plane[inside].max())) for plane in slices]
    return min(low for low, _high in ends), max(high for _low, high in ends)


def _measured(slices: np.ndarray, padded: np.ndarray | None) -> np.ndarray:
    """A sample of what was measured."""
    sample = _sample(slices)
    return sample if padded is None else sample[:, ~_sample(padded)]


def _sample(voxels: np.ndarray) -> np.ndarray:
    return voxels[tuple(slice(None, None, -(-edge // _SAMPLES_PER_AXIS)) for edge in voxels.shape)]


def _is_drawn(planes: list[np.ndarray]) -> bool:
    """Whether what is not 0 has few values, mostly the same as the next voxel's; a picture has noise."""
    same = drawn = 0
    values: set[int] = set()
    for plane in planes:
        here, after = plane[:, :-1], plane[:, 1:]
        drawn += int(np.count_nonzero(here))
        same += int(np.count_nonzero((here == after) & (here != 0)))
        values.update(np.unique(plane).tolist())
    return len(values) <= _MOST_LABELS and same >= _DRAWN_SHARE * drawn


def _picture(lowest: int, highest: int) -> str:
    """Why values from ``lowest`` to ``highest`` are those of a picture; empty when they need not be."""
    if lowest >= -1 and highest <= 1:
        text = _("The values run from {lowest} to {highest}: a scaled picture, not Hounsfield units")
        return text.format(lowest=lowest, highest=highest)
    if lowest >= 0 and highest <= 255:
        text = _("The values run from {lowest} to {highest}: a grey picture, not Hounsfield units")
        return text.format(lowest=lowest, highest=highest)
    return ""


def _odd_range(sample: np.ndarray, shift: float, lowest: int, highest: int) -> tuple[Oddity, ...]:
    """What is odd about a ``sample`` of values that lie ``shift`` HU too high."""
    if abs(shift) > LARGEST_SHIFT:
        return _shifted(shift)
    air = np.count_nonzero((sample >= _AIR_HU[0]) & (sample <= _AIR_HU[1])) / sample.size
    if air >= _ENOUGH_AIR:
        return (*_shifted(shift), *_clipped(sample, lowest, highest))
    # Padding outside the field of view (-2000 and less) says nothing about the scale.
    dark = np.count_nonzero((sample >= _AIR_HU[0]) & (sample < _DARK_HU)) / sample.size
    if dark < _ENOUGH_AIR:
        text = _("Hardly any value is below {lowest}: the values seem to be shifted (often by 1024), not HU")
        return (Oddity(text.format(lowest=_DARK_HU)),)
    text = _("There is hardly any air (below {limit} HU): no lung in view, or the values are not HU")
    return (Oddity(text.format(limit=_AIR_HU[1])),)


def _shifted(shift: float) -> tuple[Oddity, ...]:
    """Fat and muscle that lie elsewhere than in every body."""
    if not shift:
        return ()
    text = _("Fat and muscle lie {shift} HU too high: the values are no Hounsfield units")
    if shift < 0:
        text = _("Fat and muscle lie {shift} HU too low: the values are no Hounsfield units")
    return (Oddity(text.format(shift=f"{abs(shift):.0f}"), _MOVED_BACK),)


def _clipped(sample: np.ndarray, lowest: int, highest: int) -> tuple[Oddity, ...]:
    """Many voxels that have the very lowest or highest value, inside what a chest CT holds."""
    at_bottom = lowest > AIR_HU and np.count_nonzero(sample == lowest) >= _CLIPPED_SHARE * sample.size
    at_top = highest < _BONE_HU and np.count_nonzero(sample == highest) >= _CLIPPED_SHARE * sample.size
    if not at_bottom and not at_top:
        return ()
    if at_bottom and at_top:
        text = _("The values are cut off at {lowest} HU and at {highest} HU, as in a windowed picture")
    elif at_bottom:
        text = _("The values are cut off at {lowest} HU, as in a windowed picture")
    else:
        text = _("The values are cut off at {highest} HU, as in a windowed picture")
    return (Oddity(text.format(lowest=lowest, highest=highest)),)


def _without_bone(highest: int) -> str:
    if highest > _SOFT_HU:
        return ""
    return _(
        "No value is above {highest}, so there is no bone: the values were cut to a window and perhaps scaled; "
        "they cannot be trusted as Hounsfield units"
    ).format(highest=_SOFT_HU)
