"""Where the slices of a series lie: their order, their distance, duplicates and holes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError

_SAME_PLACE_MM = 0.01
_TOLERANCE = 0.25
"""How far a slice may lie from its place on the even grid, as a share of the slice distance."""

_TILT_PIXELS = 0.5

_STEADY = 0.1
"""Of the whole shift: slices of a tilted gantry lie this near to a straight line."""

_PAIRED = 0.1
"""Of the distance of every second slice: how far those of two even sets lie from it."""


@dataclass(frozen=True)
class SliceGrid:
    """Slices on even places along their normal.

    ``groups``: for each place of ``places``, the numbers of the slices (as handed in) that lie there, usually one;
    ``places``: place of each group on the grid, rising from 0; ``missing``: places between them that are empty,
    never two side by side; ``first``: a slice number at place 0; ``spacing``: mm between places (0 for one slice).
    """

    groups: tuple[tuple[int, ...], ...]
    places: tuple[int, ...]
    missing: tuple[int, ...]
    spacing: float

    @property
    def first(self) -> int:
        """Number of the slice at place 0."""
        return self.groups[0][0]

    @property
    def count(self) -> int:
        """How many places the grid has, empty ones included."""
        return self.places[-1] + 1


def arrange(positions: np.ndarray, row: np.ndarray, column: np.ndarray, pixel_mm: float) -> SliceGrid:
    """Order slices by where they lie, never by name.

    Parameters: ``positions`` (n, 3) of the slices' first pixels in mm; ``row``, ``column``: unit vectors in the slice;
    ``pixel_mm``: the smaller pixel edge. Raises InputError for a tilted gantry, uneven distances and holes.
    """
    depth = positions @ np.cross(row, column)
    order = np.argsort(depth, kind="stable")
    sideways = np.stack([positions @ row, positions @ column], axis=1)
    if np.ptp(sideways, axis=0).max() > _TILT_PIXELS * pixel_mm:
        raise _tilted(depth, sideways)
    groups: list[list[int]] = []
    for number in order:
        if groups and depth[number] - depth[groups[-1][0]] < _SAME_PLACE_MM:
            groups[-1].append(int(number))
        else:
            groups.append([int(number)])
    heights = np.array([depth[group[0]] for group in groups])
    places, spacing = _even_places(heights)
    missing = tuple(sorted(set(range(int(places[-1]))) - set(places.tolist())))
    return SliceGrid(tuple(map(tuple, groups)), tuple(places.tolist()), missing, spacing)


def _even_places(heights: np.ndarray) -> tuple[np.ndarray, float]:
    """The place of each rising height (mm) on an even grid, and the grid's distance."""
    if len(heights) == 1:
        return np.zeros(1, int), 0.0
    gaps = np.diff(heights)
    # The lower median is a distance that really occurs, also when half of the slices had a missing neighbour.
    usual = np.sort(gaps)[(len(gaps) - 1) // 2]
    steps = np.rint(gaps / usual).astype(int)
    if (steps > 2).any():
        _refuse_two_sets(gaps)
        place = int(np.argmax(gaps))
        raise InputError(
            f"The series has a hole of {gaps[place]:.1f} mm: {int(steps[place]) - 1} slices are missing in a row "
            f"(the others are {usual:.2f} mm apart).",
            "Export the whole series again.",
        )
    places = np.concatenate([[0], np.cumsum(steps)])
    # Positions are often rounded: the whole length tells the distance better than one gap.
    spacing = float((heights[-1] - heights[0]) / max(places[-1], 1))
    off = np.abs(heights - heights[0] - places * spacing).max()
    if (steps < 1).any() or (np.abs(gaps / usual - steps) > _TOLERANCE).any() or off > _TOLERANCE * spacing:
        _refuse_two_sets(gaps)
        raise InputError(
            f"The slices of the series are unevenly spaced ({gaps.min():.2f} to {gaps.max():.2f} mm apart).",
            "Use a series with even slices, or resample it in Slicer (DICOM module, acquisition geometry "
            "regularization, then harden the transform).",
        )
    return places, spacing


def _refuse_two_sets(gaps: np.ndarray) -> None:
    """Raise InputError where slices come in pairs: short and long ``gaps`` (mm) alternate, and add up to one number."""
    if len(gaps) < 3:
        return
    pairs = gaps[:-1] + gaps[1:]
    together = float(np.median(pairs))
    alike = np.abs(pairs - together) < _PAIRED * together
    unlike = np.abs(gaps[:-1] - gaps[1:]) > _TOLERANCE * together
    if np.count_nonzero(alike & unlike) > len(pairs) / 2:
        beside = float(np.median(np.minimum(gaps[:-1], gaps[1:])[alike & unlike]))
        raise InputError(
            f"The series holds two sets of slices that lie {beside:.2f} mm beside each other (several acquisitions or "
            "reconstructions in one).",
            "Give a folder with a single acquisition, or export the series again.",
        )


def _tilted(depth: np.ndarray, sideways: np.ndarray) -> InputError:
    """Slices that shift steadily come from a tilted gantry; otherwise they jump, or were cut out one by one."""
    reach = float(np.ptp(sideways, axis=0).max())
    if np.ptp(depth) > 0:
        line = np.polynomial.polynomial.polyfit(depth - depth.mean(), sideways, 1)
        drawn = line[0] + np.outer(depth - depth.mean(), line[1])
        if np.abs(drawn - sideways).max() <= _STEADY * float(np.ptp(drawn, axis=0).max()):
            return InputError(
                "The series was taken with a tilted gantry: its slices are shifted against each other.",
                "Load it with Slicer's DICOM module (settings: acquisition geometry regularization), harden the "
                "transform and segment that volume.",
            )
    return InputError(
        f"The slices of the series do not lie straight above one another: they jump sideways by up to {reach:.1f} mm.",
        "Give the folder of a single axial series, as it was reconstructed.",
    )
