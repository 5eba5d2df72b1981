"""What a reader of the result should know about the scan: values and grid that a chest CT does not have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..volume import AIR_HU, CtVolume, axial_affine, axial_order, spacing
from .slice_checks import slice_warnings

_SAMPLES_PER_AXIS = 96
_AIR_HU = (-1100, -500)
_DARK_HU = -100
_ENOUGH_AIR = 0.005
_BONE_HU = 250
"""Values are cut off above this by the network's own window: no loss."""

_CLIPPED_SHARE = 0.01
_THICK_MM = 8.0
_SMALL_MM = 100.0
_LARGE_MM = 1000.0
_POOR = "the masks may be poor"
_SOFT_HU = 300
"""Every chest has bone above it."""


@dataclass(frozen=True)
class Findings:
    """``warnings``: sentences for the user, most important first; empty when nothing is odd."""

    warnings: tuple[str, ...] = ()


def inspect(volume: CtVolume) -> Findings:
    """Look for values that are no Hounsfield units and for a grid that is no chest CT's; changes nothing.

    Costs one look at every voxel for the extremes and a sample of about a million for the rest.
    """
    values = _value_warnings(volume.voxels)
    # Where the values are no HU, what lies in a slice cannot be told.
    return Findings((*values, *_grid_warnings(volume), *([] if values else slice_warnings(volume))))


def not_hounsfield(voxels: np.ndarray) -> str:
    """Why the values of ``voxels`` (int16, any axes) are no Hounsfield units, in one sentence; empty when they are.

    Stricter than :func:`inspect`: a network can work on a scan that was cut to a window, a density cannot.
    """
    for warning in _value_warnings(voxels):
        return warning.split(";")[0].split(": there is nothing")[0].rstrip(".") + "."
    if int(voxels.max()) <= _SOFT_HU:
        return (
            f"No value is above {_SOFT_HU}, so there is no bone: the values were cut to a window and perhaps scaled; "
            "they cannot be trusted as Hounsfield units."
        )
    return ""


def _value_warnings(voxels: np.ndarray) -> list[str]:
    lowest, highest = int(voxels.min()), int(voxels.max())
    if lowest == highest:
        return ["All voxels have the same value: there is nothing to see, the masks will be empty."]
    if lowest >= -1 and highest <= 1:
        return [f"The values run from {lowest} to {highest}: a scaled picture, not Hounsfield units; {_POOR}."]
    if lowest >= 0 and highest <= 255:
        return [f"The values run from {lowest} to {highest}: a grey picture, not Hounsfield units; {_POOR}."]
    sample = voxels[tuple(slice(None, None, -(-edge // _SAMPLES_PER_AXIS)) for edge in voxels.shape)]
    air = np.count_nonzero((sample >= _AIR_HU[0]) & (sample <= _AIR_HU[1])) / sample.size
    if air >= _ENOUGH_AIR:
        clipped = _clipped(sample, lowest, highest)
        return [clipped] if clipped else []
    # Padding outside the field of view (-2000 and less) says nothing about the scale.
    dark = np.count_nonzero((sample >= _AIR_HU[0]) & (sample < _DARK_HU)) / sample.size
    if dark < _ENOUGH_AIR:
        return [
            f"Hardly any value is below {_DARK_HU}: the values seem to be shifted (often by 1024), not HU; {_POOR}."
        ]
    return [f"There is hardly any air (below {_AIR_HU[1]} HU): no lung in view, or the values are not HU; {_POOR}."]


def _clipped(sample: np.ndarray, lowest: int, highest: int) -> str:
    """A sentence when many voxels have the very lowest or highest value, inside what a chest CT holds."""
    at_bottom = lowest > AIR_HU and np.count_nonzero(sample == lowest) >= _CLIPPED_SHARE * sample.size
    at_top = highest < _BONE_HU and np.count_nonzero(sample == highest) >= _CLIPPED_SHARE * sample.size
    if not at_bottom and not at_top:
        return ""
    ends = [f"at {value} HU" for value, cut in ((lowest, at_bottom), (highest, at_top)) if cut]
    return f"The values are cut off {' and '.join(ends)}, as in a windowed picture; {_POOR}."


def _grid_warnings(volume: CtVolume) -> list[str]:
    """Upright grids only need three numbers: how far apart the slices are, how wide and how deep the picture is."""
    shape = axial_order(volume.affine).to_axial(volume.voxels).shape
    across, back, up = spacing(axial_affine(volume.affine, volume.voxels.shape))
    width, depth = across * shape[2], back * shape[1]
    warnings = []
    if up > _THICK_MM and shape[0] > 1:
        warnings.append(f"The slices are {up:.0f} mm apart: lesions between them are missed, volumes are rough.")
    if min(width, depth) < _SMALL_MM:
        warnings.append(f"The image shows only {width:.0f} x {depth:.0f} mm, less than a chest; {_POOR}.")
    elif max(width, depth) > _LARGE_MM:
        warnings.append(f"The image is {width:.0f} x {depth:.0f} mm: the voxel size seems wrong; {_POOR}.")
    return warnings
