"""Where the pixels of a DICOM file lie in it, found without believing a length that the file's own end contradicts.

Lengths in a file may be wrong by damage or on purpose: each is held against the file's size before anything follows it,
and a file whose elements do not end where the file ends counts as damaged.
"""

from __future__ import annotations

import io
import itertools
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .header_values import number_of, values_of
from .hounsfield import MAX_COMPRESSION, MAX_EDGE, MAX_VOXELS

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
UNCOMPRESSED = ("", IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED)
"""Transfer syntaxes (DICOM PS3.5, annex A). Files from before 1993 name none."""

OVERLAY_BIT_POSITIONS = tuple(0x00000102 | group << 16 for group in range(0x6000, 0x6020, 2))
"""The element that says which bit of a pixel is an overlay; there may be sixteen."""

_PIXEL_DATA = (0x7FE0, 0x0010)
_ITEM, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
_UNDEFINED = 0xFFFFFFFF
_LONG_LENGTH = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
"""Kinds of values whose length has four bytes (DICOM PS3.5, 7.1.2)."""

_MOST_BITS = 32
_LARGEST_INFLATED = 1 << 28
_PREAMBLE = 128


class DamagedFileError(ValueError):
    """The file contradicts itself. For this room alone: users are told how many files are damaged."""


@dataclass(frozen=True)
class StoredFrame:
    """The pixels of one slice: ``pieces`` are offset and length (bytes) of its parts, in order.

    ``syntax``: UID of the transfer syntax; ``big_endian``: the high byte of a number comes first. ``allocated``,
    ``stored``: bits of a pixel in the file, and those of them in use; ``high``: the highest of these; ``signed``:
    whether it is a sign. ``drawn``: a mask of the bits that are overlays; ``padding``: all bits of a pixel where
    nothing was measured, as a number; all of them set where that is not said.
    """

    syntax: str
    big_endian: bool
    rows: int
    columns: int
    allocated: int
    stored: int
    high: int
    signed: bool
    pieces: tuple[tuple[int, int], ...]
    drawn: int = 0
    padding: int = -1

    @property
    def is_packed(self) -> bool:
        """Whether the pixels are a stream of JPEG or the like."""
        return self.syntax not in UNCOMPRESSED


