"""The pixels of DICOM slices. Plain ones are read as they are; GDCM (inside SimpleITK) unpacks JPEG and the like.

GDCM is given no file of a stranger: what it follows blindly (lengths, names, fields) is checked here, and the stream
alone is put into a small file of our own.
"""

from __future__ import annotations

import struct
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from ..errors import InputError
from ..system.unfinished import unfinished_folder
from .hounsfield import MAX_COMPRESSION
from .itk import run_itk
from .packed_streams import check_stream, unpack_rle
from .slice_header import SliceHeader
from .stored_numbers import stored_numbers
from .stored_pixels import DamagedFileError, StoredFrame, open_dicom

_RLE = "1.2.840.10008.1.2.5"
_CT_IMAGE = b"1.2.840.10008.5.1.4.1.1.2"
_ANY_UID = b"1.2.826.0.1.3680043.8.498.1"


class PixelDecoder:
    """Decodes slices one after the other; a folder with pixels alone is there while the context is open."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._folder: Path | None = None

    def __enter__(self) -> PixelDecoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def decode(self, header: SliceHeader) -> np.ndarray:
        """The stored numbers (y, x) of a slice, without slope and intercept.

        Raises InputError for a damaged one, and for one whose header cannot be right about its bits.
        """
        try:
            with open_dicom(header.path) as file:
                data = b"".join(_piece(file, *piece) for piece in header.stored.pieces)
            bits, stored = self._bits(data, header.stored)
        except (DamagedFileError, OSError, InputError):
            raise InputError(
                "A slice of the series cannot be read: the file is damaged or packed in an unknown way.",
                "Copy or export the series again, uncompressed if possible.",
            ) from None
        return stored_numbers(bits, stored)

    def _bits(self, data: bytes, stored: StoredFrame) -> tuple[np.ndarray, StoredFrame]:
        """All bits of the pixels (y, x; unsigned), and how they hold their numbers."""
        if not stored.is_packed:
            return _plain(data, stored), stored
        if stored.syntax == _RLE:
            return unpack_rle(data, stored), stored
        if check_stream(data, stored) > stored.stored:  # a library would drop what the header denies
            whole = replace(stored, stored=stored.allocated, high=stored.allocated - 1, signed=False)
            return self._unpacked(data, whole), stored
        return self._unpacked(data, stored), replace(stored, high=stored.stored - 1)

    def _unpacked(self, stream: bytes, stored: StoredFrame) -> np.ndarray:
        import SimpleITK

        if stored.rows * stored.columns * stored.allocated // 8 > MAX_COMPRESSION * len(stream):
            raise DamagedFileError
        if self._folder is None:
            self._folder = self._stack.enter_context(unfinished_folder())
        path = self._folder / "slice.dcm"
        path.write_bytes(_bare_file(stream, stored))
        gdcm = SimpleITK.ImageFileReader()
        gdcm.SetImageIO("GDCMImageIO")
        gdcm.SetFileName(str(path))
        values = SimpleITK.GetArrayFromImage(run_itk(gdcm.Execute, strict=True))
        if values.shape != (1, stored.rows, stored.columns) or values.dtype.itemsize * 8 != stored.allocated:
            raise DamagedFileError
        return values[0].view(f"u{values.dtype.itemsize}")


def _piece(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    data = file.read(length)
    if len(data) != length:
        raise DamagedFileError
    return data


def _plain(data: bytes, stored: StoredFrame) -> np.ndarray:
    order = ">" if stored.big_endian else "<"
    values = np.frombuffer(data, f"{order}u{stored.allocated // 8}", stored.rows * stored.columns)
    return values.reshape(stored.rows, stored.columns).astype(f"u{stored.allocated // 8}", copy=False)


def _bare_file(stream: bytes, stored: StoredFrame) -> bytes:
    """A DICOM file (explicit VR, little endian) of one packed CT slice that says nothing but how its pixels are."""
    stream += b"\0" * (len(stream) % 2)
    meta = struct.pack("<HH2sHL", 0x2, 0x1, b"OB", 0, 2) + b"\0\1"
    for number, value in ((0x2, _CT_IMAGE), (0x3, _ANY_UID), (0x10, stored.syntax.encode()), (0x12, _ANY_UID)):
        meta += _element(0x2, number, b"UI", value)
    body = _element(0x8, 0x16, b"UI", _CT_IMAGE) + _element(0x8, 0x18, b"UI", _ANY_UID)
    body += _element(0x8, 0x60, b"CS", b"CT") + _short(0x2, 1) + _element(0x28, 0x4, b"CS", b"MONOCHROME2")
    for number, amount in ((0x10, stored.rows), (0x11, stored.columns), (0x100, stored.allocated)):
        body += _short(number, amount)
    body += _short(0x101, stored.stored) + _short(0x102, stored.high) + _short(0x103, int(stored.signed))
    pixels = struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE000, 0)
    pixels += struct.pack("<HHL", 0xFFFE, 0xE000, len(stream)) + stream + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    length = _element(0x2, 0x0, b"UL", struct.pack("<L", len(meta)))
    return b"\0" * 128 + b"DICM" + length + meta + body + pixels


def _element(group: int, number: int, kind: bytes, value: bytes) -> bytes:
    value += (b"\0" if kind == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", group, number, kind, len(value)) + value


def _short(number: int, value: int) -> bytes:
    return _element(0x28, number, b"US", struct.pack("<H", value))
