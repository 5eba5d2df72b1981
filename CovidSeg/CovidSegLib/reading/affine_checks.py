"""The checks that every grid passes, whatever file it came from."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..i18n import tr as _

VOXEL_MM = (0.01, 1000.0)
"""Voxel edges outside of this are a unit or a number gone wrong."""

MAX_SHEAR = 1e-3
"""Largest cosine between two axes that still counts as a right angle: 0.3 mm over 300 mm, the files' rounding."""

UNPLACED = _("The file does not say how the patient lies; the usual orientation was assumed (check left and right).")
"""The note for a file without any orientation."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM and ITK count to the left and back, NIfTI, Slicer and this package to the right and front."""


def checked_affine(affine: np.ndarray) -> np.ndarray:
    """``affine`` (4x4, IJK to space, mm) as float64; InputError unless it is finite with axes at right angles."""
    columns = np.asarray(affine, np.float64)[:3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(columns, axis=0)
    if not np.isfinite(affine).all() or not ((lengths >= VOXEL_MM[0]) & (lengths <= VOXEL_MM[1])).all():
        raise InputError(
            _("The geometry of the image is unusable: a voxel size or direction is zero, far off or not a number."),
            _("Export the CT again from the original DICOM images."),
        )
    cosines = (columns / lengths).T @ (columns / lengths) - np.eye(3)
    if np.abs(cosines).max() > MAX_SHEAR:
        raise InputError(
            _("The image is sheared: its axes do not stand at right angles."),
            _(
                "Resample it to a straight grid first (in Slicer: Resample Scalar/Vector/DWI Volume, or harden the "
                "regularization transform of a gantry-tilted scan)."
            ),
        )
    return np.asarray(affine, np.float64).copy()
