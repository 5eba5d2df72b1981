"""How far a reader's corrections went: what was added to each segment and taken from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..corrections.merge import ALL, LastWritten, to_labels
from ..segmentation import SEGMENTS
from .values import Ml


@dataclass(frozen=True)
class SegmentEdit:
    """What a reader changed in the segment called ``name``, in mL. Changes elsewhere do not cancel each other out."""

    name: str
    added_ml: Ml
    removed_ml: Ml


def recorded_edits(labels: np.ndarray, last: LastWritten, voxel_ml: float) -> tuple[SegmentEdit, ...] | None:
    """:func:`reader_edits` by the record of what the network wrote; None where that of a segment is lost."""
    return reader_edits(labels, to_labels(last.drawn), voxel_ml) if last.known == ALL else None


def reader_edits(labels: np.ndarray, network: np.ndarray, voxel_ml: float) -> tuple[SegmentEdit, ...]:
    """Compare the labels as they are (uint8, any shape) with what the network wrote, segment by segment."""
    edits = []
    for segment in SEGMENTS:
        now, before = labels == segment.label, network == segment.label
        added, removed = np.count_nonzero(now & ~before), np.count_nonzero(before & ~now)
        edits.append(SegmentEdit(segment.name, added * voxel_ml, removed * voxel_ml))
    return tuple(edits)
