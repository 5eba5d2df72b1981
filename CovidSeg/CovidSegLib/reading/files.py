"""One CT from one file: NRRD and MetaImage through SimpleITK, and the choice of the reader by suffix."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import SimpleITK

from ..errors import InputError
from ..progress import Progress
from ..volume import CtVolume
from .geometry import LPS_TO_RAS, UNPLACED, checked_affine
from .hounsfield import HounsfieldVolume, check_promise, check_size, truncated
from .itk import run_itk, unreadable
from .nifti import read_nifti

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
"""What :func:`read_file` reads, longest first."""

_ITK_FORMATS = {
    ".nrrd": ("NrrdImageIO", "NRRD file"),
    ".nhdr": ("NrrdImageIO", "NRRD file"),
    ".mha": ("MetaImageIO", "MetaImage file"),
    ".mhd": ("MetaImageIO", "MetaImage file"),
}
_HEADER_BYTES = 1 << 16


def suffix_of(name: str) -> str:
    """The suffix of :data:`SUFFIXES` that a file name ends with (lower case), or ''. A .seg.nrrd is none."""
    lower = name.lower()
    if lower.endswith((".seg.nrrd", ".seg.nhdr")):
        return ""
    return next((suffix for suffix in SUFFIXES if lower.endswith(suffix)), "")


def read_file(path: Path, progress: Progress) -> CtVolume:
    """The CT in the file ``path``. Raises InputError when it is not a usable CT, Cancelled when asked to stop."""
    suffix = suffix_of(path.name)
    if not suffix:
        raise _unsupported(path.name.lower())
    try:
        if path.stat().st_size == 0:
            raise InputError("The file is empty.", "Copy or export it again.")
        return read_nifti(path, progress) if suffix.startswith(".nii") else _read_itk(path, suffix, progress)
    except OSError:
        raise InputError("The file cannot be read.", "Check that it is there and that you may open it.") from None


def _unsupported(name: str) -> InputError:
    if name.endswith((".seg.nrrd", ".seg.nhdr")):
        return InputError("The file is a segmentation, not a CT.", "Give the scan that it was drawn on.")
    if name.endswith((".dcm", ".ima")):
        return InputError("A single DICOM file is not a scan.", "Give the folder that holds the whole series.")
    readable = ", ".join(sorted(SUFFIXES))
    return InputError("The file is of a kind that is not read.", f"Give {readable} or a folder with a DICOM series.")


def _read_itk(path: Path, suffix: str, progress: Progress) -> CtVolume:
    progress.step("reading", 0, 1)
    reader_name, source = _ITK_FORMATS[suffix]
    fields = _text_header(path)
    present = _bytes_of_voxels(path, fields)
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO(reader_name)
    reader.SetFileName(str(path))
    run_itk(reader.ReadImageInformation)
    size = _checked_size(reader)
    _check_bytes(present, fields, reader, size)
    if reader.GetDimension() > 3:
        reader.SetExtractSize([*size, *[0] * (reader.GetDimension() - 3)])
    image = run_itk(reader.Execute)
    if image.GetDimension() == 2:
        image = SimpleITK.JoinSeries(image)
    affine = checked_affine(_affine(image))
    volume = _convert(image, progress)
    unplaced = suffix in (".nrrd", ".nhdr") and "space" not in fields and "space dimension" not in fields
    notes = (UNPLACED,) if unplaced else ()
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


def _text_header(path: Path) -> dict[str, str]:
    """The fields of an NRRD or MetaImage header, keys in lower case; the first line is field ''.

    ``data start`` is where voxels begin if they follow in the same file.
    """
    with path.open("rb") as file:
        block = file.read(_HEADER_BYTES)
    fields: dict[str, str] = {}
    position = 0
    for raw in block.splitlines(keepends=True):
        position += len(raw)
        line = raw.decode("latin-1").strip()
        key, mark, value = re.match(r"([^:=]*)(:=|[:=]|)(.*)", line).groups()  # type: ignore[union-attr]
        if not line:
            break
        fields.setdefault(key.strip().lower() if mark else "", value.strip() if mark else line)
        if key.strip().lower() == "elementdatafile":
            break
    return {**fields, "data start": str(position)}


def _bytes_of_voxels(path: Path, fields: dict[str, str]) -> int | None:
    """How many bytes of the file, or of its data file, hold voxels; None when they are spread over many files.

    Raises InputError where ITK would print on the console or guess: no header at all, no data file, NaN directions.
    """
    if not (fields.get("", "").startswith("NRRD") or {"ndims", "dimsize", "elementtype"} <= fields.keys()):
        raise unreadable()
    if any("nan" in fields.get(key, "").lower() for key in ("space directions", "space origin", "spacings")):
        raise InputError("The file's geometry is unusable: a direction is not a number.", "Export the CT again.")
    elsewhere = fields.get("data file", fields.get("datafile", fields.get("elementdatafile", "LOCAL")))
    if elsewhere.upper() == "LOCAL":
        return path.stat().st_size - int(fields["data start"])
    if re.search(r"%|^LIST", elsewhere):
        return None
    data = path.parent / elsewhere
    if not data.is_file():
        raise InputError(
            "The file is only a header, and the data file that belongs to it is missing.",
            "Keep both files in one folder, under their own names.",
        )
    return data.stat().st_size


def _check_bytes(
    present: int | None, fields: dict[str, str], reader: SimpleITK.ImageFileReader, size: tuple[int, ...]
) -> None:
    """Compare what the header promises with the bytes that are there; ITK would take the memory first."""
    if present is None:
        return
    encoding = fields.get("encoding", "raw").lower()
    in_words = encoding in ("ascii", "text", "txt")
    compressed = (encoding not in ("raw", "hex") and not in_words) or fields.get("compresseddata", "").lower() == "true"
    bytes_each = 1 if in_words else _bytes_each(reader)
    check_promise(bytes_each * math.prod(size), present, compressed=compressed)
    stated = fields.get("compresseddatasize", "0")
    if compressed and stated.isdecimal() and int(stated) > present:
        raise truncated()


def _bytes_each(reader: SimpleITK.ImageFileReader) -> int:
    digits = re.search(r"(\d+)-bit", SimpleITK.GetPixelIDValueAsString(reader.GetPixelID()))
    return int(digits[1]) // 8 if digits else 1


def _affine(image: SimpleITK.Image) -> np.ndarray:
    """IJK to RAS of a 3-D ITK image (which itself says LPS)."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return LPS_TO_RAS @ affine


def _convert(image: SimpleITK.Image, progress: Progress) -> HounsfieldVolume:
    values = SimpleITK.GetArrayViewFromImage(image)
    volume = HounsfieldVolume(values.shape)
    for index in range(len(values)):
        progress.step("reading", index, len(values))
        volume.put(index, values[index])
    progress.step("reading", 1, 1)
    return volume
