"""Where the voxels of an array lie in the patient: a grid, its upright view, and the way from one grid to another.

The words:

- **Array axes** are (z, y, x), that is (K, J, I): the last axis runs fastest in memory.
- **IJK** is a voxel's index in the order (x, y, z): the array axes backwards.
- **RAS** is a place in the patient in mm: to the right, to the front (anterior), to the head (superior).
- **affine** is the 4x4 matrix from IJK to RAS. It points to the centres of voxels.
- **upright** is a view whose array axes run to the head, to the back and to the left, as closely as the grid allows
  without interpolating. So a picture of an upright slice shows what radiologists are used to.

A scan whose first axis runs to the feet, in slices 5 mm apart:

>>> import numpy as np
>>> grid = Grid(np.array([[-0.7, 0, 0, 90], [0, -0.7, 0, 80], [0, 0, -5, 300], [0, 0, 0, 1]]), (2, 3, 4))
>>> grid.spacing
(0.7, 0.7, 5.0)
>>> round(grid.voxel_ml, 5)
0.00245
>>> grid.to_ras((0, 0, 1)).tolist()
[90.0, 80.0, 295.0]

Upright, its slices come in the other order. Each voxel stays where it is in the patient:

>>> slices = np.array([[[10] * 4] * 3, [[20] * 4] * 3])
>>> grid.to_upright(slices)[:, 0, 0].tolist()
[20, 10]
>>> grid.upright.to_ras((0, 0, 0)).tolist()
[90.0, 80.0, 295.0]
>>> bool((grid.from_upright(grid.to_upright(slices)) == slices).all())
True
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from ..errors import InputError
from ..i18n import tr as _
from .masks import Box

_TOLERANCE = 0.05
"""In voxels: programs round the numbers that describe a grid."""

_CHOICES = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


def read_only(array: np.ndarray) -> np.ndarray:
    """A view of ``array`` that cannot be written through: for what is handed on to be looked at."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class UprightOrder:
    """How an array (K, J, I) is turned into the upright view, and back.

    ``permutation`` and ``flips`` apply to the array's axes in this order: first transpose, then flip. Both ways return
    views, nothing is copied.
    """

    permutation: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    @classmethod
    def of(cls, affine: np.ndarray) -> UprightOrder:
        """The order for a grid with this IJK→RAS ``affine``.

        Of all ways to pair the grid's axes with S, P, L the one is taken whose squared cosines have the largest sum:
        the closest one for an oblique grid.
        """
        cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        # Rows: the upright axes S, P, L in RAS; columns: the array's axes K, J, I.
        upright = np.array([cosines[2], -cosines[1], -cosines[0]])[:, ::-1]
        best = max(_CHOICES, key=lambda axes: sum(upright[row, axis] ** 2 for row, axis in enumerate(axes)))
        head, back, left = (bool(upright[row, axis] < 0) for row, axis in enumerate(best))
        return cls(best, (head, back, left))

    def to_upright(self, array: np.ndarray) -> np.ndarray:
        """``array`` (K, J, I) as a view with axes (to head, to back, to left)."""
        return self._flipped(array.transpose(self.permutation))

    def from_upright(self, array: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`to_upright`: a view with the grid's own axes (K, J, I)."""
        return self._flipped(array).transpose(np.argsort(self.permutation))

    def upright_box(self, box: Box, shape: tuple[int, ...]) -> Box:
        """Where ``box`` of an array (K, J, I) of ``shape`` lies in its upright view."""
        turned = ((box[axis], shape[axis], flip) for axis, flip in zip(self.permutation, self.flips, strict=True))
        return tuple(
            slice(size - part.stop, size - part.start) if flip else slice(part.start, part.stop)
            for part, size, flip in turned
        )

    def turned(self, permutation: tuple[int, int, int]) -> list[UprightOrder]:
        """The four orders with ``permutation`` that a rotation, without a mirror, makes of this one."""
        either = (False, True)
        every = [UprightOrder(permutation, flips) for flips in product(either, either, either)]
        return [order for order in every if order._is_mirrored == self._is_mirrored]

    def _flipped(self, array: np.ndarray) -> np.ndarray:
        return array[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)]

    @property
    def _is_mirrored(self) -> bool:
        is_odd = np.linalg.det(np.eye(3)[list(self.permutation)]) < 0
        return bool(is_odd) != (sum(self.flips) % 2 == 1)


