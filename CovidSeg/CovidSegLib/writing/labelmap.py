"""Labelmaps: uint8 1 left lung, 2 right lung, 3 infection on the scan's own grid, for any program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..reading.geometry import LPS_TO_RAS
from ..segmentation import Segmentation
from ..volume import spacing

if TYPE_CHECKING:
    import SimpleITK

_SCANNER = 1
"""NIfTI's code for "the coordinates are the scanner's own"."""


def write_nifti(segmentation: Segmentation, path: Path) -> None:
    """Write ``.nii`` or ``.nii.gz`` with the same matrix in sform and qform. Raises OSError.

    By nibabel: ITK's NIfTI writer does not notice a full disk.
    """
    import nibabel

    image = nibabel.Nifti1Image(segmentation.labels.transpose(2, 1, 0), segmentation.affine)
    image.header.set_xyzt_units(xyz="mm")
    image.set_sform(segmentation.affine, code=_SCANNER)
    # A qform has no shear; a hair of it (rounding in the input's header) is left to the sform.
    image.set_qform(segmentation.affine, code=_SCANNER, strip_shears=True)
    image.to_filename(path)


def write_image(segmentation: Segmentation, path: Path) -> None:
    """Write ``.nrrd`` or ``.mha``, compressed. Raises RuntimeError."""
    import SimpleITK

    SimpleITK.WriteImage(to_itk(segmentation), str(path), useCompression=True)


def to_itk(segmentation: Segmentation) -> SimpleITK.Image:
    """The labels as an ITK image (uint8, a copy) in LPS, mm."""
    import SimpleITK

    lps = LPS_TO_RAS @ segmentation.affine  # turns both axes round: its own inverse
    sizes = spacing(segmentation.affine)
    image = SimpleITK.GetImageFromArray(segmentation.labels)
    image.SetSpacing(sizes)
    image.SetDirection((lps[:3, :3] / sizes).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    return image
