"""Labelmaps: uint8 1 left lung, 2 right lung, 3 infection on the scan's own grid, for any program."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..geometry.grid import Grid
from ..reading.affine_checks import LPS_TO_RAS
from ..reading.silent_pydicom import load_pydicom
from ..segmentation import Segmentation
from ..system.read_back import check_voxels
from .stamps import KEY, may_be_stamped, stamp_of

if TYPE_CHECKING:
    import nibabel
    import SimpleITK

_SCANNER = 1
"""NIfTI's code for "the coordinates are the scanner's own"."""


def write_nifti(segmentation: Segmentation, path: Path) -> None:
    """Write the labels as ``.nii`` or ``.nii.gz``. Raises as :func:`save_nifti`."""
    stamp = stamp_of(segmentation.labels) if may_be_stamped(segmentation) else ""
    save_nifti(segmentation.labels, segmentation.affine, path, stamp)


def save_nifti(array: np.ndarray, affine: np.ndarray, path: Path, description: str = "") -> None:
    """Write an array (z, y, x) as NIfTI with the same matrix in sform and qform, and read it back.

    ``description``: free text of the header, 79 characters at most.
    By nibabel where it is there (in Slicer it is not). Raises OSError, RuntimeError or OutputError.
    """
    if importlib.util.find_spec("nibabel") is None:
        import SimpleITK

        image = array_to_itk(array, affine)
        image.SetMetaData(KEY, description)
        SimpleITK.WriteImage(image, str(path), useCompression=True)
    else:
        nifti = nifti_image(array, affine)
        nifti.header["descrip"] = description.encode()
        nifti.to_filename(path)
    check_voxels(path, array)


def nifti_image(array: np.ndarray, affine: np.ndarray) -> nibabel.Nifti1Image:
    """An array (z, y, x) as NIfTI with the same matrix (IJK to RAS, mm) in sform and qform. Needs nibabel."""
    load_pydicom()
    import nibabel

    image = nibabel.Nifti1Image(array.transpose(2, 1, 0), affine)
    image.header.set_xyzt_units(xyz="mm")
    image.set_sform(affine, code=_SCANNER)
    # A qform has no shear; a hair of it (rounding in the input's header) is left to the sform.
    image.set_qform(affine, code=_SCANNER, strip_shears=True)
    return image


def write_image(segmentation: Segmentation, path: Path) -> None:
    """Write ``.nrrd`` or ``.mha``, compressed, and read it back. Raises RuntimeError, OSError or OutputError."""
    import SimpleITK

    image = array_to_itk(segmentation.labels, segmentation.affine)
    if may_be_stamped(segmentation):
        image.SetMetaData(KEY, stamp_of(segmentation.labels))
    SimpleITK.WriteImage(image, str(path), useCompression=True)
    check_voxels(path, segmentation.labels)


def array_to_itk(array: np.ndarray, affine: np.ndarray) -> SimpleITK.Image:
    """An array (z, y, x), or (z, y, x, layers), with its IJK→RAS as an ITK image (a copy) in LPS, mm."""
    import SimpleITK

    lps = LPS_TO_RAS @ affine  # turns both axes round: its own inverse
    sizes = Grid(affine, array.shape[:3]).spacing
    image = SimpleITK.GetImageFromArray(array, isVector=array.ndim == 4)
    image.SetSpacing(sizes)
    image.SetDirection((lps[:3, :3] / sizes).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    return image
