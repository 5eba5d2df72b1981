"""Where a slice's pixels lie in the phantom, smooth random fields, and signed distances of simple shapes.

Millimetres everywhere: x to the patient's left, y to the back, z to the head. (0, 0) is the middle of the chest, z is 0
at the lower end of the scan. A signed distance is negative inside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from scipy import sparse

PIXELS = 512
PIXEL_MM = 0.75
HEIGHT_MM = 320.0
"""How much of the patient the scan covers, from the lower to the upper end of its outermost slices."""

CENTRE_ROW_MM = 10.0
"""y of the image's centre: the table needs room behind the patient."""

ANGLES = 2880
"""Steps of the circle in which outlines are tabulated; at 190 mm one step is half a pixel."""

Window = tuple[slice, slice]


@dataclass(frozen=True)
class PixelGrid:
    """Pixels of an axial slice, or a part of them.

    ``stride`` 1 is the scan's own grid, 4 a coarse one over the same field of view; ``rows`` and ``columns`` (first,
    last + 1) cut a part out of it, None takes all.
    """

    stride: int = 1
    rows: tuple[int, int] | None = None
    columns: tuple[int, int] | None = None

    @property
    def pixel_mm(self) -> float:
        """Distance of neighbouring pixels in mm."""
        return PIXEL_MM * self.stride

    def part(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> PixelGrid:
        """The pixels in a rectangle (mm) as a grid of their own; only of a whole grid. Raises ValueError for none."""
        window = self.window(x_range, y_range)
        if window is None:
            raise ValueError(f"no pixel lies in x {x_range}, y {y_range}")
        rows, columns = window
        return PixelGrid(self.stride, (rows.start, rows.stop), (columns.start, columns.stop))

    @property
    def pixels(self) -> Window:
        """Where this grid lies in the whole one."""
        whole = (0, PIXELS // self.stride)
        return slice(*(self.rows or whole)), slice(*(self.columns or whole))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.radius.shape

    @cached_property
    def _line(self) -> np.ndarray:
        count = PIXELS // self.stride
        return (np.arange(count, dtype=np.float32) - (count - 1) / 2) * np.float32(self.pixel_mm)

    @cached_property
    def x(self) -> np.ndarray:
        """X of every column, shape (1, columns)."""
        return self._line[None, self.pixels[1]]

    @cached_property
    def y(self) -> np.ndarray:
        """Y of every row, shape (rows, 1)."""
        return self._line[self.pixels[0], None] + np.float32(CENTRE_ROW_MM)

    @cached_property
    def radius(self) -> np.ndarray:
        """Distance of every pixel from (0, 0)."""
        return np.hypot(self.x, self.y)

    @cached_property
    def angle(self) -> np.ndarray:
        """Index into a table of :data:`ANGLES`: 0 in front, a quarter at the patient's left, half at the back."""
        turn = np.arctan2(np.broadcast_to(self.x, self.radius.shape), -self.y) / (2 * np.pi)
        return np.round(turn * ANGLES).astype(np.int32) % ANGLES

    def window(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> Window | None:
        """The pixels in a rectangle (mm), or None where it holds none."""
        ends = []
        for (low, high), line in ((y_range, self.y[:, 0]), (x_range, self.x[0])):
            start = max(0, int(np.ceil((low - line[0]) / self.pixel_mm)))
            stop = min(len(line), int(np.floor((high - line[0]) / self.pixel_mm)) + 1)
            if stop <= start:
                return None
            ends.append(slice(start, stop))
        return ends[0], ends[1]


def _spline_weights(positions: np.ndarray, knots: int) -> np.ndarray:
    """Cubic B-spline weights (positions, knots); the first knot lies at -1."""
    distance = np.abs(positions[:, None] + 1.0 - np.arange(knots))
    near = 2 / 3 - distance**2 * (1 - distance / 2)
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    return np.where(distance < 1, near, far).astype(np.float32)


@lru_cache(maxsize=64)
def _line_weights(stride: int, pixels: tuple[int, int], step_mm: float) -> sparse.csr_matrix:
    positions = (np.arange(*pixels) + 0.5) * stride * PIXEL_MM / step_mm
    return sparse.csr_matrix(_spline_weights(positions, _knots(PIXELS * PIXEL_MM, step_mm)))


def _knots(length_mm: float, step_mm: float) -> int:
    return int(np.ceil(length_mm / step_mm)) + 4


class SmoothField:
    """A random field over the whole scan with mean 0 and standard deviation about 1, smooth over ``step_mm``.

    Its values belong to places in the patient, not to voxels: other grids and slice distances cut the same field.
    """

    _NORM = (151 / 315) ** -1.5  # what smoothing with the spline takes away from the standard deviation

    def __init__(self, rng: np.random.Generator, step_mm: float) -> None:
        self._step = step_mm
        across, up = _knots(PIXELS * PIXEL_MM, step_mm), _knots(HEIGHT_MM, step_mm)
        self._values = rng.standard_normal((up, across, across), dtype=np.float32)

    def plane(self, grid: PixelGrid, z: float) -> np.ndarray:
        """float32 of ``grid``'s shape at height ``z``."""
        weights = _spline_weights(np.array([z / self._step]), len(self._values))[0]
        values = sum(weights[used] * self._values[used] for used in np.flatnonzero(weights))
        down, across = (_line_weights(grid.stride, (p.start, p.stop), self._step) for p in grid.pixels)
        return (across @ np.ascontiguousarray((down @ values).T)).T * np.float32(self._NORM)


def smooth_min(a: np.ndarray, b: np.ndarray | float, rounding: float) -> np.ndarray:
    """The union of two shapes whose seam is rounded over ``rounding`` mm."""
    overlap = np.clip(rounding - np.abs(a - b), 0, None)
    return np.minimum(a, b) - overlap * overlap / (4 * rounding)


def smooth_max(a: np.ndarray, b: np.ndarray | float, rounding: float) -> np.ndarray:
    """The intersection of two shapes whose edge is rounded over ``rounding`` mm."""
    overlap = np.clip(rounding - np.abs(a - b), 0, None)
    return np.maximum(a, b) + overlap * overlap / (4 * rounding)


@dataclass(frozen=True)
class Blob:
    """An ellipsoid: ``centre`` and ``semi_axes`` (x, y, z), turned by ``turn`` degrees from left to back."""

    centre: tuple[float, float, float]
    semi_axes: tuple[float, float, float]
    turn: float = 0.0

    def distance(self, grid: PixelGrid, z: float, reach: float) -> tuple[Window, np.ndarray] | None:
        """Approximate signed distance at height ``z`` in a window that reaches ``reach`` mm past the shape."""
        if abs(z - self.centre[2]) > self.semi_axes[2] + reach:
            return None
        size = max(self.semi_axes[:2]) + reach
        window = grid.window(
            (self.centre[0] - size, self.centre[0] + size), (self.centre[1] - size, self.centre[1] + size)
        )
        if window is None:
            return None
        return window, self.within(grid, z, window)

    def within(self, grid: PixelGrid, z: float, window: Window = (slice(None), slice(None))) -> np.ndarray:
        """Approximate signed distance at height ``z``, float32 of ``window`` (default: all of ``grid``)."""
        dz = z - self.centre[2]
        cos, sin = np.cos(np.radians(self.turn)), np.sin(np.radians(self.turn))
        dx, dy = grid.x[:, window[1]] - self.centre[0], grid.y[window[0]] - self.centre[1]
        along, across = dx * cos + dy * sin, dy * cos - dx * sin
        a, b, c = self.semi_axes
        scaled = np.sqrt((along / a) ** 2 + (across / b) ** 2 + (dz / c) ** 2) + 1e-6
        slope = np.sqrt((along / a**2) ** 2 + (across / b**2) ** 2 + (dz / c**2) ** 2) + 1e-6
        return (scaled * (scaled - 1) / slope).astype(np.float32)


@dataclass(frozen=True)
class Tube:
    """A chain of cones through ``points`` (x, y, z, radius)."""

    points: tuple[tuple[float, float, float, float], ...]

    def distance(self, grid: PixelGrid, z: float, reach: float) -> tuple[Window, np.ndarray] | None:
        """As :meth:`Blob.distance`."""
        ends = np.array(self.points)
        largest = ends[:, 3].max() + reach
        used = [(a, b) for a, b in pairwise(ends) if min(a[2], b[2]) - largest <= z <= max(a[2], b[2]) + largest]
        if not used:
            return None
        corners = np.array(used)[:, :, :2].reshape(-1, 2)
        (left, front), (right, back) = corners.min(axis=0) - largest, corners.max(axis=0) + largest
        window = grid.window((left, right), (front, back))
        if window is None:
            return None
        x, y = grid.x[:, window[1]], grid.y[window[0]]
        return window, np.minimum.reduce([cone_distance(x, y, z, a, b) for a, b in used])


def cone_distance(x: np.ndarray, y: np.ndarray, z: float, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Signed distance from the cone with round ends between ``a`` and ``b`` (x, y, z, radius each)."""
    axis = b[:3] - a[:3]
    dx, dy, dz = x - a[0], y - a[1], z - a[2]
    share = np.clip((dx * axis[0] + dy * axis[1] + dz * axis[2]) / (axis @ axis + 1e-9), 0, 1)
    off = np.sqrt((dx - share * axis[0]) ** 2 + (dy - share * axis[1]) ** 2 + (dz - share * axis[2]) ** 2)
    return (off - a[3] - share * (b[3] - a[3])).astype(np.float32)


def union(
    shapes: Iterable[Blob | Tube], grid: PixelGrid, z: float, *, reach: float = 12.0, rounding: float = 4.0
) -> np.ndarray:
    """Signed distance of the rounded union of ``shapes``; where none is near, ``reach``."""
    result = np.full(grid.shape, reach, np.float32)
    for shape in shapes:
        found = shape.distance(grid, z, reach)
        if found is not None:
            window, distance = found
            before = result[window]
            result[window] = np.where(distance < reach, smooth_min(before, distance, rounding), before)
    return result
