"""A synthetic chest that is computed and segmented in no time."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from CovidSegLib.phantom import Phantom

SLICES = 12
"""Thick slices: a whole chest in little time."""


@cache
def small_phantom() -> Phantom:
    """A synthetic chest with pneumonia and its truth, every second pixel of every second row."""
    from CovidSegLib.geometry.volume import CtVolume
    from CovidSegLib.phantom import Phantom, make_phantom
    from CovidSegLib.progress import Progress

    whole = make_phantom(seed=0, slices=SLICES, progress=Progress())
    affine = whole.volume.affine @ np.diag((2.0, 2.0, 1.0, 1.0))
    voxels = np.ascontiguousarray(whole.volume.voxels[:, ::2, ::2])
    return Phantom(CtVolume(voxels, affine), np.ascontiguousarray(whole.truth[:, ::2, ::2]))
