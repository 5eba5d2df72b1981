"""Unpacking gzip and zlib: by Intel's library where the package isal is installed (twice as fast), else by Python's."""

from __future__ import annotations

import zlib
from typing import Any, BinaryIO

from ..errors import InputError
from .hounsfield import truncated

_CHUNK = 1 << 18
_EITHER = 32 + zlib.MAX_WBITS
"""Gzip or zlib, as the first bytes say."""

_GZIP = b"\x1f\x8b"


class Unpacked:
    """The unpacked bytes of ``file`` from where it stands, in order and with little memory.

    Several gzip members in a row are one, as gzip's own description says. The check sum is compared where a member
    ends. What follows the last member is not unpacked.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._start = file, file.tell()
        self._module, self._errors = _library()
        self._begin(b"")

    def _begin(self, packed: bytes) -> None:
        self._packed, self._unpacker = packed, self._module.decompressobj(wbits=_EITHER)
        self._is_over = self.is_followed = False

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer only where the last member ends.

        Raises InputError where what is packed is damaged or ends too early.
        """
        parts, wanted = [], size
        while wanted > 0 and not self._is_over:
            part = self._some(wanted)
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)

    def seek(self, place: int) -> None:
        """Go to the unpacked byte ``place``."""
        self._file.seek(self._start)
        self._begin(b"")
        while place > 0 and (part := self.read(min(place, _CHUNK))):
            place -= len(part)

    def finish(self) -> int:
        """Unpack the rest without keeping it, so that the check sum is compared; how many bytes that were."""
        rest = 0
        while part := self.read(_CHUNK):
            rest += len(part)
        return rest

    def _some(self, size: int) -> bytes:
        packed = self._packed or self._file.read(_CHUNK)
        try:
            part = self._unpacker.decompress(packed, size)
        except self._errors:
            raise _damaged() from None
        if self._unpacker.eof:
            self._next_member(self._unpacker.unused_data)
        else:
            self._packed = self._unpacker.unconsumed_tail
            if not packed and not part:
                raise truncated()
        return bytes(part)

    def _next_member(self, rest: bytes) -> None:
        rest = (rest + self._file.read(_CHUNK)).lstrip(b"\0")  # zeros fill a last block
        while not rest and (more := self._file.read(_CHUNK)):
            rest = more.lstrip(b"\0")
        if rest.startswith(_GZIP):
            self._begin(rest)
        else:
            self._is_over, self.is_followed = True, bool(rest)


def is_gzip(file: BinaryIO) -> bool:
    """Whether ``file`` begins as gzip does, whatever its name says; it stands at its beginning afterwards."""
    begin = file.read(2)
    file.seek(0)
    return begin == _GZIP


def _library() -> tuple[Any, tuple[Any, ...]]:
    """The module that unpacks, and what it raises."""
    try:
        from isal import isal_zlib
    except ImportError:  # in Slicer
        return zlib, (zlib.error,)
    return isal_zlib, (isal_zlib.error, zlib.error)


def _damaged() -> InputError:
    return InputError("The file is damaged: it cannot be unpacked.", "Copy or download it again.")
