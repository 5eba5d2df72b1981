"""The reader's corrections survive the next run of the network: a merge of arrays, without files and without Slicer.

Segments may overlap once a reader has edited them, so a voxel is described by *bits*: bit ``label - 1`` is set where
the segment of that :class:`Label` covers it. Each segment carries a record of what the network last wrote into it
(:class:`LastWritten`, as text :func:`encode`). A voxel is the reader's where any segment differs from its record. It
stays the reader's when the network later comes to agree with it: such voxels are marked in the record (``agreed``),
segment by segment. An edit back to what the network last drew is none, unless the voxel is marked in any segment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..geometry.grid import read_only
from ..geometry.masks import Box
from ..segmentation import SEGMENTS, Label
from .lung_under_infection import lungs_under_infection
from .run_lengths import decode, encode

RECORD_TAG = "CovidSeg.NetworkMask"
"""The tag of a segment that holds its record (see :func:`encode`)."""

ALL = (1 << len(SEGMENTS)) - 1
"""The bits of all our segments."""

_INFECTION = np.uint8(Label.INFECTION)
# Where segments overlap, infection counts more than lung: it is drawn on top of it.


def bit(label: int) -> int:
    """The bit of a segment."""
    return 1 << (label - 1)


def to_bits(labels: np.ndarray) -> np.ndarray:
    """uint8 labels, any shape, as bits of the same shape."""
    # 0, 1, 2, 3 become 0, 1, 2, 4; a table is four times as slow.
    return labels + (labels == _INFECTION).view(np.uint8)


def to_labels(bits: np.ndarray) -> np.ndarray:
    """Bits as uint8 labels; where segments overlap the larger label counts (infection before lung)."""
    # The number of the highest bit: 0, 1, 2, 2 and then 3; a table is eight times as slow.
    labels = np.minimum(bits, 2)
    # Plane by plane, so that what is in between stays in the processor's cache.
    for part, plane in zip(np.atleast_2d(labels), np.atleast_2d(bits), strict=True):
        part += (plane > 3).view(np.uint8)
    return labels


@dataclass(frozen=True)
class LastWritten:
    """What the network last wrote, of all segments together, uint8 bits (z, y, x).

    ``drawn``: the network's mask. ``agreed``: voxels that the reader had decided before and the network then confirmed,
    of each segment by itself: no infection may be confirmed where there is disagreement about the lung.
    ``known``: bits of the segments whose record is there and intact; whatever else a segment holds is the reader's.
    The arrays are views that cannot be written through.
    """

    drawn: np.ndarray
    agreed: np.ndarray
    known: int = ALL

    def __post_init__(self) -> None:
        object.__setattr__(self, "drawn", read_only(self.drawn))
        object.__setattr__(self, "agreed", read_only(self.agreed))

    @classmethod
    def nothing(cls, shape: tuple[int, ...]) -> LastWritten:
        """The record before the first run."""
        return cls(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))

    @classmethod
    def by_network(cls, labels: np.ndarray) -> LastWritten:
        """The record after a first run that wrote ``labels`` (z, y, x)."""
        return cls(to_bits(labels), np.zeros(labels.shape, np.uint8))

    @classmethod
    def of_texts(cls, texts: Mapping[int, str | None], shape: tuple[int, ...]) -> LastWritten:
        """The records in ``texts``, by the label of every segment that is there, for a grid of ``shape`` (z, y, x).

        None stands for a record that is lost. Of a segment that is not there it is known: the reader took it out.
        """
        drawn, agreed = (np.zeros(shape, np.uint8) for _ in range(2))
        known = ALL
        for label, text in texts.items():
            planes = decode(text, shape) if text else None
            if planes is None:
                known &= ~bit(label)
                continue
            for target, plane in zip((drawn, agreed), planes, strict=True):
                if plane.any():
                    marks = plane.view(np.uint8)
                    marks *= np.uint8(bit(label))  # in place: nobody else has this array
                    target |= marks
        return cls(drawn, agreed, known)

    def plane(self, k: int) -> LastWritten:
        """The record of slice ``k`` alone, arrays (y, x)."""
        return LastWritten(self.drawn[k], self.agreed[k], self.known)

    def part(self, box: Box) -> LastWritten:
        """The record inside ``box`` alone."""
        return LastWritten(self.drawn[box], self.agreed[box], self.known)

    def decided(self, current: np.ndarray) -> np.ndarray:
        """What the reader decided: bits of the shape of ``current`` (bits, as large as the record).

        Segments without a record are left out: they are the reader's as a whole (:func:`merge` never touches them).
        """
        return ((current ^ self.drawn) | self.agreed) & np.uint8(self.known)

    def accepted(self, where: np.ndarray, label: int) -> LastWritten:
        """The record after the reader confirmed the voxels ``where`` (bool, z, y, x) of a segment: they are theirs."""
        agreed = self.agreed.copy()
        agreed[where] |= np.uint8(bit(label))
        return LastWritten(self.drawn, agreed, self.known)

    def text(self, label: int) -> str:
        """The record of one segment as :func:`encode` writes it."""
        return encode(*(_Planes(bits, np.uint8(bit(label))) for bits in (self.drawn, self.agreed)))


class _Planes:
    """One bit of ``bits`` (z, y, x) as bool planes, made one after the other: what :func:`encode` asks of an array."""

    def __init__(self, bits: np.ndarray, bit: np.uint8) -> None:
        self.shape = bits.shape
        self._bits, self._bit = bits, bit

    def __iter__(self) -> Iterator[np.ndarray]:
        return (plane & self._bit != 0 for plane in self._bits)


@dataclass(frozen=True)
class Merged:
    """A new result joined with what was there.

    ``bits``: uint8 (z, y, x), what the segments hold now. ``last``: the record for the next run.
    ``kept_voxels``: how many voxels stayed as the reader had left them. ``edited``: bits of the segments that have any.
    """

    bits: np.ndarray
    last: LastWritten
    kept_voxels: int
    edited: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", read_only(self.bits))


def reader_voxels(current: np.ndarray, last: LastWritten) -> np.ndarray:
    """Where the reader decided (:meth:`LastWritten.decided`) in any segment: bool of the shape of ``current``."""
    return last.decided(current) != 0


def merge(current: np.ndarray, last: LastWritten, new: np.ndarray, held: int = 0) -> Merged:
    """Join the network's ``new`` labels (uint8, z, y, x) with the segments as they are, ``current`` (bits).

    The reader's voxels stay as they are, all others become what the network says now. ``held``: bits of segments that
    must not change at all (marked as completed, or taken out by the reader); segments without a record are held too.
    New infection is drawn over a held lung, so that the two overlap; nothing else is drawn into a held segment. New
    infection that a held infection segment does not take is lung: the lungs get no holes.
    """
    held_bits = np.uint8(held | (ALL & ~last.known))
    open_bits = np.uint8(ALL & ~int(held_bits))
    if held_bits & bit(Label.INFECTION):
        new = lungs_under_infection(new)
    bits, drawn, agreed = (np.empty(current.shape, np.uint8) for _ in range(3))
    kept = edited = 0
    for k in range(len(current)):
        before, wanted = current[k], to_bits(new[k])
        was = last.plane(k)
        decided = was.decided(before)
        is_readers = decided != 0
        if not (held_bits or is_readers.any()):
            bits[k], drawn[k], agreed[k] = wanted, wanted, 0
            continue
        wanted &= open_bits
        on_top = np.where(before & held_bits, wanted & np.uint8(bit(Label.INFECTION)), wanted)
        bits[k] = np.where(is_readers, before, (before & held_bits) | on_top)
        # Of a held segment nothing is written, so its record stays.
        drawn[k] = np.where(is_readers, wanted, on_top) | (was.drawn & held_bits)
        # Each segment by itself: the record of another one may get lost later.
        agreed[k] = (decided & ~(before ^ wanted) & open_bits) | (was.agreed & held_bits)
        kept += int(np.count_nonzero(is_readers))
        edited |= int(np.bitwise_or.reduce(decided, axis=None))
    return Merged(bits, LastWritten(drawn, agreed, last.known), kept, edited)


def joined(masks: Iterable[tuple[int, np.ndarray]], shape: tuple[int, ...]) -> np.ndarray:
    """Bits (z, y, x) of several segments: pairs of label and bool (z, y, x)."""
    bits = np.zeros(shape, np.uint8)
    for label, mask in masks:
        bits |= mask.view(np.uint8) * np.uint8(bit(label))
    return bits


def overlap(bits: np.ndarray, labels: Iterable[int]) -> bool:
    """Whether any voxel of ``bits`` (z, y, x) is in more than one of the segments ``labels``."""
    chosen = np.uint8(sum(bit(label) for label in labels))
    for plane in bits:
        some = plane & chosen
        if (some & (some - np.uint8(1))).any():  # more than one bit
            return True
    return False
