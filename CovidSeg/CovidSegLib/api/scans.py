"""What a script may hand over as a scan: a path, an image of SimpleITK or nibabel, an array, a node of Slicer."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK

from ..errors import InputError
from ..geometry.volume import CtVolume
from ..reading.affine_checks import checked_affine
from ..reading.hounsfield import HounsfieldVolume
from ..reading.itk import affine_of

if TYPE_CHECKING:
    import nibabel

    Scan = str | os.PathLike[str] | SimpleITK.Image | nibabel.spatialimages.SpatialImage | np.ndarray | CtVolume


def as_volume(scan: Scan, affine: np.ndarray | None, read: Callable[[Path], CtVolume]) -> CtVolume:
    """``scan`` as int16 HU (z, y, x) with its IJK→RAS ``affine`` in mm, which only an array needs.

    ``read`` is called with the path, where it is one. Raises InputError for what cannot be used, Cancelled.
    """
    if isinstance(scan, np.ndarray):
        return _of_array(scan, affine, "array")
    if affine is not None:
        raise InputError("This scan brings its own affine.", "Give an affine with an array only.")
    if isinstance(scan, CtVolume):
        return scan
    if isinstance(scan, str | os.PathLike):
        return read(Path(scan).absolute())
    if isinstance(scan, SimpleITK.Image):
        return _of_sitk(scan)
    if hasattr(scan, "dataobj") and hasattr(scan, "affine"):
        # nibabel counts (x, y, z). Only one slice at a time is unpacked.
        return _filled(scan.dataobj, tuple(scan.shape), scan.affine, "NIfTI image")
    if hasattr(scan, "GetImageData"):
        from ..mrml.volumes import read_volume_node

        return read_volume_node(scan)
    raise InputError(
        f"A {type(scan).__name__} is no scan.",
        "Give a path, a SimpleITK or nibabel image, an array with its affine or, in Slicer, a volume node.",
    )


def _of_sitk(image: SimpleITK.Image) -> CtVolume:
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError("The image has not three dimensions with one value each.", "Give one chest CT.")
    return _of_array(SimpleITK.GetArrayViewFromImage(image), affine_of(image), "SimpleITK image")


def _of_array(array: np.ndarray, affine: np.ndarray | None, source: str) -> CtVolume:
    if affine is None:
        raise InputError("An array alone does not tell how it lies in the patient.", "Give affine=, IJK to RAS in mm.")
    return _filled(array.T, array.shape[::-1], np.asarray(affine), source)


def _filled(values: Any, shape: tuple[int, ...], affine: np.ndarray, source: str) -> CtVolume:
    """``values``: what gives slices of numbers (x, y, z), of ``shape``."""
    if len(shape) != 3:
        raise InputError(f"The scan has {len(shape)} dimensions, not three.", "Give one chest CT.")
    if affine.shape != (4, 4):
        raise InputError("The affine is no 4x4 matrix.", "Give IJK to RAS in mm.")
    checked = checked_affine(affine)
    volume = HounsfieldVolume((shape[2], shape[1], shape[0]))
    for index in range(shape[2]):
        plane = np.asarray(values[:, :, index])
        if plane.dtype.kind not in "iuf":
            raise InputError("The scan holds no real numbers.", "Give Hounsfield units.")
        volume.put(index, plane.T)
    return CtVolume(volume.voxels, checked, source, volume.notes())
