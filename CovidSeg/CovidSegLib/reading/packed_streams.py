"""What is checked of a packed slice before a library unpacks it: size, beginning and end of JPEG streams; RLE.

Libraries fill up a stream that ends early and pass over what is too much, with a line on the console at most.
"""

from __future__ import annotations

import numpy as np

from .stored_pixels import DamagedFileError, StoredFrame

_JPEG = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81))
"""JPEG, lossy and lossless, and JPEG-LS: all have the same markers (ISO/IEC 10918-1, annex B; 14495-1, annex C)."""

_JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91))

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SIZES = {0xC0, 0xC1, 0xC2, 0xC3, 0xF7}
"""Markers of the segment that says how large the picture is (SOF0 to SOF3, SOF55)."""

_SCAN = 0xDA


def check_stream(stream: bytes, stored: StoredFrame) -> int:
    """How many bits each number has in ``stream``, whatever the header says.

    Raises DamagedFileError unless it is of a known kind, has the slice's size, and ends where it must.
    """
    if stored.syntax in _JPEG:
        *size, bits = _jpeg_size(stream)
    elif stored.syntax in _JPEG_2000:
        *size, bits = _jpeg_2000_size(stream)
    else:
        raise DamagedFileError
    # One byte fills up an odd length.
    ends = stream.endswith(_END) or stream[:-1].endswith(_END) or not stream[stream.rfind(_END) + 2 :].strip(b"\0")
    if size != [stored.rows, stored.columns] or not ends or _END not in stream:
        raise DamagedFileError
    return bits


def _jpeg_size(stream: bytes) -> tuple[int, int, int]:
    """Rows, columns and bits of a JPEG stream with one number per pixel."""
    if not stream.startswith(_START):
        raise DamagedFileError
    at, size = 2, (0, 0, 0)
    while at + 4 <= len(stream) and stream[at] == 0xFF:
        marker, length = stream[at + 1], _number(stream, at + 2, 2)
        if marker == 0xFF:  # a filling byte
            at += 1
            continue
        if marker in _SIZES:
            if stream[at + 9 : at + 10] != b"\1":
                raise DamagedFileError
            size = _number(stream, at + 5, 2), _number(stream, at + 7, 2), stream[at + 4]
        if marker == _SCAN or length < 2:
            break
        at += 2 + length
    return size


def _jpeg_2000_size(stream: bytes) -> tuple[int, int, int]:
    """Rows, columns, bits of a JPEG 2000 code stream, whose tile parts must reach to its end (ISO/IEC 15444-1, A.4)."""
    if not stream.startswith(b"\xff\x4f\xff\x51") or _number(stream, 40, 2) != 1:
        raise DamagedFileError
    right, bottom, left, top = (_number(stream, at, 4) for at in (8, 12, 16, 20))
    at = 2
    while stream[at : at + 2] not in (b"\xff\x90", b""):
        at += 2 + _number(stream, at + 2, 2)
    while stream[at : at + 2] == b"\xff\x90":
        length = _number(stream, at + 6, 4)
        if length == 0:  # the last one, to the end
            break
        if length < 14:
            raise DamagedFileError
        at += length
    if stream[at : at + 2] not in (_END, b"\xff\x90"):
        raise DamagedFileError
    return bottom - top, right - left, (_number(stream, 42, 1) & 0x7F) + 1


def _number(stream: bytes, at: int, count: int) -> int:
    if at + count > len(stream):
        raise DamagedFileError
    return int.from_bytes(stream[at : at + count], "big")


def unpack_rle(stream: bytes, stored: StoredFrame) -> np.ndarray:
    """The numbers (y, x; unsigned) of a run-length encoded slice (DICOM PS3.5, annex G). Raises DamagedFileError."""
    parts = stored.allocated // 8
    head = np.frombuffer(stream[:64], "<u4") if len(stream) >= 64 else np.zeros(16, int)
    starts = [int(start) for start in head[1 : parts + 1]]
    if head[0] != parts or starts != sorted(starts) or starts[0] != 64:
        raise DamagedFileError
    planes = [
        _unpacked_bytes(stream[start:end], stored.rows * stored.columns)
        for start, end in zip(starts, [*starts[1:], len(stream)], strict=True)
    ]
    # The highest byte comes first.
    values = np.stack([np.frombuffer(plane, np.uint8) for plane in planes], axis=-1)
    return values.view(f">u{parts}").reshape(stored.rows, stored.columns).astype(f"u{parts}")


def _unpacked_bytes(packed: bytes, count: int) -> bytes:
    """Just ``count`` bytes out of runs and literals; a byte that fills up an odd length may follow."""
    unpacked, at = bytearray(), 0
    while len(unpacked) < count and at < len(packed):
        code = packed[at]
        if code < 128:
            literal = packed[at + 1 : at + 2 + code]
            if len(literal) != code + 1:
                break
            unpacked += literal
            at += 2 + code
        elif code > 128:
            unpacked += packed[at + 1 : at + 2] * (257 - code)
            at += 2
        else:
            at += 1
    if len(unpacked) != count or packed[at:].strip(b"\0\x80"):
        raise DamagedFileError
    return bytes(unpacked)
