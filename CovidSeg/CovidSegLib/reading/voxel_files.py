"""The voxels of an NRRD or MetaImage, plane by plane, out of one file or many.

Sizes are held against the files' own lengths before memory is taken, and check sums are compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .affine_checks import LPS_TO_RAS
from .hounsfield import check_promise, check_size, truncated
from .itk import unreadable
from .unpacking import Unpacked

_CHUNK = 1 << 16
_LONGEST_WORD = 64


class Packing(Enum):
    """How voxels lie in a file: bytes as in memory, packed with gzip or zlib, or numbers in words."""

    RAW = "raw"
    PACKED = "packed"
    TEXT = "text"


@dataclass(frozen=True)
class StoredVoxels:
    """Where an image's voxels lie.

    ``files``: each holds an equal share; ``start``: bytes before them, in each file (None: they end the file);
    ``lines``: lines before them after that; ``skip``: bytes before them after that, where all is unpacked.
    """

    files: tuple[Path, ...]
    packing: Packing
    start: int | None = 0
    lines: int = 0
    skip: int = 0


@dataclass(frozen=True)
class TextHeaderImage:
    """An image as its text header describes it.

    ``shape``: z, y, x; ``layers``: numbers per voxel, side by side in the file; ``dtype``: of each;
    ``affine``: IJK→RAS in mm, unchecked; ``placed``: whether the file says how the patient lies;
    ``slope``, ``intercept``: what makes values of the numbers; ``pairs``: see :class:`.text_headers.TextHeader`.
    """

    shape: tuple[int, int, int]
    layers: int
    dtype: np.dtype
    affine: np.ndarray
    placed: bool
    voxels: StoredVoxels
    slope: float = 1.0
    intercept: float = 0.0
    pairs: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise InputError unless the files can hold what is promised; nothing is read."""
        check_size(self.shape)
        check_size((self.layers, *self.shape))
        share = self._share
        for path in self.voxels.files:
            present = path.stat().st_size - (self.voxels.start or 0)
            packed = self.voxels.packing is Packing.PACKED
            each = share // self.dtype.itemsize if self.voxels.packing is Packing.TEXT else share
            check_promise(each + self.voxels.skip, present, compressed=packed)

    @property
    def _share(self) -> int:
        """Bytes of each file."""
        whole = math.prod(self.shape) * self.layers * self.dtype.itemsize
        if whole % (len(self.voxels.files) * self.dtype.itemsize):
            raise unreadable()
        return whole // len(self.voxels.files)


def affine_from_axes(columns: np.ndarray, origin: np.ndarray, mm: float) -> np.ndarray:
    """IJK→RAS in mm of an image whose axes (3x3, one a column) and first voxel are told in LPS and a unit of ``mm``."""
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = columns, origin
    affine[:3] *= mm
    return LPS_TO_RAS @ affine


class Planes:
    """Walks the planes of an image (y, x), or (y, x, layers) where a voxel has several numbers.

    ``left_over``: whether a file went on behind them, known at the end. Raises InputError where they are not all there.
    """

    def __init__(self, image: TextHeaderImage) -> None:
        image.check()
        self._image = image
        self.left_over = False

    def __iter__(self) -> Iterator[np.ndarray]:
        z, *shape = self._image.shape
        shape += [self._image.layers] * (self._image.layers > 1)
        size = math.prod(shape) * self._image.dtype.itemsize
        waiting = bytearray()
        for part in self._parts(size):
            waiting += part
            while len(waiting) >= size:
                yield np.frombuffer(bytes(waiting[:size]), self._image.dtype).reshape(shape)
                del waiting[:size]
                z -= 1
        if z or waiting:
            raise truncated()

    def _parts(self, size: int) -> Iterator[bytes]:
        """The bytes of all files, at most ``size`` at a time."""
        for path in self._image.voxels.files:
            with path.open("rb") as file:
                left = self._image._share
                stream = self._stream(file, left)
                while left > 0:
                    part = stream.read(min(left, size))
                    if not part:
                        raise truncated()
                    left -= len(part)
                    yield part
                self.left_over |= bool(stream.read(1))
                if isinstance(stream, Unpacked):
                    stream.finish()  # compares the check sum
                    self.left_over |= stream.is_followed

    def _stream(self, file: BinaryIO, share: int) -> BinaryIO | Unpacked | _Words:
        """``file`` from its first voxel on."""
        voxels = self._image.voxels
        if voxels.start is None:
            file.seek(-share, 2)
            return file
        file.seek(voxels.start)
        for _line in range(voxels.lines):
            while (line := file.readline(_CHUNK)) and not line.endswith(b"\n"):
                pass
        if voxels.packing is Packing.PACKED:
            stream = Unpacked(file)
            stream.seek(voxels.skip)
            return stream
        file.seek(voxels.skip, 1)
        return file if voxels.packing is Packing.RAW else _Words(file, self._image.dtype)


class _Words:
    """Numbers in words, as the bytes that they would be. Raises InputError for a word that is no number."""

    def __init__(self, file: BinaryIO, dtype: np.dtype) -> None:
        self._file, self._dtype = file, dtype
        self._rest, self._ready = b"", bytearray()

    def read(self, size: int) -> bytes:
        while len(self._ready) < size and self._more():
            pass
        part = bytes(self._ready[:size])
        del self._ready[:size]
        return part

    def _more(self) -> bool:
        block = self._file.read(_CHUNK)
        text = self._rest + block
        end = max(text.rfind(mark) for mark in (b" ", b"\n", b"\t", b"\r")) + 1 if block else len(text)
        self._rest = text[end:]
        words = text[:end].split()
        if len(self._rest) > _LONGEST_WORD or max(map(len, words), default=0) > _LONGEST_WORD:
            raise unreadable()
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                numbers = np.array(words, "S").astype(np.float64)
            except ValueError:
                raise unreadable() from None
            self._ready += numbers.astype(self._dtype).tobytes()
        return bool(block)
