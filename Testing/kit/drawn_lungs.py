"""Two lungs as labels, made from the mean shapes that the model of lobes knows: whole, and of a usual shape."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from CovidSegLib.anatomy.lobe_model import read_lobe_model
from CovidSegLib.anatomy.lobe_shape import GRID
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.segfiles import write
from CovidSegLib.segfiles.labelmap import save_nifti
from CovidSegLib.segmentation import Label, Lobe, Provenance, Segmentation

SPACING = (3.0, 3.0, 4.0)
"""x, y, z in mm."""

AFFINE = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
"""Columns run to the left, rows to the back, slices to the head."""

_FRAME_MM = (250.0, 185.0, 115.0)
"""Height, depth and width of the frame of a lung."""

SHAPE = (88, 84, 120)
_DOME = 0.2
"""How far beyond its frame a lung ends, in halves of the frame."""

_CENTRES = {Label.RIGHT_LUNG: 28, Label.LEFT_LUNG: 92}


def _dome(inside: np.ndarray, axis: int, beyond: np.ndarray) -> np.ndarray:
    """Where planes along ``axis`` lie in domes, by how far ``beyond`` the frame they are, in halves of it."""
    allowed = np.ones_like(inside)
    planes, whole = np.moveaxis(allowed, axis, 0), np.moveaxis(inside, axis, 0)  # views
    depths: dict[bool, np.ndarray] = {}
    for number in np.argsort(beyond):
        if beyond[number] <= 0:
            continue
        end = bool(number > len(planes) / 2)
        if end not in depths:
            depth = ndimage.distance_transform_edt(whole[number])
            depths[end] = depth / max(depth.max(), 1.0)
        share = min(float(beyond[number]) / _DOME, 1.0)
        planes[number] = depths[end] > 1 - np.sqrt(1 - share**2)
    return allowed


@cache
def _lungs() -> np.ndarray:
    model = read_lobe_model()
    labels = np.zeros(SHAPE, np.uint8)
    for label, lung in ((Label.LEFT_LUNG, model.left), (Label.RIGHT_LUNG, model.right)):
        shape = lung.mean.reshape(GRID)
        sampled = []
        for axis, (size, mm, points) in enumerate(zip(SHAPE, SPACING[::-1], GRID, strict=True)):
            centre = _CENTRES[label] if axis == 2 else size / 2
            share = (np.arange(size) + 0.5 - centre) * mm / _FRAME_MM[axis] + 0.5
            if axis == 2 and label == Label.RIGHT_LUNG:
                share = 1 - share
            sampled.append(share * points - 0.5)
        # Beyond its frame the shape goes on for a while as it ends, in a dome.
        inside = ndimage.map_coordinates(shape, np.meshgrid(*sampled, indexing="ij"), order=1, mode="nearest") > 0.5
        for axis, (own, points) in enumerate(zip(sampled, GRID, strict=True)):
            inside &= _dome(inside, axis, np.abs(2 * (own + 0.5) / points - 1) - 1)
        labels[inside & (labels == 0)] = label
    return labels


def drawn_lungs(*, infected: bool = True) -> np.ndarray:
    """Labels (z, y, x) with :data:`AFFINE`; ``infected``: with infection at the back of the right lung's base."""
    labels = _lungs().copy()
    if infected:
        part = labels[20:34, 45:]
        part[part == Label.RIGHT_LUNG] = Label.INFECTION
    return labels


def drawn_scan() -> CtVolume:
    """Air where the lungs are, tissue around."""
    voxels = np.where(drawn_lungs() == 0, 40, -850).astype(np.int16)
    voxels[drawn_lungs() == Label.INFECTION] = -500
    return CtVolume(voxels, AFFINE)


def write_drawn_lungs(folder: Path) -> Path:
    """The lungs as a Slicer segmentation of CovidSeg, masks.seg.nrrd, with the scan beside them as scan.nii.gz."""
    save_nifti(drawn_scan().voxels, AFFINE, folder / "scan.nii.gz")
    path = folder / "masks.seg.nrrd"
    write(Segmentation(drawn_lungs(), AFFINE, Provenance("m", "0" * 64, "e", "d", "s")), path)
    return path


def lobes_of_another_program() -> np.ndarray:
    """Lobes (z, y, x) of the drawn lungs, parted by planes that are not where CovidSeg estimates the fissures."""
    lobes = np.zeros(SHAPE, np.uint8)
    z, y, _x = np.ogrid[tuple(slice(0, 1, complex(0, size)) for size in SHAPE)]
    below, under = z + 0 * _x < 0.2 + 0.5 * y, z + 0 * y + 0 * _x < 0.6
    left, right = _lungs() == Label.LEFT_LUNG, _lungs() == Label.RIGHT_LUNG
    lobes[left], lobes[right], lobes[right & under] = Lobe.LEFT_UPPER, Lobe.RIGHT_UPPER, Lobe.RIGHT_MIDDLE
    lobes[left & below], lobes[right & below] = Lobe.LEFT_LOWER, Lobe.RIGHT_LOWER
    return lobes
