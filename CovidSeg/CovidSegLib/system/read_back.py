"""What was written is read back before it takes another file's place: not every library notices a full disk.

NrrdIO, which writes ``.nrrd``, drops the error of the last block; ITK's NIfTI writer drops all. So the voxels are read
again without those libraries, and compared; a packed stream must also come to its own end and check sum.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import OutputError
from ..i18n import tr as _

_STEP = 1 << 20
"""Bytes that are read and compared at once."""

_GZIP, _ZLIB = 31, 15
"""What zlib calls the two kinds of packed stream; each carries a check sum of what was packed."""

_NIFTI_OFFSET = 108
"""Where in a NIfTI-1 header (nifti1.h: vox_offset, float32) stands at which byte the voxels begin."""


def not_as_written() -> OutputError:
    """What is raised where a file does not hold what was written into it."""
    return OutputError(
        _("A result could not be written: the file does not hold what was written into it."),
        _("Is the disk full? Check the free space and try again."),
    )


def check_bytes(path: Path, content: bytes) -> None:
    """Raise OutputError unless the file holds ``content``, OSError where it cannot be read."""
    if path.read_bytes() != content:
        raise not_as_written()


def check_voxels(path: Path, array: np.ndarray) -> None:
    """Raise OutputError unless the ``.nrrd``, ``.mha``, ``.nii`` or ``.nii.gz`` at ``path`` ends in ``array``.

    ``array``: (z, y, x), or (z, y, x, layers), of the type in which it was written. Raises OSError where the file
    cannot be read.
    """
    name = path.name.lower()
    with path.open("rb") as file:
        try:
            _compare(_voxels_of(name, file), array)
        except (ValueError, EOFError, zlib.error, struct.error) as error:
            raise not_as_written() from error


def _voxels_of(name: str, file: IO[bytes]) -> Iterator[bytes]:
    """The bytes of the voxels, unpacked, piece by piece. Raises ValueError or zlib.error for what is not whole."""
    if name.endswith(".nrrd"):
        is_packed = b"encoding: gzip" in _header_lines(file, lambda line: line == b"")
        return _unpacked(file, _GZIP) if is_packed else _pieces(file)
    if name.endswith(".mha"):
        is_packed = b"CompressedData = True" in _header_lines(file, lambda line: line == b"ElementDataFile = LOCAL")
        return _unpacked(file, _ZLIB) if is_packed else _pieces(file)
    return _after_nifti_header(_unpacked(file, _GZIP) if name.endswith(".gz") else _pieces(file))


def _header_lines(file: IO[bytes], is_last: Callable[[bytes], bool]) -> list[bytes]:
    """The lines up to the one that :arg:`is_last`; ``file`` stands behind it then."""
    lines = []
    for line in iter(file.readline, b""):
        lines.append(line.rstrip(b"\r\n"))
        if is_last(lines[-1]):
            return lines
    raise ValueError("the header has no end")


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(_STEP), b"")


def _unpacked(file: IO[bytes], kind: int) -> Iterator[bytes]:
    """The content of a packed stream that reaches to the end of ``file``; its check sum is compared at its end."""
    unpacker = zlib.decompressobj(kind)
    while not unpacker.eof:
        packed = unpacker.unconsumed_tail or file.read(_STEP)
        piece = unpacker.decompress(packed, _STEP)
        if not packed and not piece and not unpacker.eof:
            raise ValueError("the packed stream is cut off")
        yield piece
    if unpacker.unused_data or file.read(1):
        raise ValueError("something follows the packed stream")


def _after_nifti_header(pieces: Iterator[bytes]) -> Iterator[bytes]:
    head = next(pieces, b"")
    (start,) = struct.unpack_from("=f", head, _NIFTI_OFFSET)
    yield head[int(start) :]
    yield from pieces


def _compare(pieces: Iterator[bytes], array: np.ndarray) -> None:
    """Raise ValueError unless ``pieces`` are the bytes of ``array``, first axis slowest; no copy of it is made."""
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    place = 0
    for piece in pieces:
        part = content[place : place + len(piece)]
        if not np.array_equal(part, np.frombuffer(piece, np.uint8)):
            raise ValueError("other voxels")
        place += len(piece)
    if place != content.size:
        raise ValueError("voxels are missing")
