"""One CT from one file: NRRD and MetaImage through SimpleITK, and the choice of the reader by suffix."""

from __future__ import annotations

import math
import re
from pathlib import Path

import SimpleITK

from ..errors import InputError
from ..progress import Progress
from ..volume import CtVolume
from .geometry import UNPLACED, checked_affine
from .hounsfield import HounsfieldVolume, check_size
from .itk import affine_of, run_itk
from .nifti import read_nifti
from .text_headers import read_text_header

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
"""What :func:`read_file` reads, longest first."""

_ITK_FORMATS = {
    ".nrrd": ("NrrdImageIO", "NRRD file"),
    ".nhdr": ("NrrdImageIO", "NRRD file"),
    ".mha": ("MetaImageIO", "MetaImage file"),
    ".mhd": ("MetaImageIO", "MetaImage file"),
}


def suffix_of(name: str) -> str:
    """The suffix of :data:`SUFFIXES` that a file name ends with (lower case), or ''. A .seg.nrrd is none."""
    lower = name.lower()
    if lower.endswith((".seg.nrrd", ".seg.nhdr")):
        return ""
    return next((suffix for suffix in SUFFIXES if lower.endswith(suffix)), "")


def read_file(path: Path, progress: Progress, *, labels: bool = False) -> CtVolume:
    """The CT (or ``labels``) in the file ``path``.

    Raises InputError when it is not a usable CT, Cancelled when asked to stop.
    """
    suffix = suffix_of(path.name)
    if not suffix:
        raise _unsupported(path.name.lower())
    try:
        if path.stat().st_size == 0:
            raise InputError("The file is empty.", "Copy or export it again.")
        if suffix.startswith(".nii"):
            return read_nifti(path, progress, labels=labels)
        return _read_itk(path, suffix, progress, labels)
    except OSError:
        raise InputError("The file cannot be read.", "Check that it is there and that you may open it.") from None


def _unsupported(name: str) -> InputError:
    if name.endswith((".seg.nrrd", ".seg.nhdr")):
        return InputError("The file is a segmentation, not a CT.", "Give the scan that it was drawn on.")
    if name.endswith((".dcm", ".ima")):
        return InputError("A single DICOM file is not a scan.", "Give the folder that holds the whole series.")
    readable = ", ".join(sorted(SUFFIXES))
    return InputError("The file is of a kind that is not read.", f"Give {readable} or a folder with a DICOM series.")


def _read_itk(path: Path, suffix: str, progress: Progress, labels: bool) -> CtVolume:
    progress.step("reading", 0, 1)
    reader_name, source = _ITK_FORMATS[suffix]
    header = read_text_header(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO(reader_name)
    reader.SetFileName(str(path))
    run_itk(reader.ReadImageInformation)
    size = _checked_size(reader)
    if not header.says_spacing:
        raise InputError(
            "The file does not say how large its voxels are: nothing can be measured in it.",
            "Export the CT again from the original DICOM images.",
        )
    header.check_voxels(math.prod(size), _bytes_each(reader))
    if reader.GetDimension() > 3:
        reader.SetExtractSize([*size, *[0] * (reader.GetDimension() - 3)])
    image = run_itk(reader.Execute)
    if image.GetDimension() == 2:
        image = SimpleITK.JoinSeries(image)
    affine = affine_of(image)
    affine[:3] *= header.mm_per_unit()
    affine = checked_affine(affine)
    volume = _convert(image, progress, labels)
    notes = () if header.says_orientation else (UNPLACED,)
    return CtVolume(volume.voxels, affine, source, notes + volume.notes())


def _checked_size(reader: SimpleITK.ImageFileReader) -> tuple[int, ...]:
    """The image's size along x, y(, z), read from the header alone."""
    size = tuple(int(edge) for edge in reader.GetSize())
    if any(edge > 1 for edge in size[3:]):
        raise InputError(
            "The image has more than three dimensions (a time series or several components).",
            "Give one CT volume: split the file first.",
        )
    kind = SimpleITK.GetPixelIDValueAsString(reader.GetPixelID())
    if reader.GetNumberOfComponents() != 1 or "complex" in kind or "label" in kind:
        raise InputError(
            "The image holds colours or several numbers per voxel, not Hounsfield units.",
            "Give the CT itself, with one number per voxel.",
        )
    check_size(size)
    return size[:3]


def _bytes_each(reader: SimpleITK.ImageFileReader) -> int:
    digits = re.search(r"(\d+)-bit", SimpleITK.GetPixelIDValueAsString(reader.GetPixelID()))
    return int(digits[1]) // 8 if digits else 1


def _convert(image: SimpleITK.Image, progress: Progress, labels: bool) -> HounsfieldVolume:
    values = SimpleITK.GetArrayViewFromImage(image)
    volume = HounsfieldVolume(values.shape, labels=labels)
    for index in range(len(values)):
        progress.step("reading", index, len(values))
        volume.put(index, values[index])
    progress.step("reading", 1, 1)
    return volume
