"""What the slices of a scan tell: holes, copies, lungs that go on beyond the last slice, tilt."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..volume import AIR_HU, CtVolume, axial_affine, axial_order, spacing

_EVERY = 4
"""Every fourth pixel of a row and every fourth row are looked at."""

_BODY_HU = -500
_LUNG_HU = (-950, -600)
_CUT_TOP_CM2, _CUT_BOTTOM_CM2 = 15.0, 30.0
"""Lung-like area in the outermost slice that is no windpipe (above) and no gas in stomach or bowel (below)."""

_JUMP = 2.0
"""So many times the difference between the slices around is a hole. In 22 whole scans of four public sets it is 1.5 at
most; with 20 mm taken out of their middle 1.7 to 3.1, with 40 mm 2.4 to 4.8."""

_AROUND = 5
"""Slices on either side that say what is usual."""

_TILT_DEGREES = 20.0


def slice_warnings(volume: CtVolume) -> list[str]:
    """Sentences about the slices of ``volume``, whose values are taken as HU."""
    slices = axial_order(volume.affine).to_axial(volume.voxels)
    affine = axial_affine(volume.affine, volume.voxels.shape)
    thin = np.ascontiguousarray(slices[:, ::_EVERY, ::_EVERY])
    return [*_gap_warnings(thin), *_cut_warnings(slices, affine), *tilt_warnings(affine)]


def _gap_warnings(thin: np.ndarray) -> list[str]:
    """``thin``: every slice, with some of its pixels."""
    rows = thin.reshape(len(thin), -1)
    filled = np.flatnonzero(rows.min(axis=1) < rows.max(axis=1))
    warnings = []
    empty = int(filled[-1] - filled[0] + 1 - len(filled)) if len(filled) else 0
    if empty:
        verb = "is" if empty == 1 else "are"
        warnings.append(f"{_slices(empty)} inside the scan {verb} empty: volumes and masks miss what was there.")
    kept = rows[filled].astype(np.int32)
    steps = np.abs(np.diff(kept, axis=0)).mean(axis=1) if len(kept) > 1 else np.empty(0)
    copies = int(np.count_nonzero(steps == 0))
    if copies:
        what = "is a copy of its neighbour" if copies == 1 else "are copies of their neighbours"
        warnings.append(f"{_slices(copies)} {what}: the scan may be incomplete.")
    place = _jump(steps) if not empty else None
    if place is not None:
        warnings.append(f"Between slice {place} and slice {place + 1} the picture jumps: slices seem to be missing.")
    return warnings


def _jump(steps: np.ndarray) -> int | None:
    """The slice (counted from 1) after which there is a hole. ``steps``: mean difference to the next slice, in HU.

    The outermost tenth of the scan is left out: there shoulders and diaphragm come and go.
    """
    edge = max(len(steps) // 10, _AROUND)
    ratios = {}
    for place in range(edge, len(steps) - edge):
        around = np.delete(steps[place - _AROUND : place + _AROUND + 1], _AROUND)
        ratios[place] = float(steps[place] / max(np.median(around), 1.0))
    place = max(ratios, key=lambda key: ratios[key], default=0)
    return place + 1 if ratios and ratios[place] > _JUMP else None


def _slices(count: int) -> str:
    return f"{count} slices" if count > 1 else "1 slice"


def _cut_warnings(slices: np.ndarray, affine: np.ndarray) -> list[str]:
    """Lungs that are still there in the first or the last slice."""
    across, back, _up = spacing(affine)
    ends = []
    for index, limit, name in ((-1, _CUT_TOP_CM2, "top"), (0, _CUT_BOTTOM_CM2, "bottom")):
        if len(slices) > 1 and _lung_like(slices[index]) * across * back / 100.0 > limit:
            ends.append(name)
    if not ends:
        return []
    return [
        f"The lungs are cut off at the {' and at the '.join(ends)} of the scan: volumes are those of the part seen."
    ]


def _lung_like(plane: np.ndarray) -> int:
    """Pixels with the density of lung that lie inside the body."""
    body = ndimage.binary_opening(plane > _BODY_HU, iterations=2)
    inside = ndimage.binary_fill_holes(body) & ~body
    aerated = inside & (plane > max(_LUNG_HU[0], AIR_HU)) & (plane < _LUNG_HU[1])
    return int(np.count_nonzero(ndimage.binary_opening(aerated, iterations=3)))


def tilt_warnings(affine: np.ndarray) -> list[str]:
    """A sentence when the slices stand askew to the patient. ``affine``: of the upright grid."""
    normal = affine[:3, 2] / np.linalg.norm(affine[:3, 2])
    degrees = float(np.degrees(np.arccos(min(1.0, abs(normal[2])))))
    if degrees <= _TILT_DEGREES:
        return []
    return [f"The slices are tilted by {degrees:.0f} degrees against the patient's axis: the masks may be poor."]
