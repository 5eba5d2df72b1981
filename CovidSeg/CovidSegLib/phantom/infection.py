"""Patches of COVID-19 pneumonia: ground glass with vessels and septa in it, some with a consolidated core."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import tissue
from .pixel_grid import PixelGrid, SmoothField

_FADE = (1.14, 0.84)
"""Shares of a patch's size at which its opacity begins and is full: the border is soft."""

_RAGGED = 0.24
"""How far noise moves a patch's border, as a share of its size."""

_FAR = 4.0
"""In shares of a patch's size: farther away it is not looked at."""


@dataclass(frozen=True)
class Patch:
    """``centre`` (mm), ``semi_axes`` (along the wall's normal, along the wall, up; mm), HU and size of the core."""

    centre: tuple[float, float, float]
    semi_axes: tuple[float, float, float]
    ground_glass: float
    core: float

    def distance(self, grid: PixelGrid, z: float) -> np.ndarray:
        """1 at the patch's (undeformed) border, less inside."""
        x0, y0, z0 = self.centre
        length = np.hypot(x0, y0)
        out = np.array([x0, y0]) / length
        dx, dy, dz = grid.x - x0, grid.y - y0, (z - z0) / self.semi_axes[2]
        normal = (dx * out[0] + dy * out[1]) / self.semi_axes[0]
        wall = (dy * out[0] - dx * out[1]) / self.semi_axes[1]
        # Patches follow the wall's curve: they bend with it.
        normal = normal + 0.5 * wall**2 * self.semi_axes[1] ** 2 / (length * self.semi_axes[0])
        return np.sqrt(normal**2 + wall**2 + dz**2).astype(np.float32)


@dataclass(frozen=True)
class Infection:
    """All patches with the fields that deform and texture them. ``size`` scales them to the wanted share of lung."""

    patches: tuple[Patch, ...]
    ragged: SmoothField
    ragged_fine: SmoothField
    septa: SmoothField
    mottle: SmoothField
    size: float = 1.0

    def depth(self, grid: PixelGrid, z: float) -> tuple[np.ndarray, np.ndarray]:
        """Of ``grid``'s shape each: the smallest deformed distance of any patch (1 at ``size`` 1), and whose it is."""
        noise = 1 + _RAGGED * (self.ragged.plane(grid, z) + 0.55 * self.ragged_fine.plane(grid, z))
        depth, owner = np.full(grid.shape, np.float32(_FAR)), np.zeros(grid.shape, np.int8)
        for number, patch in enumerate(self.patches):
            if abs(z - patch.centre[2]) > _FAR * patch.semi_axes[2]:
                continue
            distance = patch.distance(grid, z)
            nearer = distance < depth
            depth[nearer], owner[nearer] = distance[nearer], number
        return depth * np.clip(noise, 0.35, 2.2), owner

    def apply(self, lung: np.ndarray, grid: PixelGrid, z: float) -> tuple[np.ndarray, np.ndarray]:
        """Lung HU with infection in it, and where infection is (bool)."""
        depth, owner = self.depth(grid, z)
        share = depth / self.size
        begin, full = _FADE
        if share.min() > begin:
            return lung, np.zeros(share.shape, bool)
        opacity = np.clip((begin - share) / (begin - full), 0, 1)
        opacity = opacity * opacity * (3 - 2 * opacity)
        mottle = self.mottle.plane(grid, z)
        septa = tissue.CRAZY_PAVING * np.exp(-((self.septa.plane(grid, z) / 0.28) ** 2))
        value = np.array([patch.ground_glass for patch in self.patches], np.float32)[owner]
        value = value + 70.0 * mottle + septa
        core = np.array([patch.core for patch in self.patches], np.float32)[owner]
        solid = np.clip((core - share + 0.10 * mottle) / 0.12, 0, 1)
        value = value + (tissue.CONSOLIDATION + 12.0 * mottle - value) * solid
        return lung + opacity * (np.maximum(value, lung) - lung), share < 1.0


def random_patches(rng: np.random.Generator, wall: dict[int, np.ndarray]) -> tuple[Patch, ...]:
    """5 to 9 patches at places out of ``wall``: (n, 3) below the pleura of the right (-1) and left (1) lung."""
    patches: list[Patch] = []
    count = int(rng.integers(5, 10))
    solid = rng.permutation(count) < max(2, count // 3)
    for number in range(count):
        places = wall[-1 if number % 2 else 1]
        # Mostly at the back and in the lower half.
        weight = np.exp(places[:, 1] / 26.0 - places[:, 2] / 60.0)
        weight *= (
            np.minimum.reduce(
                [np.ones(len(places)), *(np.linalg.norm(places - patch.centre, axis=1) / 60 for patch in patches)]
            )
            ** 2
        )
        place = places[rng.choice(len(places), p=weight / weight.sum())]
        semi = rng.uniform((9, 13, 11), (16, 25, 23))
        core = rng.uniform(0.55, 0.75) if solid[number] else 0.0
        patches.append(
            Patch(tuple(place.tolist()), tuple(semi.tolist()), float(rng.uniform(*tissue.GROUND_GLASS)), float(core))
        )
    return tuple(patches)
