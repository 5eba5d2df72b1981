"""Infection of real scans carried into other lungs: what a score is worth is told where the lobes are known.

A voxel keeps its place: its share of the lung's height, then of the slice's depth, then of the row's width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from CovidSegLib.geometry.grid import Grid
from CovidSegLib.options import Options
from CovidSegLib.pipeline import segment
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct, read_labels
from CovidSegLib.segmentation import Label

from ..data.cases import look


@dataclass(frozen=True)
class InfectedLungs:
    """``lungs``: uint8 (z, y, x), upright: 1 left, 2 right; ``infected``: bool, a reader's infection in them."""

    name: str
    lungs: np.ndarray
    infected: np.ndarray


def read_infected(folder: Path, progress: Progress) -> tuple[InfectedLungs, ...]:
    """The scans of ``folder``: infection as drawn, in the lungs of the installed network.

    Drawn lungs do not do: they are often not drawn on every slice. Raises InputError.
    """
    found = []
    for case in look(folder).cases:
        volume = read_ct(case.image, progress)
        drawn, _grid = read_labels(case.labels, progress)
        result = segment(volume, Options(), progress)
        upright = volume.grid.to_upright
        infected = upright(drawn) == Label.INFECTION
        found.append(InfectedLungs(case.name, _sided(upright(result.labels), volume.grid.upright), infected))
    return tuple(found)


def _sided(labels: np.ndarray, grid: Grid) -> np.ndarray:
    from CovidSegLib.measures.sided import sided_lungs

    lungs = np.zeros(labels.shape, np.uint8)
    found = sided_lungs(labels, grid)
    if found is not None:
        lungs[found.box] = np.where(found.codes > 0, 2 - found.codes % 2, 0)
    return lungs


def carried(source: InfectedLungs, lungs: np.ndarray) -> np.ndarray:
    """``lungs`` (uint8, upright: 1 left, 2 right) with the infection of ``source``: 3 and 4 where they are infected."""
    result = lungs.copy()
    for side in (1, 2):
        mine = source.lungs == side
        if mine.any():
            where = np.nonzero(lungs == side)
            hit = source.infected[_places(_shares(lungs == side, where), mine)]
            result[tuple(axis[hit] for axis in where)] += 2
    return result


def _shares(mask: np.ndarray, where: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """How far through the mask's height, its slice's depth and its row's width each voxel of ``where`` lies, 0 to 1."""
    z, y, x = where
    (low, high), depths, widths = _extents(mask)
    return (
        (z + 0.5 - low) / (high - low),
        (y + 0.5 - depths[0][z]) / (depths[1][z] - depths[0][z]),
        (x + 0.5 - widths[0][z, y]) / (widths[1][z, y] - widths[0][z, y]),
    )


def _places(shares: Sequence[np.ndarray], mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """The voxels at these shares of ``mask``."""
    (low, high), depths, widths = _extents(mask)
    z = np.minimum((low + shares[0] * (high - low)).astype(int), high - 1)
    y = np.minimum((depths[0][z] + shares[1] * (depths[1][z] - depths[0][z])).astype(int), mask.shape[1] - 1)
    x = np.minimum((widths[0][z, y] + shares[2] * (widths[1][z, y] - widths[0][z, y])).astype(int), mask.shape[2] - 1)
    return z, y, x


def _extents(mask: np.ndarray) -> tuple[tuple[int, int], tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """First and end of the slices, of the rows of each slice, and of the columns of each row that the mask fills."""
    rows = np.any(mask, axis=2)
    slices = np.flatnonzero(rows.any(axis=1))
    return (int(slices[0]), int(slices[-1]) + 1), _ends(rows), _ends(mask)


def _ends(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the first True along the last axis, and of the one after the last."""
    return mask.argmax(axis=-1), mask.shape[-1] - mask[..., ::-1].argmax(axis=-1)
