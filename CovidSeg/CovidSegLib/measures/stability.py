"""What the numbers would be if the edge of a mask lay one voxel further in or out: how far they can be trusted.

Two readers, or a reader and a network, hardly agree better than by a voxel along an edge. For a small lesion this is
much of its volume; for a lung it is little.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from ..geometry.masks import grown
from .sided import LEFT_CODES, Code


def moved_edges(codes: np.ndarray) -> Iterator[tuple[Literal["infection", "lung"], int, np.ndarray]]:
    """Yield (mask, voxels, codes) for the infection's and the lungs' edge moved in (-1) and out (+1) by one voxel.

    ``codes``: uint8 (z, y, x) of :class:`Code`. A voxel has six neighbours. Infection is moved inside the lungs, which
    stay; where the lungs shrink, infection at their edge goes with them, and what they gain is not infected. Beyond
    the edge of the array nothing is known and nothing moves.
    """
    infected, lung = codes >= Code.LEFT_INFECTED, codes != Code.OUTSIDE
    yield "infection", -1, np.where(infected & grown(~infected), codes - 2, codes).astype(np.uint8)
    yield "infection", 1, np.where(lung & ~infected & grown(infected), codes + 2, codes).astype(np.uint8)
    yield "lung", -1, np.where(grown(~lung), Code.OUTSIDE, codes).astype(np.uint8)
    left = np.isin(codes, LEFT_CODES)
    more_left = grown(left) & ~lung
    more_right = grown(lung & ~left) & ~lung & ~more_left
    yield "lung", 1, codes + more_left * np.uint8(Code.LEFT) + more_right * np.uint8(Code.RIGHT)
