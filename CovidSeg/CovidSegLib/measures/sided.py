"""Labels in which infection has a side: what all measures count."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import scipy

from ..anatomy.lungs import SMALLER_SHARE, Sides, find_sides
from ..geometry.grid import Grid, read_only
from ..geometry.masks import Box, bounding_box, grown
from ..segmentation import Label
from ..system.last_answer import LastAnswer


class Code(IntEnum):
    """Values of :attr:`SidedLungs.codes`. Infection counts as lung, to the lung of its own side."""

    OUTSIDE = 0
    LEFT = 1
    RIGHT = 2
    LEFT_INFECTED = 3
    RIGHT_INFECTED = 4


LEFT_CODES = (Code.LEFT, Code.LEFT_INFECTED)
RIGHT_CODES = (Code.RIGHT, Code.RIGHT_INFECTED)

ACROSS_MM = 10.0
"""Infection this far beyond the middle edge of the only lung is the other one's. Nearer than that it may be its own."""


@dataclass(frozen=True)
class SidedLungs:
    """The lungs in their box of the upright grid (axes to head, back, left).

    ``codes``: uint8 of :class:`Code`; ``grid``: where they lie; ``box``: where ``codes`` lies in the upright
    grid of ``shape`` (a rim of one voxel around the lungs is included wherever the grid has one).
    """

    codes: np.ndarray
    grid: Grid
    box: Box
    shape: tuple[int, int, int]


def sided_lungs(labels: np.ndarray, grid: Grid, last: LastAnswer[Sides] | None = None) -> SidedLungs | None:
    """Give infection its side. ``labels``: uint8 (K, J, I) of :class:`Label` on ``grid``. None without lung.

    In the labels an infected voxel has no side; it is found from lung and infection together
    (:func:`CovidSegLib.anatomy.lungs.find_sides`, which takes ``last``).
    """
    upright = grid.to_upright(read_only(labels))
    tight = bounding_box(upright)
    if tight is None:
        return None
    box = tuple(
        slice(max(part.start - 1, 0), min(part.stop + 1, size)) for part, size in zip(tight, upright.shape, strict=True)
    )
    codes = upright[box].copy()  # written into below, also where the box is the whole grid
    infected = bounding_box(codes, Label.INFECTION)
    if infected is not None:
        mm = grid.upright.spacing
        _part_infection(codes, infected, box, find_sides(upright, mm, last), mm[0])
    return SidedLungs(read_only(codes), grid.upright.part(box), box, upright.shape)


def infection_on_right(lungs: SidedLungs, grid: Grid, box: Box) -> np.ndarray:
    """Where infection counts to the right lung: bool (K, J, I) of ``box``, a part of ``grid`` with infection.

    ``grid``: that of the labels of ``lungs``.
    """
    place = grid.order.upright_box(box, grid.shape)
    inside = tuple(slice(at.start - own.start, at.stop - own.start) for at, own in zip(place, lungs.box, strict=True))
    return grid.from_upright(lungs.codes[inside] == Code.RIGHT_INFECTED)


def _part_infection(codes: np.ndarray, infected: Box, box: Box, sides: Sides, column_mm: float) -> None:
    """Turn infection on the right into its code, in place. ``infected``: where infection lies in ``codes``."""
    left, right = (np.count_nonzero(codes == side) for side in (Code.LEFT, Code.RIGHT))
    if not sides.parted and min(left, right) < SMALLER_SHARE * (left + right):
        # One lung, and the labels say which: the middle of the grid says less.
        _part_lesions(codes, infected, Code.RIGHT if right > left else Code.LEFT, column_mm)
        return
    rows, columns = (
        slice(part.start + at.start, part.stop + at.start) for part, at in zip(infected[1:], box[1:], strict=True)
    )
    for k in range(infected[0].start, infected[0].stop):
        plane = codes[k, infected[1], infected[2]]
        infection = plane == Label.INFECTION
        if infection.any():
            plane[infection & ~sides.is_left(k + box[0].start, rows, columns)] = Code.RIGHT_INFECTED


def _part_lesions(codes: np.ndarray, infected: Box, lung: Code, column_mm: float) -> None:
    """As :func:`_part_infection` where there is one ``lung``: absent in the patient, or a segment was taken out.

    Infection that touches lung is of that lung. Other infection is too, unless it lies across the middle.
    """
    around = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in infected)
    part = codes[around]
    lesions, count = scipy.ndimage.label(part == Label.INFECTION, np.ones((3, 3, 3)))
    touching = [np.bincount(lesions[grown(part == side)], minlength=count + 1) for side in (Code.LEFT, Code.RIGHT)]
    on_right = touching[1] > touching[0]
    for number, place in enumerate(scipy.ndimage.find_objects(lesions), 1):
        if touching[0][number] == touching[1][number]:
            moved = tuple(
                slice(one.start + at.start, one.stop + at.start) for one, at in zip(place, around, strict=True)
            )
            on_right[number] = _is_across(codes, moved, lung, column_mm) != (lung == Code.RIGHT)
    on_right[0] = False
    part[on_right[lesions]] = Code.RIGHT_INFECTED


def _is_across(codes: np.ndarray, place: Box, lung: Code, column_mm: float) -> bool:
    """Whether what is at ``place`` lies beyond the edge that ``lung`` turns to the other one.

    Beside it, if there is lung: in front of the heart and behind it a lung does not end in the same column.
    """
    for beside in (codes[place[:2]], codes[place[0]], codes):
        columns = np.flatnonzero((beside == lung).any(axis=(0, 1)))
        if columns.size:
            break
    middle = (place[2].start + place[2].stop - 1) / 2
    beyond = columns[0] - middle if lung == Code.LEFT else middle - columns[-1]
    return beyond * column_mm > ACROSS_MM


assert (Code.LEFT, Code.RIGHT, Code.LEFT_INFECTED) == (Label.LEFT_LUNG, Label.RIGHT_LUNG, Label.INFECTION)
