"""A lung in its own frame: where a voxel lies in it, what its shape is, and the surfaces that part it into lobes.

The fissures are height functions in the frame of their lung: the oblique one along a line that climbs to the back, the
horizontal one of the right lung along the body's axis. All is done on a coarse grid: memory and time are bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.polynomial import legendre

from ..geometry.resampling import block_sums
from ..segmentation import Lobe

BLOCK_MM = 4.0
"""Size of the blocks in which lung and infection are counted: a third of the uncertainty of a fissure's place."""

GRID = (24, 16, 12)
"""Points (z, y, x) at which a lung's shape is sampled, in its own frame."""

OBLIQUE_DEGREE, HORIZONTAL_DEGREE = 4, 3
"""Total degree of the polynomials; with them the surfaces of drawn lobes are met with a Dice above 0.95."""

OBLIQUE_TERMS = (OBLIQUE_DEGREE + 1) * (OBLIQUE_DEGREE + 2) // 2
HORIZONTAL_TERMS = (HORIZONTAL_DEGREE + 1) * (HORIZONTAL_DEGREE + 2) // 2

_CLIMB = 0.8
"""How steeply the oblique fissure climbs to the back, in the lung's frame."""

_WIDE = 2 * np.sqrt(3.0)
"""Standard deviations from one side of an evenly filled box to the other."""

_REACH = 1.2
"""Where polynomials are held: beyond it they would run away."""


LEFT_LOBES = (Lobe.LEFT_UPPER, Lobe.LEFT_LOWER)
RIGHT_LOBES = (Lobe.RIGHT_UPPER, Lobe.RIGHT_MIDDLE, Lobe.RIGHT_LOWER)


@dataclass(frozen=True)
class CoarseLung:
    """One lung in blocks: int64 counts (z, y, x) of its voxels, and of those infected.

    ``steps``: voxels along each side (z, y, x) of a block, ``size_mm``: how long it is. ``right``: which lung.
    """

    lung: np.ndarray
    infected: np.ndarray
    steps: tuple[int, int, int]
    size_mm: tuple[float, float, float]
    right: bool

    @property
    def lobes(self) -> tuple[Lobe, ...]:
        """The lobes of this lung."""
        return RIGHT_LOBES if self.right else LEFT_LOBES

    @property
    def ml(self) -> float:
        """Volume in mL, infection included."""
        return float(self.lung.sum() * np.prod(self.size_mm) / np.prod(self.steps) / 1000)

    @cached_property
    def frame(self) -> np.ndarray:
        """First and last place (3, 2; z, y, x in mm) of the evenly filled box with the lung's centre and spread."""
        edges = []
        for axis, size in enumerate(self.size_mm):
            weights = self.lung.sum(axis=tuple(other for other in range(3) if other != axis), dtype=np.float64)
            places = _places(len(weights), size)
            centre = np.average(places, weights=weights)
            half = _WIDE / 2 * np.sqrt(np.average((places - centre) ** 2, weights=weights))
            edges.append((centre - half, centre + half))
        return np.array(edges)

    def coordinates(self, k: int | slice = slice(None)) -> tuple[np.ndarray, ...]:
        """Where blocks lie in the frame: z (from below), y (from the front), x (from the middle), 0 to 1 inside.

        Broadcastable arrays for the whole grid, or for the plane or planes ``k``.
        """
        z, y, x = self.in_frame(*(_places(n, size) for n, size in zip(self.lung.shape, self.size_mm, strict=True)))
        return np.atleast_1d(z[k])[:, None, None], y[None, :, None], x[None, None, :]

    def in_frame(self, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Places in the grid, in mm from its first corner, as coordinates in the frame."""
        own = [(at - first) / (last - first) for at, (first, last) in zip((z, y, x), self.frame, strict=True)]
        return own[0], own[1], 1 - own[2] if self.right else own[2]  # the grid runs to the left

    def shape_points(self) -> np.ndarray:
        """How much of the lung is at each point of :data:`GRID` in its frame: float64, 0 to 1, as one line."""
        return self._points

    @cached_property
    def _points(self) -> np.ndarray:
        share = self.lung / np.prod(self.steps)
        points, widths = [], []
        for (first, last), size, count in zip(self.frame, self.size_mm, GRID, strict=True):
            points.append((first + (np.arange(count) + 0.5) / count * (last - first)) / size - 0.5)
            widths.append((last - first) / size / count / 3)
        smooth = scipy.ndimage.gaussian_filter(share, widths, mode="constant")
        sampled = scipy.ndimage.map_coordinates(smooth, np.meshgrid(*points, indexing="ij"), order=1)
        return np.ascontiguousarray(sampled[:, :, ::-1] if self.right else sampled).ravel()


def coarse_lungs(lungs: np.ndarray, spacing_mm: tuple[float, float, float]) -> tuple[CoarseLung, CoarseLung]:
    """Left and right lung in blocks, slice by slice.

    ``lungs``: uint8 (z, y, x), upright: 1 left lung, 2 right lung, 3 and 4 what of them is infected; ``spacing_mm``:
    upright x, y, z.
    """
    sizes = spacing_mm[::-1]
    steps = tuple(max(1, round(BLOCK_MM / mm)) for mm in sizes)
    shape = tuple(-(-length // step) for length, step in zip(lungs.shape, steps, strict=True))
    counts = np.zeros((4, *shape), np.int64)
    for k, plane in enumerate(lungs):
        highest = plane.max(initial=0)
        for code in range(1, highest + 1):
            sums = block_sums(plane == code, *steps[1:])
            counts[(code - 1) % 2, k // steps[0]] += sums
            if code > 2:
                counts[2 + (code - 1) % 2, k // steps[0]] += sums
    size_mm = tuple(float(step * mm) for step, mm in zip(steps, sizes, strict=True))
    left, right = (CoarseLung(counts[n], counts[2 + n], steps, size_mm, bool(n)) for n in (0, 1))  # type: ignore[arg-type]
    return left, right


def beside(left: CoarseLung, right: CoarseLung) -> np.ndarray:
    """How the left lung lies beside the right one: its lower end, its upper end and its centre from front to back.

    By how much each is higher, or farther back, as a share of the lungs' mean height: float64 (3).
    """
    height = np.mean([lung.frame[0, 1] - lung.frame[0, 0] for lung in (left, right)])
    apart = left.frame - right.frame
    return np.array([apart[0, 0], apart[0, 1], apart[1].mean()]) / height


def oblique_terms(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height over the slope of the oblique fissure, and the terms (last axis) of the surface's own height there."""
    return z - _CLIMB * y, _terms(z + y - 1, 2 * x - 1, OBLIQUE_DEGREE)


def horizontal_terms(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`oblique_terms`, of the horizontal fissure: the upper lobe lies above it, the middle one below."""
    return z + 0 * (y + x), _terms(2 * y - 1 + 0 * z, 2 * x - 1, HORIZONTAL_DEGREE)


def _terms(first: np.ndarray, second: np.ndarray, degree: int) -> np.ndarray:
    """Products of Legendre polynomials up to a total ``degree``, as the last axis."""
    # Not broadcast before: on a plane of the grid each of them is a line, and the polynomials are most of the work.
    first, second = (np.clip(line, -_REACH, _REACH) for line in (first, second))
    ones, others = (np.moveaxis(legendre.legvander(line, degree), -1, 0) for line in (first, second))
    return np.stack([ones[i] * others[j] for i in range(degree + 1) for j in range(degree + 1 - i)], axis=-1)


def _places(count: int, size: float) -> np.ndarray:
    return (np.arange(count) + 0.5) * size
