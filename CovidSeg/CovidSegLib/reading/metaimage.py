"""MetaImage files (.mha, .mhd): what their header says of the image. The format: itk.org/Wiki/ITK/MetaIO.

What a file means that leaves something out is as ITK (and so Slicer) has it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from .itk import unreadable
from .text_headers import TextHeader, check_sizes, read_meta_header
from .voxel_files import Packing, StoredVoxels, TextHeaderImage, affine_from_axes

_TYPES = {
    "MET_CHAR": "i1",
    "MET_ASCII_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
"""A long has four bytes, on every system."""


def read_metaimage(path: Path) -> TextHeaderImage:
    """What the header of ``path`` says; raises InputError where it is none or does not say enough."""
    header = read_meta_header(path)
    sizes = header.whole_numbers("dimsize")
    check_sizes(sizes)
    count = len(sizes)
    if header.whole_numbers("ndims") != [count]:
        raise unreadable()
    if any(size > 1 for size in sizes[3:]):
        raise InputError(
            "The image has more than three dimensions (a time series or several components).",
            "Give one CT volume: split the file first.",
        )
    layers = (header.whole_numbers("elementnumberofchannels") or [1])[0]
    if layers < 1:
        raise unreadable()
    x, y, z = [*sizes[:3], 1][:3]
    dtype = _dtype(header)
    slope, intercept = (
        _one(header, f"elementtointensityfunction{name}", usual) for name, usual in (("slope", 1.0), ("offset", 0.0))
    )
    return TextHeaderImage((z, y, x), layers, dtype, _affine(header, count), True, _voxels(header), slope, intercept)


def _one(header: TextHeader, key: str, usual: float) -> float:
    value = (header.numbers(key) or [usual])[0]
    if not np.isfinite(value):
        raise unreadable()
    return value


def _affine(header: TextHeader, count: int) -> np.ndarray:
    """IJK→RAS in mm."""
    spacing = header.numbers("elementspacing", "elementsize")
    if not spacing:
        raise InputError(
            "The file does not say how large its voxels are: nothing can be measured in it.",
            "Export the CT again from the original DICOM images.",
        )
    matrix = header.numbers("transformmatrix", "rotation", "orientation") or np.eye(count).ravel().tolist()
    origin = header.numbers("offset", "position", "origin") or [0.0] * count
    if len(spacing) != count or len(matrix) != count * count or len(origin) != count:
        raise unreadable()
    # A row of the matrix is the direction of an axis.
    columns = np.eye(3)
    used = min(count, 3)
    columns[:used, :used] = (np.reshape(matrix, (count, count)).T * spacing)[:used, :used]
    first = np.zeros(3)
    first[:used] = origin[:used]
    return affine_from_axes(columns, first, header.mm_per_unit)


def _dtype(header: TextHeader) -> np.dtype:
    kind = header.fields.get("elementtype", "").upper()
    if kind.endswith("_ARRAY"):
        raise InputError(
            "The image holds colours or several numbers per voxel, not Hounsfield units.",
            "Give the CT itself, with one number per voxel.",
        )
    if kind not in _TYPES:
        raise InputError(
            "The file does not say, or not in known words, of which type its numbers are.", "Export the CT again."
        )
    order = header.fields.get("binarydatabyteordermsb", header.fields.get("elementbyteordermsb", "false"))
    return np.dtype((">" if _is_true(order) else "<") + _TYPES[kind])


def _is_true(text: str) -> bool:
    return text.lower() in ("true", "1", "t", "y", "yes")


def _voxels(header: TextHeader) -> StoredVoxels:
    if not _is_true(header.fields.get("binarydata", "true")):
        packing = Packing.TEXT
    elif _is_true(header.fields.get("compresseddata", "false")):
        packing = Packing.PACKED
    else:
        packing = Packing.RAW
    files = header.data_files
    skip = (header.whole_numbers("headersize") or [0])[0]
    if skip < -1 or skip > 1 << 40 or (skip == -1 and packing is not Packing.RAW):
        raise unreadable()
    if skip == -1:
        return StoredVoxels(files, packing, None)
    return StoredVoxels(files, packing, skip or (header.start if files == (header.path,) else 0))
