"""Two masks as one line of text: the lengths of their runs, packed."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

_VERSION = "1"


class PlaneSource(Protocol):
    """A mask that is asked for plane by plane (bool); an array is one."""

    shape: tuple[int, ...]

    def __iter__(self) -> Iterator[np.ndarray]: ...


def encode(drawn: PlaneSource, agreed: PlaneSource) -> str:
    """Two bool arrays (z, y, x) as one line: version, size, SHA-256, then the packed lengths of their runs.

    Without blanks, colons and bars, so that it can be the value of a tag in a .seg.nrrd. About 0.1 MB for the lungs of
    a large scan.
    """
    size = "x".join(str(edge) for edge in drawn.shape)
    runs = [_runs(plane) for plane in (drawn, agreed)]
    counts = np.array([len(part) for part in runs], "<u4")
    content = counts.tobytes() + b"".join(_by_byte(part) for part in runs)
    packed = base64.b64encode(zlib.compress(content, 9)).decode("ascii")
    return ";".join((_VERSION, size, _checksum(size, content), packed))


def decode(text: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    """The arrays that :func:`encode` packed; None if ``text`` is damaged, altered or of another size than ``shape``."""
    try:
        version, size, checksum, packed = text.split(";")
        if version != _VERSION or size != "x".join(str(edge) for edge in shape):
            return None
        # Not more than runs of one voxel each would take, whatever the text claims.
        limit = 8 + 2 * 4 * (int(np.prod(shape)) + 1)
        content = zlib.decompressobj().decompress(base64.b64decode(packed, validate=True), limit)
        if checksum != _checksum(size, content):
            return None
        first, second = np.frombuffer(content[:8], "<u4").tolist()
        numbers = (content[8 : 8 + 4 * first], content[8 + 4 * first : 8 + 4 * (first + second)])
        return _from_runs(numbers[0], shape), _from_runs(numbers[1], shape)
    except (ValueError, zlib.error):
        return None


def _checksum(size: str, content: bytes) -> str:
    return hashlib.sha256(size.encode("ascii") + b";" + content).hexdigest()


def _runs(mask: Iterable[np.ndarray]) -> np.ndarray:
    """Lengths of the runs of equal voxels, uint32, beginning with one of False (may be 0)."""
    ends: list[np.ndarray] = []
    previous, offset = False, 0
    for plane in mask:
        flat = np.ravel(plane)
        if not previous and not flat.any():
            offset += flat.size
            continue
        if flat[0] != previous:
            ends.append(np.array([offset]))
        ends.append(np.flatnonzero(flat[1:] != flat[:-1]) + (offset + 1))
        previous, offset = bool(flat[-1]), offset + flat.size
    return np.diff(np.concatenate([*ends, [offset]]), prepend=0).astype("<u4")


def _from_runs(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    lengths = np.frombuffer(content, np.uint8).reshape(4, -1).T.copy().view("<u4").ravel()
    if int(lengths.sum(dtype=np.uint64)) != int(np.prod(shape)):
        raise ValueError("runs of another length")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(shape)


def _by_byte(numbers: np.ndarray) -> bytes:
    """The lowest bytes of all numbers first, then the next: short runs leave three planes of zeros."""
    return numbers.view(np.uint8).reshape(-1, 4).T.tobytes()
