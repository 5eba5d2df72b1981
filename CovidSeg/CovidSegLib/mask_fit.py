"""Whether masks were drawn on the scan that they are given with: two patients' scans may share a grid.

The lungs end where air meets tissue. Across the edge of masks that were drawn on the scan, values rise nearly
everywhere; across the edge of another patient's masks they rise as often as they fall.
"""

from __future__ import annotations

import numpy as np

from .errors import InputError
from .geometry.grid import Grid
from .i18n import tr as _

MISFIT, DOUBT = 0.35, 0.6
"""Below the first the masks are another scan's, below the second they may be.

On scans of Zenodo 3757476 the share was 0.93 to 0.97 for a scan's own lungs and at most 0.32 for those of another
patient, middle on middle; a lung that is white up to the pleura has a lower one."""

REACH_MM = 4.0
"""How far from the edge values are compared, two voxels at least: a mask that is one too large or small fits, too."""

RISE = 0.1
"""What counts as a rise: this share of the range of values along the edge, whatever their scale."""

_LEAST_PLACES = 200
_MOST_SLICES = 64

DOUBTFUL = _("The masks' edges hardly follow the lungs of the scan: were they drawn on it?")


def edge_share(voxels: np.ndarray, labels: np.ndarray, grid: Grid) -> float | None:
    """At which share of the masks' edge (0 to 1) the ``voxels`` outside are brighter than those inside.

    ``labels``: of the same shape (z, y, x), 0 outside of the lungs; ``affine``: IJK→RAS in mm. The edge is looked at
    within slices, of which :data:`_MOST_SLICES` count. None where there is too little of it, or nothing but one value.
    """
    filled = np.flatnonzero(labels.any(axis=(1, 2)))
    chosen = filled[np.unique(np.linspace(0, len(filled) - 1, min(_MOST_SLICES, len(filled))).astype(int))]
    pairs = [_across(voxels[k], labels[k] > 0, grid.spacing) for k in chosen]
    if sum(inside.size for inside, _outside in pairs) < _LEAST_PLACES:
        return None
    inside, outside = (np.concatenate(parts).astype(np.float32) for parts in zip(*pairs, strict=True))
    low, high = np.percentile(np.concatenate([inside, outside]), (5, 95))
    return float((outside - inside > RISE * (high - low)).mean()) if high > low else None


def _across(plane: np.ndarray, mask: np.ndarray, sizes: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Values inside and outside of the edge of ``mask`` (y, x), both at the same distance from it."""
    inside, outside = [], []
    for axis, size in enumerate((sizes[1], sizes[0])):
        reach = max(2, round(REACH_MM / size))
        values, here = np.moveaxis(plane, axis, 0), np.moveaxis(mask, axis, 0)
        for way in (slice(None), slice(None, None, -1)):
            along, marked = values[way], here[way]
            places, lines = np.nonzero(marked[:-1] & ~marked[1:])  # the last voxel inside
            whole = (places - reach + 1 >= 0) & (places + reach < len(along))
            places, lines = places[whole], lines[whole]
            inside.append(along[places - reach + 1, lines])
            outside.append(along[places + reach, lines])
    return np.concatenate(inside), np.concatenate(outside)


def fit_warnings(voxels: np.ndarray, labels: np.ndarray, grid: Grid) -> tuple[str, ...]:
    """A sentence where the masks ``labels`` may be another scan's (see :func:`edge_share`).

    Raises InputError where they surely are.
    """
    share = edge_share(voxels, labels, grid)
    if share is not None and share < MISFIT:
        raise InputError(
            _("The masks do not fit the scan: their edges lie where the scan has none."),
            _("Give the scan that they were drawn on."),
        )
    return (DOUBTFUL,) if share is not None and share < DOUBT else ()
