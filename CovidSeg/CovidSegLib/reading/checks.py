"""What a reader of the result should know about the scan: values and grid that a chest CT does not have."""

from __future__ import annotations

from dataclasses import dataclass

from ..geometry.volume import CtVolume
from ..i18n import tr as _
from .slice_checks import slice_warnings
from .verdict import Verdict, judge_scan

_POOR = _("{reason}; the masks may be poor.")
_THICK_MM = 8.0
_ROUNDING_MM = 0.01
"""Files hold 8 mm as 7.9999998 or 8.0000002."""
_SMALL_MM = 100.0
_LARGE_MM = 1000.0


@dataclass(frozen=True)
class Findings:
    """``verdict``: what the values are; ``warnings``: sentences for the user, most important first, on all of it."""

    verdict: Verdict
    warnings: tuple[str, ...] = ()


def inspect(volume: CtVolume) -> Findings:
    """Look for values that are no Hounsfield units and for a grid that is no chest CT's; changes nothing."""
    verdict = judge_scan(volume)
    # Where the values are no HU, what lies in a slice cannot be told.
    in_slices = [] if verdict.warnings else slice_warnings(volume, verdict.values.padded)
    return Findings(verdict, (*verdict.warnings, *_grid_warnings(volume), *in_slices))


def all_said_of(volume: CtVolume) -> tuple[str, ...]:
    """All sentences on the scan ``volume`` itself: from its reading, and from :func:`inspect`."""
    return (*volume.notes, *inspect(volume).warnings)


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
        warnings.append(_POOR.format(reason=text.format(width=f"{width:.0f}", depth=f"{depth:.0f}")))
    elif max(width, depth) > _LARGE_MM:
        text = _("The image is {width} x {depth} mm: the voxel size seems wrong")
        warnings.append(_POOR.format(reason=text.format(width=f"{width:.0f}", depth=f"{depth:.0f}")))
    return warnings
