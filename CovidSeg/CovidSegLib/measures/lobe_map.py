"""Estimated lobes as a map on the scan's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy.lobe_estimate import EstimatedLobes, find_lobes
from ..errors import InputError
from ..geometry.grid import Grid
from ..i18n import tr as _
from .severity import severity_of
from .sided import sided_lungs
from .values import EstimatedSeverity


@dataclass(frozen=True)
class LobeMap:
    """``lobes``: uint8 (K, J, I) of :class:`CovidSegLib.anatomy.lobe_shape.Lobe`; ``found``: how sure they are."""

    lobes: np.ndarray
    found: EstimatedLobes
    severity: EstimatedSeverity


def estimated_lobe_map(labels: np.ndarray, grid: Grid) -> LobeMap:
    """The lobes of ``labels`` (uint8 (K, J, I) of :class:`CovidSegLib.segmentation.Label`) on ``grid``.

    Raises InputError, with the reason, where they cannot be told from the shape of the lungs, or ModelError.
    """
    lungs = sided_lungs(labels, grid)
    if lungs is None:
        raise InputError(_("There are not two lungs."))
    codes = lungs.codes.astype(np.uint8, copy=False)
    found = find_lobes(codes, lungs.grid.spacing)
    lobes = np.zeros(labels.shape, np.uint8)
    grid.to_upright(lobes)[lungs.box] = found.lobe_map(codes)  # into a view
    return LobeMap(lobes, found, severity_of(found, grid.voxel_ml))
