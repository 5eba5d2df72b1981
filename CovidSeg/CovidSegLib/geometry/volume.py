"""The CT as everything inside sees it: Hounsfield units on a grid."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .grid import Grid, UprightOrder, read_only

AIR_HU = -1000
"""Hounsfield value of air (by the definition of the scale); what is read where nothing was measured."""

LUNG_WINDOW, LUNG_LEVEL = 1500.0, -600.0
"""The usual lung window in HU: from -1350 (black) to 150 (white)."""


@dataclass(frozen=True)
class CtVolume:
    """One CT scan.

    ``voxels``: int16 HU, axes (z, y, x), that is (K, J, I); one slice is a volume too.
    ``affine``: float64 4x4, IJK (x, y, z index) to RAS in mm; its columns stand at right angles.
    ``source``: what it was read from, in words that name no patient, date or path ("NIfTI file").
    ``notes``: what the reading had to say to the user, one sentence each.
    ``of_other_unit``: whether the file says that its values are no HU.

    The arrays are views that cannot be written through. Raises ValueError when array and affine have another form (a
    caller's mistake, not a user's).
    """

    voxels: np.ndarray
    affine: np.ndarray
    source: str = "volume"
    notes: tuple[str, ...] = ()
    of_other_unit: bool = False

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 or self.voxels.dtype != np.int16 or self.voxels.size == 0:
            raise ValueError(f"voxels must be int16 (z, y, x), not {self.voxels.dtype} {self.voxels.shape}")
        object.__setattr__(self, "voxels", read_only(self.voxels))
        object.__setattr__(self, "affine", self.grid.affine)

    @cached_property
    def grid(self) -> Grid:
        """Where the voxels lie."""
        return Grid(self.affine, self.voxels.shape)

    @property
    def upright_voxels(self) -> np.ndarray:
        """The voxels as a view with axes to the head, to the back and to the left."""
        return self.grid.to_upright(self.voxels)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the voxels (hexadecimal): tells one scan from another without naming anybody.

        Of the upright voxels: programs turn the axes of a scan when they read or write it.
        """
        return self.fingerprint_in(self.grid.order)

    def fingerprint_in(self, order: UprightOrder) -> str:
        """The :attr:`fingerprint` that the voxels had while ``order`` was the upright one: before a scan was turned."""
        digest = hashlib.sha256()
        for plane in order.to_upright(self.voxels):
            digest.update(np.ascontiguousarray(plane).data)
        return digest.hexdigest()
