"""Chests made of blocks, whose every number can be worked out by hand."""

from __future__ import annotations

import numpy as np

from CovidSegLib.geometry.grid import UprightOrder
from CovidSegLib.geometry.volume import AIR_HU
from CovidSegLib.segmentation import Label

SIZES = (2.0, 2.5, 3.0)
"""Voxel size along x, y, z in mm."""

VOXEL_ML = 2.0 * 2.5 * 3.0 / 1000

UPRIGHT = np.diag([-SIZES[0], -SIZES[1], SIZES[2], 1.0])
"""IJK→RAS of an array (to head, to back, to left)."""

HU = {Label.BACKGROUND: 40, Label.LEFT_LUNG: -850, Label.RIGHT_LUNG: -800, Label.INFECTION: -500}
BONE_HU = 700


def block_labels() -> np.ndarray:
    """Two lungs of 18 x 40 x 30 voxels with air above and below them, and infection in both.

    Left: 4 x 10 x 20 voxels in the lower third. Right: 2 x 10 x 5 in the lower third.
    """
    labels = np.zeros((24, 60, 100), np.uint8)
    labels[3:21, 10:50, 10:40] = Label.RIGHT_LUNG
    labels[3:21, 10:50, 60:90] = Label.LEFT_LUNG
    labels[4:8, 20:30, 65:85] = Label.INFECTION
    labels[4:6, 20:30, 15:20] = Label.INFECTION
    return labels


LUNG_VOXELS, LEFT_INFECTED, RIGHT_INFECTED = 18 * 40 * 30, 4 * 10 * 20, 2 * 10 * 5


def block_scan(labels: np.ndarray) -> np.ndarray:
    """int16 HU: soft tissue, lungs, infection, a spine of bone, and air at the right and the left edge."""
    voxels = np.zeros(labels.shape, np.int16)
    for label, value in HU.items():
        voxels[labels == label] = value
    voxels[:, :, :4] = voxels[:, :, -4:] = AIR_HU
    spine = voxels[:, 52:58, 45:55]
    spine[labels[:, 52:58, 45:55] == Label.BACKGROUND] = BONE_HU
    return voxels


def stored(array: np.ndarray, axes: tuple[int, int, int], signs: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The upright ``array`` as a scanner stores it that counts along other axes and from other ends, and its affine."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, axis in enumerate(axes):
        affine[axis, column] = signs[column] * SIZES[axis]
    return np.ascontiguousarray(UprightOrder.of(affine).from_upright(array)), affine


def turned(affine: np.ndarray, axis: int, degrees: float) -> np.ndarray:
    """``affine`` of a patient who lies turned about the R, A or S axis."""
    one, other = (index for index in range(3) if index != axis)
    angle = np.radians(degrees)
    turn = np.eye(4)
    turn[[one, other], [one, other]] = np.cos(angle)
    turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
    return turn @ affine
