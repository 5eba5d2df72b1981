"""What a reader of the result should know about the scan: values and grid that a chest CT does not have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..field_of_view import ScanValues, looked_at
from ..geometry.volume import AIR_HU, CtVolume
from ..i18n import Text
from ..i18n import tr as _
from ..soft_tissue import LARGEST_SHIFT, soft_tissue_scale, soft_tissue_shift
from .slice_checks import slice_warnings

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
_THICK_MM = 8.0
_ROUNDING_MM = 0.01
"""Files hold 8 mm as 7.9999998 or 8.0000002."""
_SMALL_MM = 100.0
_LARGE_MM = 1000.0
_SOFT_HU = 300
"""Every chest has bone above it."""

_POOR = _("{reason}; the masks may be poor.")
_MOVED_BACK = _("{reason}; the masks are made as if they were moved back.")
_EMPTY = _("{reason}: there is nothing to see, the masks will be empty.")


@dataclass(frozen=True)
class Findings:
    """``warnings``: sentences for the user, most important first; empty when nothing is odd."""

    warnings: tuple[str, ...] = ()


class _Oddity(NamedTuple):
    """``reason``: what is odd, without a full stop; ``sentence``: goes on from ``{reason}`` to what follows from it."""

    reason: str
    sentence: Text = _POOR

    @property
    def warning(self) -> str:
        return self.sentence.format(reason=self.reason)


def inspect(volume: CtVolume) -> Findings:
    """Look for values that are no Hounsfield units and for a grid that is no chest CT's; changes nothing.

    Costs one look at every voxel for the extremes and a sample of about a million for the rest.
    """
    slices = volume.upright_voxels
    across, back, _up = volume.grid.upright.spacing
    padded = ScanValues.of_planes((slices[k] for k in looked_at(len(slices))), (back, across)).padded
    values = [oddity.warning for oddity in _odd_values(volume.voxels if padded is None else slices, padded)]
    # Where the values are no HU, what lies in a slice cannot be told.
    return Findings((*values, *_grid_warnings(volume), *([] if values else slice_warnings(volume, padded))))


def check_is_scan(volume: CtVolume) -> None:
    """Raise InputError where ``volume`` is a labelmap, or its values are HU halved or doubled: no mask were right."""
    slices = volume.upright_voxels
    looked = [slices[k] for k in looked_at(len(slices))]
    lowest, highest = int(volume.voxels.min()), int(volume.voxels.max())
    if 0 <= lowest < highest <= _HIGHEST_LABEL and _is_drawn(looked):
        text = _("The values run from {lowest} to {highest} in even areas: a labelmap or a mask, not a CT.")
        raise InputError(text.format(lowest=lowest, highest=highest), _("Give the scan that it was drawn on."))
    scale = soft_tissue_scale([_sample(volume.voxels)])
    if scale != 1:
        text = _("The values lie twice as far apart as Hounsfield units: they were scaled once too often.")
        if scale < 1:
            text = _("The values lie half as far apart as Hounsfield units: they were scaled once too often.")
        raise InputError(text, _("Export the CT again from the original DICOM images."))


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


def _sample(voxels: np.ndarray) -> np.ndarray:
    return voxels[tuple(slice(None, None, -(-edge // _SAMPLES_PER_AXIS)) for edge in voxels.shape)]


def not_hounsfield(voxels: np.ndarray) -> str:
    """Why the values of ``voxels`` (int16, any axes) are no Hounsfield units, in one sentence; empty when they are.

    Stricter than :func:`inspect`: a network can work on a scan that was cut to a window, a density cannot.
    """
    for oddity in _odd_values(voxels):
        return _("{reason}.").format(reason=oddity.reason)
    if int(voxels.max()) <= _SOFT_HU:
        return _(
            "No value is above {highest}, so there is no bone: the values were cut to a window and perhaps scaled; "
            "they cannot be trusted as Hounsfield units."
        ).format(highest=_SOFT_HU)
    return ""


def _odd_values(voxels: np.ndarray, padded: np.ndarray | None = None) -> list[_Oddity]:
    """``padded``: where the last two axes of ``voxels`` were padded."""
    lowest, highest = int(voxels.min()), int(voxels.max())
    if lowest == highest:
        return [_Oddity(_("All voxels have the same value"), _EMPTY)]
    if lowest >= -1 and highest <= 1:
        text = _("The values run from {lowest} to {highest}: a scaled picture, not Hounsfield units")
        return [_Oddity(text.format(lowest=lowest, highest=highest))]
    if lowest >= 0 and highest <= 255:
        text = _("The values run from {lowest} to {highest}: a grey picture, not Hounsfield units")
        return [_Oddity(text.format(lowest=lowest, highest=highest))]
    sample = _sample(voxels)
    if padded is not None:
        sample = sample[:, ~_sample(padded)]
    far = _shifted(sample) if abs(soft_tissue_shift([sample])) > LARGEST_SHIFT else []
    if far:
        return far
    air = np.count_nonzero((sample >= _AIR_HU[0]) & (sample <= _AIR_HU[1])) / sample.size
    if air >= _ENOUGH_AIR:
        return [*_shifted(sample), *_clipped(sample, lowest, highest)]
    # Padding outside the field of view (-2000 and less) says nothing about the scale.
    dark = np.count_nonzero((sample >= _AIR_HU[0]) & (sample < _DARK_HU)) / sample.size
    if dark < _ENOUGH_AIR:
        text = _("Hardly any value is below {lowest}: the values seem to be shifted (often by 1024), not HU")
        return [_Oddity(text.format(lowest=_DARK_HU))]
    text = _("There is hardly any air (below {limit} HU): no lung in view, or the values are not HU")
    return [_Oddity(text.format(limit=_AIR_HU[1]))]


def _shifted(sample: np.ndarray) -> list[_Oddity]:
    """Fat and muscle that lie elsewhere than in every body."""
    shift = soft_tissue_shift([sample])
    if not shift:
        return []
    text = _("Fat and muscle lie {shift} HU too high: the values are no Hounsfield units")
    if shift < 0:
        text = _("Fat and muscle lie {shift} HU too low: the values are no Hounsfield units")
    return [_Oddity(text.format(shift=f"{abs(shift):.0f}"), _MOVED_BACK)]


def _clipped(sample: np.ndarray, lowest: int, highest: int) -> list[_Oddity]:
    """Many voxels that have the very lowest or highest value, inside what a chest CT holds."""
    at_bottom = lowest > AIR_HU and np.count_nonzero(sample == lowest) >= _CLIPPED_SHARE * sample.size
    at_top = highest < _BONE_HU and np.count_nonzero(sample == highest) >= _CLIPPED_SHARE * sample.size
    if not at_bottom and not at_top:
        return []
    if at_bottom and at_top:
        text = _("The values are cut off at {lowest} HU and at {highest} HU, as in a windowed picture")
    elif at_bottom:
        text = _("The values are cut off at {lowest} HU, as in a windowed picture")
    else:
        text = _("The values are cut off at {highest} HU, as in a windowed picture")
    return [_Oddity(text.format(lowest=lowest, highest=highest))]


def _grid_warnings(volume: CtVolume) -> list[str]:
    """Upright grids only need three numbers: how far apart the slices are, how wide and how deep the picture is."""
    shape = volume.upright_voxels.shape
    across, back, up = volume.grid.upright.spacing
    width, depth = across * shape[2], back * shape[1]
    warnings: list[str] = []
    if shape[0] == 1:  # no other slice says how far it reaches
        warnings.append(
            _("The scan is one slice, counted as {thickness} mm thick: every volume depends on that number.").format(
                thickness=f"{up:.2f}".rstrip("0").rstrip(".")
            )
        )
    elif up > _THICK_MM - _ROUNDING_MM:
        warnings.append(
            _("The slices are {distance} mm apart: lesions between them are missed, volumes are rough.").format(
                distance=f"{up:.0f}"
            )
        )
    if min(width, depth) < _SMALL_MM:
        text = _("The image shows only {width} x {depth} mm, less than a chest")
        warnings.append(_Oddity(text.format(width=f"{width:.0f}", depth=f"{depth:.0f}")).warning)
    elif max(width, depth) > _LARGE_MM:
        text = _("The image is {width} x {depth} mm: the voxel size seems wrong")
        warnings.append(_Oddity(text.format(width=f"{width:.0f}", depth=f"{depth:.0f}")).warning)
    return warnings
