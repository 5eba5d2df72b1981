"""NRRD files (.nrrd, .nhdr): what their header says of the image. The format: teem.sourceforge.net/nrrd/format.html.

How the patient lies, and what a file means that leaves something out, is as ITK (and so Slicer) has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from .itk import unreadable
from .text_headers import TextHeader, check_sizes, number, read_nrrd_header
from .voxel_files import Packing, StoredVoxels, TextHeaderImage, affine_from_axes

_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "u8"),
    "float": "f4",
    "double": "f8",
}

_TO_LPS = {
    **dict.fromkeys(("left-posterior-superior", "lps"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("right-anterior-superior", "ras"), (-1.0, -1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "las"), (1.0, -1.0, 1.0)),
}
"""Names of the spaces in which an axis says how the patient lies (also with "-time" or T behind)."""

_UNPLACED_SPACES = ("scanner-xyz", "3d-right-handed", "3d-left-handed", "")

_PACKINGS = {
    "raw": Packing.RAW,
    **dict.fromkeys(("gzip", "gz"), Packing.PACKED),
    **dict.fromkeys(("ascii", "text", "txt"), Packing.TEXT),
}

_IN_SPACE = ("domain", "space", "time", "???", "none", "")
"""Kinds of an axis along which voxels lie; along all others (list, vector, colour ...) the numbers of one voxel."""


def read_nrrd(path: Path) -> TextHeaderImage:
    """What the header of the NRRD file ``path`` says; raises InputError where it is none or does not say enough."""
    header = read_nrrd_header(path)
    sizes = header.whole_numbers("sizes")
    check_sizes([*sizes, 1])
    if header.whole_numbers("dimension") != [len(sizes)]:
        raise unreadable()
    axes = _axes(header, sizes)
    spatial = [axis for axis in axes if axis.in_space]
    layers = int(np.prod([axis.size for axis in axes if not axis.in_space], initial=1))
    if layers > 1 and any(axis.in_space for axis in axes[: len(axes) - len(spatial)]):
        raise InputError("The numbers of one voxel do not lie side by side in the file.", "Export it again.")
    if any(axis.size > 1 for axis in spatial[3:]):
        raise InputError(
            "The image has more than three dimensions (a time series or several components).",
            "Give one CT volume: split the file first.",
        )
    x, y, z = [*(axis.size for axis in spatial[:3]), 1, 1][:3]
    affine, placed = _affine(header, spatial[:3])
    dtype = _dtype(header)
    return TextHeaderImage((z, y, x), layers, dtype, affine, placed, _voxels(header, dtype), pairs=header.pairs)


@dataclass(frozen=True)
class _Axis:
    """``step``: to the next voxel, in the file's space, or only how far; None where the header does not say it."""

    size: int
    in_space: bool
    step: np.ndarray | None


def _axes(header: TextHeader, sizes: list[int]) -> list[_Axis]:
    steps = _steps(header, len(sizes))
    kinds = [kind.lower() for kind in header.words("kinds")] or [""] * len(sizes)
    if len(steps) != len(sizes) or len(kinds) != len(sizes):
        raise unreadable()
    has_directions = "space directions" in header.fields
    axes = []
    for size, step, kind in zip(sizes, steps, kinds, strict=True):
        in_space = kind in _IN_SPACE and not (has_directions and step is None and size == 1)
        axes.append(_Axis(size, in_space, step))
    # Some writers leave out the kinds: the first axis is then told by having no direction.
    if has_directions and steps[0] is None and len(sizes) > 3 and "kinds" not in header.fields:
        axes[0] = _Axis(sizes[0], False, None)
    return axes


def _steps(header: TextHeader, count: int) -> list[np.ndarray | None]:
    if "space directions" in header.fields:
        words = re.findall(r"none|\([^()]*\)", header.fields["space directions"])
        return [None if word == "none" else _vector(word) for word in words]
    spacings = header.numbers("spacings") or [float("nan")] * count
    return [np.array([size]) if np.isfinite(size) else None for size in spacings]


