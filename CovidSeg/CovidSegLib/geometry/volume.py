"""The CT as everything inside sees it: Hounsfield units on a grid, and where that grid lies in the patient."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import product

import numpy as np

AIR_HU = -1000
"""Hounsfield value of air (by the definition of the scale); what is read where nothing was measured."""

LUNG_WINDOW, LUNG_LEVEL = 1500.0, -600.0
"""The usual lung window in HU: from -1350 (black) to 150 (white)."""


def read_only(array: np.ndarray) -> np.ndarray:
    """A view of ``array`` that cannot be written through: for what is handed on to be looked at."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class CtVolume:
    """One CT scan.

    ``voxels``: int16 HU, axes (z, y, x), that is (K, J, I); one slice is a volume too.
    ``affine``: float64 4x4, IJK (x, y, z index) to RAS in mm; its columns stand at right angles.
    ``source``: what it was read from, in words that name no patient, date or path ("NIfTI file").
    ``notes``: what the reading had to say to the user, one sentence each.

    The arrays are views that cannot be written through. Raises ValueError when array and affine have another form (a
    caller's mistake, not a user's).
    """

    voxels: np.ndarray
    affine: np.ndarray
    source: str = "volume"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 or self.voxels.dtype != np.int16 or self.voxels.size == 0:
            raise ValueError(f"voxels must be int16 (z, y, x), not {self.voxels.dtype} {self.voxels.shape}")
        check_affine(self.affine)
        object.__setattr__(self, "voxels", read_only(self.voxels))
        object.__setattr__(self, "affine", read_only(self.affine))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along x, y, z (I, J, K) in mm."""
        return spacing(self.affine)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the voxels (hexadecimal): tells one scan from another without naming anybody.

        Of the upright voxels: programs turn the axes of a scan when they read or write it.
        """
        return self.fingerprint_in(axial_order(self.affine))

    def fingerprint_in(self, order: AxialOrder) -> str:
        """The :attr:`fingerprint` that the voxels had while ``order`` was the upright one: before a scan was turned."""
        digest = hashlib.sha256()
        for plane in order.to_axial(self.voxels):
            digest.update(np.ascontiguousarray(plane).data)
        return digest.hexdigest()


def check_affine(affine: np.ndarray) -> None:
    """Raise ValueError unless ``affine`` is a finite, invertible 4x4 matrix with the last row 0 0 0 1."""
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise ValueError("affine must be a finite 4x4 matrix")
    if not np.array_equal(affine[3], (0, 0, 0, 1)) or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ValueError("affine must be invertible with the last row 0 0 0 1")


def spacing(affine: np.ndarray) -> tuple[float, float, float]:
    """Voxel size along I, J, K in mm: the lengths of the affine's columns."""
    x, y, z = np.linalg.norm(affine[:3, :3], axis=0)
    return float(x), float(y), float(z)


def voxel_ml(affine: np.ndarray) -> float:
    """Volume of one voxel in mL (1 mL = 1000 mm³)."""
    return float(abs(np.linalg.det(affine[:3, :3]))) / 1000.0


@dataclass(frozen=True)
class AxialOrder:
    """How an array (K, J, I) is turned into upright axial slices, and back.

    Upright means: axis 0 runs to the patient's head (S), axis 1 to the back (P), axis 2 to the left (L), as close as
    the grid allows without interpolating. ``permutation`` and ``flips`` apply to the array's axes in this order:
    first transpose, then flip. Both ways return views, nothing is copied.
    """

    permutation: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def to_axial(self, array: np.ndarray) -> np.ndarray:
        """``array`` (K, J, I) as a view with axes (to head, to back, to left)."""
        turned = array.transpose(self.permutation)
        return turned[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)]

    def from_axial(self, array: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`to_axial`: a view with the grid's own axes (K, J, I)."""
        turned = array[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)]
        return turned.transpose(np.argsort(self.permutation))

    def turned(self, permutation: tuple[int, int, int]) -> list[AxialOrder]:
        """The four orders with ``permutation`` that a rotation, without a mirror, makes of this one."""
        either = (False, True)
        every = [AxialOrder(permutation, flips) for flips in product(either, either, either)]
        return [order for order in every if order._is_mirrored == self._is_mirrored]

    @property
    def _is_mirrored(self) -> bool:
        is_odd = np.linalg.det(np.eye(3)[list(self.permutation)]) < 0
        return bool(is_odd) != (sum(self.flips) % 2 == 1)


def axial_order(affine: np.ndarray) -> AxialOrder:
    """The :class:`AxialOrder` of a grid with this IJK→RAS ``affine``.

    Of all ways to pair the grid's axes with S, P, L the one is taken whose squared cosines have the largest
    sum: the closest one for an oblique grid.
    """
    cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    # Rows: the upright axes S, P, L in RAS; columns: the array's axes K, J, I.
    upright = np.array([cosines[2], -cosines[1], -cosines[0]])[:, ::-1]
    choices = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    best = max(choices, key=lambda axes: sum(upright[row, axis] ** 2 for row, axis in enumerate(axes)))
    head, back, left = (bool(upright[row, axis] < 0) for row, axis in enumerate(best))
    return AxialOrder(best, (head, back, left))


def axial_affine(affine: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """IJK→RAS of the upright view of a (K, J, I) array of ``shape``: its I, J, K run to left, back, head."""
    order = axial_order(affine)
    turned = np.eye(4)
    for row, axis in enumerate(order.permutation):
        grid_column, new_column = 2 - axis, 2 - row
        turned[:3, new_column] = affine[:3, grid_column] * (-1 if order.flips[row] else 1)
    first = [0, 0, 0]
    for row, axis in enumerate(order.permutation):
        first[2 - axis] = shape[axis] - 1 if order.flips[row] else 0
    turned[:3, 3] = (affine @ np.array([*first, 1.0]))[:3]
    return turned


def axial_spacing(affine: np.ndarray) -> tuple[float, float, float]:
    """Voxel size of the upright view of a grid with this IJK→RAS ``affine``, to the left, back and head, in mm."""
    sizes = spacing(affine)
    head, back, left = axial_order(affine).permutation
    return sizes[2 - left], sizes[2 - back], sizes[2 - head]
