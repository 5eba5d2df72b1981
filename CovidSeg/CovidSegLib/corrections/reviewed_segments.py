"""What a reader made of our segments: one value, read alike from Slicer's scene and from a file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.grid import read_only
from ..i18n import tr as _
from ..segmentation import SEGMENTS, Label, Segmentation, absent_labels
from ..system.last_answer import LastAnswer
from .merge import ALL, RECORD_TAG, LastWritten, Merged, bit, merge, to_labels

STATUS_TAG = "Segmentation.Status"
"""What the reader thinks of a segment: notstarted, inprogress, completed, flagged."""

COMPLETED, FLAGGED = "completed", "flagged"
"""The statuses that mean: do not touch this any more; somebody should look at this."""

SOURCE_TAG = "CovidSeg.SourceVolume"
"""The scan that a segment was made from, by its kind and the SHA-256 of its voxels."""

TagsOf = Callable[[str], str | None]
"""Gives the value of one segment's tag, None where it has none."""


@dataclass(frozen=True)
class ReviewedSegments:
    """Our segments on the grid of their scan as a reader left them, and the records that tell their work.

    ``current``: bits (z, y, x), ``last``: their records (see :mod:`.merge`). ``present``: labels of our segments that
    are there. ``completed``: bits of those that the reader marked so. ``sources``: the scans that they were made from,
    as their tags say; completed ones count only where there are no others, since what is completed keeps its tags when
    the rest is brought up to date. ``time``: when a node had them (0: of a file). The arrays are views that cannot be
    written through.
    """

    current: np.ndarray
    last: LastWritten
    present: tuple[Label, ...] = ()
    completed: int = 0
    sources: tuple[str | None, ...] = ()
    time: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "current", read_only(self.current))

    @classmethod
    def of_tags(
        cls,
        current: np.ndarray,
        segments: Sequence[tuple[Label, TagsOf]],
        records: LastAnswer[LastWritten] | None = None,
        time: int = 0,
    ) -> ReviewedSegments:
        """``segments``: those of ours that are there, with their tags; ``current``: their bits (z, y, x).

        ``records``: the records that were unpacked last; no edit changes them.
        """
        texts, shape = {int(label): tag(RECORD_TAG) for label, tag in segments}, current.shape
        last = (records or LastAnswer()).to((texts, shape), lambda: LastWritten.of_texts(texts, shape))
        completed = {label for label, tag in segments if tag(STATUS_TAG) == COMPLETED}
        open_ones = [tag for label, tag in segments if label not in completed]
        sources = tuple(tag(SOURCE_TAG) for tag in open_ones or [tag for _label, tag in segments])
        present = tuple(one.label for one in SEGMENTS if one.label in texts)
        return cls(current, last, present, sum(map(bit, completed)), sources, time)

    @property
    def labels(self) -> np.ndarray:
        """uint8 :class:`Label` (z, y, x), made anew; infection counts before lung where segments overlap."""
        return to_labels(self.current)

    @property
    def absent(self) -> tuple[Label, ...]:
        """Labels of the segments that the reader took out."""
        return absent_labels(self.present)

    @property
    def held(self) -> int:
        """Bits of the segments that a new result must not change: completed, taken out, or without a record."""
        return self.completed | sum(map(bit, self.absent)) | (ALL & ~self.last.known)

    def count_edits(self) -> tuple[int, int]:
        """How many voxels the reader decided (:meth:`LastWritten.decided`), and the bits of the edited segments.

        A segment without a record counts as edited: it is the reader's as a whole.
        """
        voxels, edited = 0, ALL & ~self.last.known
        for k, plane in enumerate(self.current):
            decided = self.last.plane(k).decided(plane)
            voxels += int(np.count_nonzero(decided))
            edited |= int(np.bitwise_or.reduce(decided, axis=None))
        return voxels, edited

    @property
    def is_corrected(self) -> bool:
        """Whether a reader corrected or confirmed anything, or may have: a record may be lost."""
        return self.count_edits()[1] != 0

    def edited_percent(self, label: int = Label.INFECTION) -> float | None:
        """How much of a segment the reader changed: voxels added or taken away, as % of all that either drew.

        0 where neither reader nor network drew anything; None where the record is lost, so that it cannot be told.
        """
        if not self.last.known & bit(label):
            return None
        changed = either = 0
        for now, drawn in zip(self.current, self.last.drawn, strict=True):
            changed += int(np.count_nonzero((now ^ drawn) & bit(label)))
            either += int(np.count_nonzero((now | drawn) & bit(label)))
        return 100.0 * changed / either if either else 0.0

    def is_of_another_scan(self, *scans: str) -> bool:
        """Whether the tags say that the segments were made from other voxels than those of ``scans`` (SHA-256).

        A kind may stand before the SHA-256, as in :attr:`Provenance.volume`; without any scan nothing can be told.
        """
        known = {scan.split()[-1] for scan in scans if scan}
        return bool(known) and not {text.split()[-1] for text in self.sources if text and text.split()} <= known

    def is_of_scan(self, scan: str) -> bool:
        """Whether the tags of all segments say that they were made from the voxels of ``scan`` (SHA-256)."""
        return bool(self.sources) and all(text and text.split()[-1:] == [scan] for text in self.sources)

    def join(self, new: Segmentation, known: Collection[str] = ()) -> tuple[Merged, Segmentation]:
        """:func:`.merge.merge` of the network's result ``new``, and the labels that come of it.

        Those say who edited what; where the reader's segments overlap, infection counts before lung. ``known``: the
        SHA-256 that the scan had, too, before it was turned together with its segments: it is no other scan then.
        """
        merged = merge(self.current, self.last, new.labels, self.held)
        edited = merged.edited | (ALL & ~self.last.known)
        warnings = new.provenance.warnings
        if new.provenance.volume and self.is_of_another_scan(new.provenance.volume, *known):
            warnings += (
                _("The segmentation was made from another scan, or from this one before it changed: do the two match?"),
            )
        provenance = replace(
            new.provenance,
            edited=tuple(one.id for one in SEGMENTS if bit(one.label) & edited),
            kept_ml=merged.kept_voxels * new.grid.voxel_ml,
            warnings=warnings,
        )
        return merged, Segmentation(to_labels(merged.bits), new.affine, provenance, absent=self.absent)
