"""What the numbers and the review list both need of the labels, so that it is found once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy.lung_memory import LungMemory
from ..geometry.grid import Grid
from ..geometry.masks import Box
from ..segmentation import Label
from .lesions import Lesion, label_lesions, lesions_of
from .sided import SidedLungs, sided_lungs


@dataclass(frozen=True)
class Found:
    """The lungs and the lesions of one scan's labels.

    ``lungs``: None without lung. ``numbers``, ``box``: see :func:`.lesions.label_lesions`; ``lesions``: each number
    with its lesion, largest first. ``memory``: what is known of the shape of these lungs, or of those before.
    """

    lungs: SidedLungs | None
    numbers: np.ndarray
    box: Box
    lesions: tuple[tuple[int, Lesion], ...]
    memory: LungMemory

    def in_lesions(self, values: np.ndarray) -> np.ndarray:
        """What ``values`` (K, J, I) says of the voxels of all lesions: (n), in the order of the voxels in memory.

        The box of all lesions is mostly healthy lung: what is asked of lesions is computed of few voxels so.
        """
        return values[self.box][self.numbers > 0]


def find_all(labels: np.ndarray, grid: Grid, memory: LungMemory | None = None) -> Found:
    """Lungs and lesions of ``labels``: uint8 (K, J, I) of :class:`CovidSegLib.segmentation.Label` on ``grid``.

    ``memory``: of who looks at one scan again after each edit.
    """
    memory = memory or LungMemory()
    numbers, box = label_lesions(labels, Label.INFECTION)
    lungs = sided_lungs(labels, grid, memory.sides)
    return Found(lungs, numbers, box, lesions_of(numbers, box, grid), memory)
