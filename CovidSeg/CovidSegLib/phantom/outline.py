"""The outlines of body and chest cavity, the spine's curve and the diaphragm: what everything else is hung on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from .pixel_grid import ANGLES, PixelGrid

_DEGREES = (0, 20, 40, 60, 80, 100, 120, 140, 155, 168, 180)
"""Where an outline is given, from front (0) to back; it is mirrored, then made a little uneven."""

_CAVITY = {
    0: (78, 84, 97, 114, 126, 127, 119, 107, 99, 90, 82),
    60: (80, 86, 99, 117, 130, 131, 122, 110, 101, 91, 82),
    110: (83, 89, 102, 118, 130, 131, 123, 111, 102, 92, 82),
    160: (84, 90, 101, 114, 124, 126, 120, 109, 100, 90, 80),
    200: (77, 82, 91, 103, 114, 117, 113, 104, 94, 84, 74),
    235: (62, 66, 75, 86, 96, 99, 97, 89, 80, 70, 60),
    260: (42, 47, 55, 65, 74, 78, 77, 70, 62, 52, 44),
    280: (18, 24, 32, 42, 51, 56, 56, 50, 42, 32, 24),
    293: (0, 3, 10, 19, 28, 33, 33, 28, 20, 12, 6),
    320: (-60, -60, -60, -60, -60, -60, -60, -60, -60, -60, -60),
}
"""Inner side of the ribs: mm from the middle at each height (mm). An adult's lungs are 250 to 270 mm wide."""

_BODY = {
    0: (104, 106, 116, 134, 150, 152, 145, 137, 132, 128, 126),
    60: (107, 110, 121, 140, 156, 158, 150, 140, 134, 129, 126),
    110: (110, 115, 129, 149, 165, 167, 157, 143, 135, 129, 126),
    160: (108, 114, 131, 154, 172, 176, 165, 149, 137, 129, 126),
    200: (101, 106, 124, 152, 180, 190, 177, 155, 139, 129, 126),
    235: (88, 93, 112, 148, 192, 212, 192, 160, 140, 128, 124),
    265: (70, 75, 94, 135, 198, 240, 205, 160, 136, 122, 117),
    295: (56, 59, 74, 112, 190, 245, 205, 150, 122, 108, 103),
    320: (48, 50, 62, 90, 165, 230, 190, 135, 105, 94, 88),
}
"""Skin; the raised arms make the shoulders wider than the image, as in real scans."""

_FAT = {0: (16, 14, 12, 11, 12, 15, 14, 10, 8, 7, 7), 320: (6, 6, 7, 9, 10, 12, 12, 10, 8, 7, 7)}
"""Fat under the skin."""

_SPINE = PchipInterpolator((0, 60, 130, 200, 250, 290, 320), (47, 53, 57, 55, 45, 33, 24))
"""y of the vertebral bodies' centres: the thoracic spine bends backwards."""

_UPPER = {-1: (-67.0, -8.0, 114.0), 1: (69.0, -4.0, 100.0)}
"""Tops (x, y, z) of the right (-1) and the left (1) dome of the diaphragm; the liver lifts the right one."""

_INNER_MM = (60.0, 100.0)
"""How far from its top a dome falls to the rim towards the midline (across, and to front and back)."""

_RIM = ((0, 82.0), (60, 70.0), (100, 52.0), (140, 38.0), (180, 34.0))
"""Height at which the diaphragm leaves the ribs, by degrees from the front: deepest at the back."""


def spine_y(z: float) -> float:
    """Y of the spine's axis at height ``z``."""
    return float(_SPINE(z))


class Outline:
    """A closed outline around (0, 0), given as radius over angle and height."""

    def __init__(self, table: Mapping[int, tuple[float, ...]], unevenness: np.ndarray) -> None:
        """``unevenness``: 4 numbers of about 1; they sway the outline by up to 2 %."""
        around = np.arange(ANGLES) * (360.0 / ANGLES)
        degrees = np.array([*_DEGREES, *(360 - d for d in _DEGREES[-2::-1])], float)
        rows = np.array([[*row, *row[-2::-1]] for row in table.values()], float)
        radius = CubicSpline(degrees, rows, axis=1, bc_type="periodic")(around)
        turns = np.radians(around)
        sway = sum(
            amount * np.cos(order * turns + phase)
            for amount, order, phase in zip(unevenness, (1, 2, 3, 5), (1.6, 0.9, 2.1, 0.3), strict=True)
        )
        self._of_height = PchipInterpolator(tuple(table), radius * (1 + 0.006 * sway), axis=0)

    def radius(self, z: float) -> np.ndarray:
        """Mm from (0, 0) for each of the :data:`ANGLES` at height ``z``."""
        return self._of_height(z).astype(np.float32)

    def slope(self, z: float) -> np.ndarray:
        """How the radius grows with height (mm per mm)."""
        return self._of_height(z, 1).astype(np.float32)


