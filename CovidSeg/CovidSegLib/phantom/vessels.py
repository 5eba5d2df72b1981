"""Vessel trees that grow from the lung roots to random places in the lungs, and how a slice cuts them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .pixel_grid import PixelGrid, cone_distance

ROOTS = {
    -1: ((-38.0, 8.0, 178.0), (-44.0, 18.0, 158.0), (-42.0, 24.0, 138.0)),
    1: ((44.0, 8.0, 180.0), (50.0, 20.0, 160.0), (48.0, 30.0, 140.0)),
}
"""Where trees start in the right (-1) and the left (1) lung root."""

_TIP_RADIUS_MM = 0.5
_LARGEST_RADIUS_MM = 3.0
_MURRAY = 2.5
"""Exponent of Murray's law: r^k = r1^k + r2^k where a vessel branches; 3 in theory, less in lungs."""

_STEP_MM = 5.0
_SOFT_EDGE_MM = 0.9


@dataclass(frozen=True)
class Vessels:
    """Straight pieces of vessels, sorted by their lower end: ``starts`` and ``ends`` (n, 4) hold x, y, z, radius."""

    starts: np.ndarray
    ends: np.ndarray

    def plane(self, grid: PixelGrid, z: float) -> np.ndarray:
        """float32 of ``grid``'s shape: how much vessel each pixel holds at height ``z``, 0 to 1."""
        result = np.zeros(grid.shape, np.float32)
        reach = np.maximum(self.starts[:, 3], self.ends[:, 3]) + _SOFT_EDGE_MM
        low = np.minimum(self.starts[:, 2], self.ends[:, 2]) - reach
        high = np.maximum(self.starts[:, 2], self.ends[:, 2]) + reach
        for index in np.flatnonzero((low <= z) & (z <= high)):
            a, b, pad = self.starts[index], self.ends[index], reach[index]
            window = grid.window(
                (min(a[0], b[0]) - pad, max(a[0], b[0]) + pad), (min(a[1], b[1]) - pad, max(a[1], b[1]) + pad)
            )
            if window is None:
                continue
            distance = cone_distance(grid.x[:, window[1]], grid.y[window[0]], z, a, b)
            share = np.clip(0.5 - distance / (2 * _SOFT_EDGE_MM), 0, 1)
            np.maximum(result[window], share, out=result[window])
        return result


class _Tree:
    """Nodes of one tree: places, parents, and the direction in which each was reached."""

    def __init__(self, root: np.ndarray, capacity: int) -> None:
        self.places = np.empty((capacity, 3))
        self.directions = np.zeros((capacity, 3))
        self.lengths = np.zeros(capacity)
        self.parents = np.full(capacity, -1)
        self.places[0] = root
        self.count = 1

    def add(self, place: np.ndarray, parent: int) -> int:
        way = place - self.places[parent]
        length = float(np.linalg.norm(way)) + 1e-9
        index = self.count
        self.places[index], self.parents[index] = place, parent
        self.directions[index], self.lengths[index] = way / length, self.lengths[parent] + length
        self.count += 1
        return index

    def best_parent(self, target: np.ndarray) -> int:
        """Near, on a short way from the root, and without turning back."""
        ways = target - self.places[: self.count]
        distances = np.sqrt(np.einsum("ij,ij->i", ways, ways)) + 1e-9
        ahead = np.einsum("ij,ij->i", ways, self.directions[: self.count]) / distances
        return int(np.argmin(distances * (1.5 - 0.6 * ahead) + 0.38 * self.lengths[: self.count]))

    def grow_to(self, target: np.ndarray, rng: np.random.Generator) -> None:
        parent = self.best_parent(target)
        start, heading = self.places[parent].copy(), self.directions[parent].copy()
        way = target - start
        length = float(np.linalg.norm(way))
        steps = min(max(1, round(length / _STEP_MM)), 40)
        # A bow that leaves in the parent's direction, slightly crooked.
        bend = start + 0.5 * way + heading * 0.18 * length + rng.normal(0, 0.05 * length + 0.2, 3)
        for step in range(1, steps + 1):
            t = step / steps
            place = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * target
            parent = self.add(place + rng.normal(0, 0.25, 3), parent)

    def pieces(self) -> tuple[np.ndarray, np.ndarray]:
        """Start and end (n, 4) of each piece with its radius, thinner towards the tips."""
        tips = np.zeros(self.count)
        tips[np.setdiff1d(np.arange(self.count), self.parents[: self.count])] = 1
        for index in range(self.count - 1, 0, -1):
            tips[self.parents[index]] += tips[index]
        radius = np.minimum(_TIP_RADIUS_MM * tips ** (1 / _MURRAY), _LARGEST_RADIUS_MM)
        child = np.arange(1, self.count)
        parent = self.parents[1 : self.count]
        # A branch starts with its own radius, not with its parent's.
        start_radius = np.minimum(radius[parent], radius[child] * 1.15)
        return (
            np.column_stack([self.places[parent], start_radius]),
            np.column_stack([self.places[child], radius[child]]),
        )


def grow_vessels(targets: dict[int, np.ndarray], rng: np.random.Generator) -> Vessels:
    """Trees that reach ``targets``: for the right (-1) and left (1) lung places (n, 3) as x, y, z in mm."""
    pieces = []
    for side, places in targets.items():
        roots = np.array(ROOTS[side])
        for kind in (0, 1):  # arteries and veins, side by side
            own = places[kind::2]
            nearest = np.linalg.norm(own[:, None] - roots[None], axis=2).argmin(axis=1)
            for number, root in enumerate(roots + rng.normal(0, 2.5, roots.shape)):
                tree = _Tree(root, 1 + 41 * max(1, int((nearest == number).sum())))
                for target in own[nearest == number]:
                    tree.grow_to(target, rng)
                pieces.append(tree.pieces())
    starts, ends = (np.concatenate([piece[part] for piece in pieces]) for part in (0, 1))
    return Vessels(starts.astype(np.float32), ends.astype(np.float32))