@dataclass(frozen=True, eq=False)
class Grid:
    """A grid of voxels in the patient.

    Parameters
    ----------
    affine : (4, 4) array
        IJK→RAS in mm; may be oblique.
    shape : (int, int, int)
        Voxels along the array axes (z, y, x).

    Raises
    ------
    ValueError
        Where ``affine`` is not finite and invertible with the last row 0 0 0 1, or ``shape`` has not three numbers.
    """

    affine: np.ndarray
    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        if self.affine.shape != (4, 4) or not np.isfinite(self.affine).all():
            raise ValueError("affine must be a finite 4x4 matrix")
        if not np.array_equal(self.affine[3], (0, 0, 0, 1)) or abs(np.linalg.det(self.affine[:3, :3])) < 1e-9:
            raise ValueError("affine must be invertible with the last row 0 0 0 1")
        if len(self.shape) != 3:
            raise ValueError(f"shape must be (z, y, x), not {self.shape}")
        object.__setattr__(self, "affine", read_only(self.affine))
        object.__setattr__(self, "shape", tuple(map(int, self.shape)))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along x, y, z (I, J, K) in mm: the lengths of the affine's columns."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in mL (1 mL = 1000 mm³)."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    @cached_property
    def order(self) -> UprightOrder:
        """How arrays on this grid are turned upright."""
        return UprightOrder.of(self.affine)

    def to_upright(self, array: np.ndarray) -> np.ndarray:
        """``array`` (z, y, x) of this grid as its upright view."""
        return self.order.to_upright(array)

    def from_upright(self, array: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`to_upright`."""
        return self.order.from_upright(array)

    @cached_property
    def upright(self) -> Grid:
        """The grid of the upright view: its I, J, K run to the left, to the back, to the head."""
        turned, first = np.eye(4), [0, 0, 0]
        for row, (axis, flip) in enumerate(zip(self.order.permutation, self.order.flips, strict=True)):
            turned[:3, 2 - row] = self.affine[:3, 2 - axis] * (-1 if flip else 1)
            first[2 - axis] = self.shape[axis] - 1 if flip else 0
        turned[:3, 3] = self.to_ras(first)
        slices, rows, columns = (self.shape[axis] for axis in self.order.permutation)
        return Grid(turned, (slices, rows, columns))

    def to_ras(self, ijk: np.ndarray | tuple[float, float, float] | list[int]) -> np.ndarray:
        """RAS in mm, (..., 3), of the indices ``ijk``, (..., 3) in the order (x, y, z); they need not be whole."""
        return np.asarray(ijk) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def part(self, box: Box) -> Grid:
        """The grid of ``box``: a slice with a start and a stop along z, y, x."""
        affine = self.affine.copy()
        affine[:3, 3] = self.to_ras([part.start for part in reversed(box)])
        slices, rows, columns = (part.stop - part.start for part in box)
        return Grid(affine, (slices, rows, columns))

    def apart_mm(self, other: Grid) -> float:
        """How far apart, in mm, the farthest corner voxels of two grids lie; infinite where their shapes differ."""
        if other.shape != self.shape:
            return float("inf")
        corners = np.array(list(product(*((0, size - 1) for size in self.shape[::-1]))))
        return float(np.linalg.norm(self.to_ras(corners) - other.to_ras(corners), axis=1).max())

    def holds(self, other: Grid) -> bool:
        """Whether all voxels of ``other`` are voxels of this grid."""
        try:
            turn, shift = self._whole_steps(other)
        except InputError:
            return False
        ends = np.array([shift, turn @ (np.array(other.shape[::-1]) - 1) + shift])
        return bool((ends >= 0).all() and (ends < self.shape[::-1]).all())

    def bring(self, array: np.ndarray, affine: np.ndarray) -> np.ndarray:
        """``array`` (z, y, x) with the IJK→RAS ``affine`` on this grid; 0 where it is not. Nothing is interpolated.

        Slicer saves the part of a grid that is filled, other programs may turn its axes. Raises InputError when the
        voxels are not voxels of this grid, or when one that is not 0 lies outside of it.
        """
        result = np.zeros(self.shape, array.dtype)
        filled = np.count_nonzero(array)
        if filled == 0:  # of an empty segmentation the grid means nothing
            return result
        turn, shift = self._whole_steps(Grid(affine, array.shape))
        # Steps are in the order x, y, z, arrays in the order z, y, x.
        source = [2 - int(np.argmax(np.abs(turn[2 - axis]))) for axis in range(3)]
        flips = [turn[2 - axis].sum() < 0 for axis in range(3)]
        turned = array.transpose(source)[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
        here, there = [], []
        for axis, size in enumerate(turned.shape):
            first = int(shift[2 - axis]) - (size - 1 if flips[axis] else 0)
            start, stop = max(0, first), max(0, min(self.shape[axis], first + size))
            here.append(slice(start, max(start, stop)))
            there.append(slice(start - first, max(start, stop) - first))
        part = turned[tuple(there)]
        result[tuple(here)] = part
        if np.count_nonzero(part) != filled:
            raise _another_scan()
        return result

    def _whole_steps(self, other: Grid) -> tuple[np.ndarray, np.ndarray]:
        """From voxels of ``other`` to voxels of this grid, both in x, y, z.

        As turn (3x3 of -1, 0, 1) and shift (whole voxels); raises InputError where they are no voxels of it.
        """
        steps = np.linalg.inv(self.affine) @ other.affine
        turn = np.rint(steps[:3, :3])
        middle = (np.array(other.shape[::-1]) - 1) / 2
        shift = steps[:3, :3] @ middle + steps[:3, 3] - turn @ middle
        off = np.abs(steps[:3, :3] - turn) @ middle + np.abs(shift - np.rint(shift))
        is_turn = all((np.abs(turn).sum(axis=axis) == 1).all() for axis in (0, 1))
        if not is_turn or off.max() > _TOLERANCE:
            raise _another_scan()
        return turn, np.rint(shift)


def _another_scan() -> InputError:
    return InputError(_("The segmentation belongs to another scan: its voxels are not those of this one."))