@dataclass(frozen=True)
class Diaphragm:
    """The two domes as a height over the plane, cut out for one ``grid``; ``lift`` (mm) is the state of breath."""

    grid: PixelGrid
    cavity: Outline
    lift: float

    @cached_property
    def height(self) -> np.ndarray:
        """Z of the diaphragm, of the grid's shape; it falls without end outside the ribs."""
        right, left = (self._dome(side) for side in (-1, 1))
        # Between the domes lies the central tendon, below the heart.
        blend = 1 / (1 + np.exp(-self.grid.x / 9.0))
        return ((1 - blend) * right + blend * left + self.lift).astype(np.float32)

    def _dome(self, side: int) -> np.ndarray:
        x0, y0, top = _UPPER[side]
        dx, dy = self.grid.x - x0, self.grid.y - y0
        degrees = np.degrees(np.arctan2(np.abs(self.grid.x), -self.grid.y))
        rim = np.interp(degrees, *np.transpose(_RIM))
        reach = self._reach(side)[np.round(np.arctan2(dx, -dy) / (2 * np.pi) * ANGLES).astype(int) % ANGLES]
        share = np.hypot(dx, dy) / reach
        # Towards the midline it falls within the dome's own width, at the back steeply down to the crura ...
        inner = np.hypot(dx / _INNER_MM[0], dy / _INNER_MM[1])
        inward = np.clip(-side * dx / 30.0, 0, 1)
        share = share + (np.maximum(inner, share) - share) * inward
        # ... but in front only to the central tendon, on which the heart rests.
        tendon = np.clip(-side * dx / 60.0, 0, 1) * np.clip((18.0 - self.grid.y) / 45.0, 0, 1)
        return top - (top - rim) * (1 - 0.75 * tendon) * np.minimum(share, 1.6) ** 2.6

    def _reach(self, side: int) -> np.ndarray:
        """Distance from a dome's top to the ribs for each of the :data:`ANGLES` around it."""
        x0, y0, _ = _UPPER[side]
        radius = self.cavity.radius(70.0)
        turns = np.arange(ANGLES) * (2 * np.pi / ANGLES)
        x, y = radius * np.sin(turns) - x0, -radius * np.cos(turns) - y0
        around = np.arctan2(x, -y)
        order = np.argsort(around)
        wanted = np.where(turns > np.pi, turns - 2 * np.pi, turns)
        return np.interp(wanted, around[order], np.hypot(x, y)[order], period=2 * np.pi)

    @cached_property
    def slope(self) -> np.ndarray:
        """Length of the normal over its vertical part: divides a vertical distance into a true one."""
        down, right = np.gradient(self.height, self.grid.pixel_mm)
        return np.sqrt(1 + np.minimum(down**2 + right**2, 25.0))

    def distance(self, z: float) -> np.ndarray:
        """Signed distance from the abdomen: negative below the diaphragm."""
        return (z - self.height) / self.slope


@dataclass(frozen=True)
class BodyFrame:
    """Body, cavity, fat and diaphragm of one phantom on one grid."""

    grid: PixelGrid
    body: Outline
    cavity: Outline
    fat: Outline
    diaphragm: Diaphragm

    @classmethod
    def random(cls, rng: np.random.Generator, grid: PixelGrid) -> BodyFrame:
        """Outlines of a seeded person."""
        sway = rng.uniform(-1, 1, (3, 4))
        cavity = Outline(_CAVITY, sway[0])
        diaphragm = Diaphragm(grid, cavity, float(rng.uniform(-5, 5)))
        return cls(grid, Outline(_BODY, sway[1] * 0.7), cavity, Outline(_FAT, 8 * sway[2]), diaphragm)

    def on(self, grid: PixelGrid) -> BodyFrame:
        """The same person on another grid."""
        lift = self.diaphragm.lift
        return BodyFrame(grid, self.body, self.cavity, self.fat, Diaphragm(grid, self.cavity, lift))

    def outside_cavity(self, z: float) -> np.ndarray:
        """Distance from the ribs' inner side, negative inside."""
        steep = np.sqrt(1 + self.cavity.slope(z) ** 2)
        return (self.grid.radius - self.cavity.radius(z)[self.grid.angle]) / steep[self.grid.angle]