class BoundedFile(io.BufferedReader):
    """A file that is never asked for more bytes than it has left: memory is not taken for a length that lies."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """As BufferedReader, to the file's end at most."""
        left = max(0, self._size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def open_dicom(path: Path) -> BinaryIO:
    """The bytes of a DICOM file, unpacked where all of its data set is packed. Raises OSError, DamagedFileError."""
    file = BoundedFile(path)
    head = file.read(_PREAMBLE + 4 + 12)
    file.seek(0)
    if head[_PREAMBLE : _PREAMBLE + 8] != b"DICM\2\0\0\0":
        return file
    meta = file.read(len(head) + int.from_bytes(head[-4:], "little"))
    if DEFLATED.encode() not in meta:
        file.seek(0)
        return file
    with file:
        packed = file.read()
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = unpacker.decompress(packed, min(_LARGEST_INFLATED, MAX_COMPRESSION * len(packed)))
    except zlib.error:
        raise DamagedFileError from None
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise DamagedFileError
    # The padding byte keeps the length of the value.
    return io.BytesIO(meta.replace(DEFLATED.encode(), EXPLICIT.encode().ljust(len(DEFLATED), b"\0")) + inflated)


def stored_frames(file: BinaryIO, dataset: Any) -> list[StoredFrame]:
    """Where each frame of an image lies, at least one.

    Parameters: ``file`` stands where the element with the pixels begins; ``dataset`` (pydicom's) is what came before.
    Raises DamagedFileError when the two, or the file and its size, do not fit together.
    """
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    allocated = int(dataset.get("BitsAllocated", 16) or 16)
    stored = int(dataset.get("BitsStored", allocated) or allocated)
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    high = dataset.get("HighBit", None)
    high = stored - 1 if high is None else int(high)
    # Numbers of a DICOM file fit, but a slice with more than a whole scan may have lies.
    _demand(0 < rows <= MAX_EDGE and 0 < columns <= MAX_EDGE and frames > 0 and rows * columns * frames <= MAX_VOXELS)
    _demand(allocated in (8, 16, 32) and 0 < stored <= high + 1 <= allocated)
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", "") or "")
    elements = _Elements(file, syntax)
    pieces = (
        _plain_pieces(elements, rows * columns * allocated // 8, frames)
        if syntax in UNCOMPRESSED
        else _packed_pieces(elements, frames)
    )
    elements.check_rest()
    signed = bool(int(dataset.get("PixelRepresentation", 0) or 0))
    drawn, padding = _overlay_bits(dataset), _padding(dataset) & ((1 << allocated) - 1)
    return [
        StoredFrame(syntax, elements.big_endian, rows, columns, allocated, stored, high, signed, own, drawn, padding)
        for own in pieces
    ]


def _overlay_bits(dataset: Any) -> int:
    """A mask of the bits of a pixel that are overlays (DICOM PS3.3, C.9.2, until 2004; old files have them)."""
    elements = [dataset.get(tag, None) for tag in OVERLAY_BIT_POSITIONS]
    positions = {str(element.value) for element in elements if element is not None}
    return sum(1 << int(position) for position in positions if position.isdecimal() and int(position) < _MOST_BITS)


def _padding(dataset: Any) -> int:
    """PixelPaddingValue, -1 where there is none. It has no kind of its own: pydicom may give its two bytes."""
    values = values_of(dataset, "PixelPaddingValue")
    if len(values) == 2 and isinstance(dataset.get("PixelPaddingValue"), bytes):
        return int.from_bytes(bytes(values), "little")
    number = number_of(dataset, "PixelPaddingValue")
    return -1 if number is None else int(number)


def _demand(holds: bool) -> None:
    if not holds:
        raise DamagedFileError


class _Elements:
    """The elements of a data set from where ``file`` stands, which must be at the pixels. Nothing is read in full."""

    def __init__(self, file: BinaryIO, syntax: str) -> None:
        self.file = file
        start = file.tell()
        self.size = file.seek(0, os.SEEK_END)
        file.seek(start)
        head = self._bytes(6)
        file.seek(start)
        self.big_endian = head[:2] == b"\x7f\xe0"
        # Where no syntax is named: a length may look like a kind of value, but hardly like one of these.
        self._explicit = syntax != IMPLICIT if syntax else head[4:6] in (b"OB", b"OW", b"UN")
        self._last = (0, 0)

    def _bytes(self, count: int) -> bytes:
        read = self.file.read(count)
        _demand(len(read) == count)
        return read

    def _number(self, count: int) -> int:
        return int.from_bytes(self._bytes(count), "big" if self.big_endian else "little")

    def tag(self) -> tuple[int, int]:
        """The next tag."""
        return self._number(2), self._number(2)

    def length(self) -> int:
        """The next length of an item: it ends within the file, or is not said (:data:`_UNDEFINED`)."""
        length = self._number(4)
        _demand(length == _UNDEFINED or self.file.tell() + length <= self.size)
        return length

    def element(self) -> tuple[tuple[int, int], int]:
        """Tag and length of the next element; tags rise."""
        tag = self.tag()
        _demand(tag > self._last)
        self._last = tag
        if not self._explicit:
            return tag, self.length()
        kind = self._bytes(2)
        _demand(kind.isalpha() and kind.isupper())
        if kind in _LONG_LENGTH:
            self._bytes(2)
            return tag, self.length()
        length = self._number(2)
        _demand(self.file.tell() + length <= self.size)
        return tag, length

    def check_rest(self) -> None:
        """Demand that nothing but whole elements, or zeros, lies between here and the file's end."""
        while self.file.tell() < self.size:
            start = self.file.tell()
            if self.file.read(2) == b"\0\0":  # some writers fill up the last block
                _demand(not self.file.read().strip(b"\0"))
                return
            self.file.seek(start)
            length = self.element()[1]
            if length == _UNDEFINED:
                return
            self.file.seek(length, os.SEEK_CUR)


def _plain_pieces(elements: _Elements, frame_bytes: int, frames: int) -> list[tuple[tuple[int, int], ...]]:
    """One piece for each frame; the value has just their bytes, and one more where they are odd."""
    tag, length = elements.element()
    _demand(tag == _PIXEL_DATA and length != _UNDEFINED and 0 <= length - frame_bytes * frames <= 1)
    start = elements.file.tell()
    elements.file.seek(length, os.SEEK_CUR)
    return [((start + number * frame_bytes, frame_bytes),) for number in range(frames)]


def _packed_pieces(elements: _Elements, frames: int) -> list[tuple[tuple[int, int], ...]]:
    """The fragments of each frame (DICOM PS3.5, annex A.4): all, one for each, or as their table says."""
    tag, length = elements.element()
    _demand(tag == _PIXEL_DATA and length == _UNDEFINED)
    items: list[tuple[int, int]] = []
    while elements.file.tell() < elements.size:
        tag, length = elements.tag(), elements.length()
        if tag == _SEQUENCE_END:
            _demand(length == 0)
            break
        _demand(tag == _ITEM and length != _UNDEFINED)
        items.append((elements.file.tell(), length))
        elements.file.seek(length, os.SEEK_CUR)
    _demand(len(items) > 1)
    table, fragments = items[0], items[1:]
    if frames == 1:
        return [tuple(fragments)]
    if len(fragments) == frames:
        return [(fragment,) for fragment in fragments]
    return _by_table(elements, table, fragments, frames)


def _by_table(
    elements: _Elements, table: tuple[int, int], fragments: list[tuple[int, int]], frames: int
) -> list[tuple[tuple[int, int], ...]]:
    """The fragments of each frame, where the table of offsets says with which of them a frame begins."""
    behind = elements.file.tell()
    _demand(table[1] == 4 * frames)
    elements.file.seek(table[0])
    starts = [elements._number(4) for _ in range(frames)]
    elements.file.seek(behind)
    offsets = [offset - 8 - (fragments[0][0] - 8) for offset, _length in fragments]
    _demand(starts == sorted(set(starts)) and set(starts) <= set(offsets) and starts[0] == 0)
    first = [offsets.index(start) for start in starts] + [len(fragments)]
    return [tuple(fragments[begin:end]) for begin, end in itertools.pairwise(first)]
