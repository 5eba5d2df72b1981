"""What a measure of its own is taken from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .rules import Rules
from .sided import SidedLungs


@dataclass(frozen=True)
class Subject:
    """One scan, as a measure in the list of quantities gets it.

    ``lungs``: the lungs in their box; ``hounsfield``: the scan there, int16 HU (z, y, x), None where its values are no
    HU; ``voxel_ml``: the volume of a voxel.
    """

    lungs: SidedLungs
    hounsfield: np.ndarray | None
    voxel_ml: float
    rules: Rules
