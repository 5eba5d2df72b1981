"""Where the lungs are: the cavity without mediastinum, spine and what lies below the diaphragm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from .bones import spine_distance
from .organs import FAT_PADS, GREAT_VESSELS, HEART, HILA, MAIN_BRONCHI, OESOPHAGUS, TRACHEA
from .outline import BodyFrame
from .pixel_grid import PixelGrid, SmoothField, smooth_max, smooth_min, union

_FRONT_SHEET = PchipInterpolator(
    (0, 70, 100, 130, 150, 164, 176, 196, 206, 222, 240, 262, 320),
    (30, 26, 20, 13, 6, 2.2, 1.0, 1.0, 2.0, 7, 14, 22, 34),
)
"""Half the thickness of the tissue between the lungs in front of the heart and the vessels. About z = 185 both lungs
almost touch: the anterior junction line, 2 mm, thinner than what a network's grid can show."""

_BACK_SHEET_MM = 6.0
_SHEET_TURN_MM = (-46.0, -34.0)
_MARGIN_MM = 3.0
"""Fat and pleura around the organs."""

_PLEURA_MM = 1.0
_TOP_MM = 300.0


def airway_shapes() -> tuple:
    """Trachea and main bronchi; their walls are 1.5 mm."""
    return TRACHEA, *MAIN_BRONCHI


@dataclass(frozen=True)
class LungShapes:
    """Signed distances (mm) of the parts that bound the lungs, slice by slice on the frame's grid."""

    frame: BodyFrame
    bumps: SmoothField

    @property
    def grid(self) -> PixelGrid:
        """The grid of all planes."""
        return self.frame.grid

    def between(self, z: float) -> np.ndarray:
        """Distance from what lies between the lungs (negative inside): organs with fat, and the midline sheet."""
        organs = union(
            (*HEART, *GREAT_VESSELS, OESOPHAGUS, TRACHEA, *MAIN_BRONCHI, *HILA, *FAT_PADS),
            self.grid,
            z,
            reach=14.0,
            rounding=9.0,
        )
        return smooth_min(organs - _MARGIN_MM, self._sheet(z), 6.0)

    def _sheet(self, z: float) -> np.ndarray:
        front = float(_FRONT_SHEET(z))
        sternum = -float(self.frame.cavity.radius(z)[0])
        turn = np.clip((self.grid.y - _SHEET_TURN_MM[0]) / (_SHEET_TURN_MM[1] - _SHEET_TURN_MM[0]), 0, 1)
        half = front + (max(front, _BACK_SHEET_MM) - front) * turn
        # Fat fills the corner behind the sternum.
        half = half + 0.55 * np.clip(10.0 - (self.grid.y - sternum), 0, 25)
        return np.abs(self.grid.x - self.middle(z)) - half

    def middle(self, z: float) -> np.ndarray:
        """X of the plane that parts left from right, one for each row."""
        return 2.0 + 2.5 * np.sin(z / 40.0) + 0.03 * self.grid.y

    def outside(self, z: float) -> np.ndarray:
        """Signed distance from both lungs together, negative inside."""
        cavity = self.frame.outside_cavity(z) + _PLEURA_MM
        if z > _TOP_MM or cavity.min() > 0:
            return np.maximum(cavity, 1.0)
        bumps = self.bumps.plane(self.grid, z)
        walls = smooth_max(cavity + 0.5 * bumps, -self.frame.diaphragm.distance(z) + 0.8 * bumps, 4.0)
        middle = np.minimum(self.between(z) + 0.9 * bumps, 14.0)
        result = smooth_max(walls, -middle, 7.0)
        result = smooth_max(result, -spine_distance(self.grid, z) + 0.6 * bumps, 12.0)
        # The rounding above must not close the thin line between the lungs, nor open it.
        return np.maximum(result, -self._sheet(z))


def fissures(grid: PixelGrid, z: float, bumps: np.ndarray) -> np.ndarray:
    """How much of a fissure each pixel holds (0 to 1): oblique ones, and the right horizontal one."""
    bow = 0.0022 * (np.abs(grid.x) - 70.0) ** 2
    oblique = z - 150.0 - 0.95 * grid.y - np.where(grid.x < 0, 0.0, 10.0) + bow
    oblique = (oblique + 9.0 * bumps) / 1.38
    line = np.exp(-((oblique / 0.7) ** 2))
    horizontal = (z - 160.0 + 0.12 * grid.y + 6.0 * bumps + bow) / 1.1
    right_front = (grid.x < 0) & (oblique > 0)
    return np.maximum(line, np.where(right_front, 0.6 * np.exp(-((horizontal / 0.75) ** 2)), 0.0))