def _vector(text: str) -> np.ndarray:
    values = np.array([number(word.strip()) for word in text.strip().strip("()").split(",")])
    if not np.isfinite(values).all():
        raise InputError("The file's geometry is unusable: a direction is not a number.", "Export the CT again.")
    return values


def _affine(header: TextHeader, axes: list[_Axis]) -> tuple[np.ndarray, bool]:
    """IJK→RAS in mm, and whether the header says how the patient lies."""
    if any(axis.step is None for axis in axes):
        raise InputError(
            "The file does not say how large its voxels are: nothing can be measured in it.",
            "Export the CT again from the original DICOM images.",
        )
    space = re.sub(r"(-time|(?<=^...)t)$", "", header.fields.get("space", "").lower())
    if space not in _TO_LPS and space not in _UNPLACED_SPACES:
        raise unreadable()
    columns = np.zeros((3, 3))
    for at, axis in enumerate(axes):
        step = np.asarray(axis.step)[:3]
        columns[slice(at, at + 1) if len(step) == 1 else slice(len(step)), at] = step
    columns[:, len(axes) :] = _missing_columns(columns[:, : len(axes)])
    origin = np.zeros(3)
    if "space origin" in header.fields:
        told = _vector(header.fields["space origin"])[:3]
        origin[: len(told)] = told
    signs = np.array(_TO_LPS.get(space, (1.0, 1.0, 1.0)))
    affine = affine_from_axes(signs[:, None] * columns, signs * origin, header.mm_per_unit)
    return affine, space in _TO_LPS or (not space and "space dimension" in header.fields)


def _missing_columns(columns: np.ndarray) -> np.ndarray:
    """Axes of length 1 for a picture that is flat (or a line), at right angles to those that it has."""
    missing = 3 - columns.shape[1]
    if missing == 0 or not columns.any():
        return np.eye(3)[:, 3 - missing :]
    if missing == 1:
        normal = np.cross(columns[:, 0], columns[:, 1])
        length = float(np.linalg.norm(normal))
        return (normal / length if length > 0 else normal)[:, None]
    raise unreadable()


def _dtype(header: TextHeader) -> np.dtype:
    name = _TYPES.get(" ".join(header.words("type")).lower())
    if name is None:
        raise InputError(
            "The file does not say, or not in known words, of which type its numbers are.", "Export the CT again."
        )
    order = header.fields.get("endian", "").lower()
    # A byte has no order, and words need none.
    needed = name[1] != "1" and _packing(header) is not Packing.TEXT
    if order not in ("little", "big") and (order or needed):
        raise InputError("The file does not say in which order its bytes lie.", "Export the CT again.")
    return np.dtype((">" if order == "big" else "<") + name)


def _packing(header: TextHeader) -> Packing:
    encoding = header.fields.get("encoding", "").lower()
    if encoding in ("bzip2", "bz2"):
        raise InputError("The file is packed with bzip2, which is not read.", "Save it again, packed with gzip or not.")
    if encoding not in _PACKINGS:
        raise InputError(
            "The file does not say, or not in known words, how its numbers are stored.",
            "Save it again with encoding gzip or raw.",
        )
    return _PACKINGS[encoding]


def _voxels(header: TextHeader, dtype: np.dtype) -> StoredVoxels:
    lines = (header.whole_numbers("line skip", "lineskip") or [0])[0]
    skip = (header.whole_numbers("byte skip", "byteskip") or [0])[0]
    packing = _packing(header)
    if lines < 0 or lines > 1 << 20 or skip < -1 or skip > 1 << 40 or (skip == -1 and packing is not Packing.RAW):
        raise unreadable()
    files = header.data_files
    start = header.start if files == (header.path,) else 0
    if skip == -1:
        return StoredVoxels(files, packing, None)
    return StoredVoxels(files, packing, start, lines, skip)
