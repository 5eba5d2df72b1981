"""A ``.seg.nrrd`` that a reader may have worked on: read it, join it with a new result, write it again.

Names, colours, other tags and other segments of the file stay as the reader left them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..corrections.merge import (
    ALL,
    RECORD_TAG,
    LastWritten,
    Merged,
    bit,
    joined,
    merged_result,
    overlap,
    reader_voxels,
    to_labels,
)
from ..errors import InputError
from ..geometry.grid import Grid, read_only
from ..reading.itk import unreadable
from ..reading.layers import read_layers
from ..segmentation import SEGMENTS, Label, Segmentation, SegmentDefinition, absent_labels, our_ids
from ..system.atomic_files import output_errors
from ..words import in_ml
from .seg_nrrd import (
    READERS_TAGS,
    SOURCE_TAG,
    STATUS_TAG,
    FileSegment,
    reference_grid,
    segment_tags,
    source_warnings,
    write_layers,
)

COMPLETED, FLAGGED = "completed", "flagged"
"""The statuses that mean: do not touch this any more; somebody should look at this."""

_OURS = {segment.id: segment for segment in SEGMENTS}
_SEGMENT_FIELD = re.compile(r"Segment(\d{1,9})_(\w+)")
_KEPT_FIELDS = re.compile(r"(?!Segment\d+_|Segmentation_|NRRD_|ITK_)")


@dataclass(frozen=True)
class Reviewed:
    """A segmentation from a file, on the ``grid`` of its scan, arrays (z, y, x).

    ``current``: bits of our segments (see corrections.py); ``last``: their records; ``segments``: all in their order;
    ``layers``: their voxels; ``more``: header fields that are not about segments; ``own_grid``: that
    of the file. The arrays are views that cannot be written through.
    """

    grid: Grid
    current: np.ndarray
    last: LastWritten
    segments: tuple[FileSegment, ...]
    layers: tuple[np.ndarray, ...]
    more: dict[str, str]
    own_grid: Grid

    def __post_init__(self) -> None:
        object.__setattr__(self, "current", read_only(self.current))
        object.__setattr__(self, "layers", tuple(map(read_only, self.layers)))

    @property
    def ours(self) -> tuple[SegmentDefinition, ...]:
        """Which of our segments the file has."""
        ids = {segment.id for segment in self.segments}
        return tuple(definition for definition in SEGMENTS if definition.id in ids)

    @property
    def absent(self) -> tuple[Label, ...]:
        """Labels of those that the reader took out."""
        return absent_labels([definition.label for definition in self.ours])

    @property
    def held(self) -> int:
        """Bits of segments that must not change: completed, or taken out by the reader."""
        bits = sum(bit(_OURS[segment.id].label) for segment in self.segments if _is_completed(segment))
        return bits | sum(bit(label) for label in self.absent)

    @property
    def sources(self) -> list[str | None]:
        """The scans that our segments are tagged with; completed ones count only where there are no others.

        What is completed keeps its tags when the rest is brought up to date.
        """
        ours = [segment for segment in self.segments if segment.id in _OURS]
        return [one.tags.get(SOURCE_TAG) for one in [one for one in ours if not _is_completed(one)] or ours]

    def is_of_another_scan(self, fingerprint: str) -> bool:
        """Whether the file tells that it was made from other voxels than those with this SHA-256."""
        return bool(source_warnings(self.sources, fingerprint))

    def without_voxels(self) -> Reviewed:
        """What :func:`write_reviewed` needs after :func:`update`: arrays of segments that are not ours alone."""
        nothing = np.zeros((0, 0, 0), np.uint8)
        others = {one.place[0] for one in self.segments if one.id not in _OURS}
        layers = tuple(layer if number in others else nothing for number, layer in enumerate(self.layers))
        return replace(self, current=nothing, last=LastWritten(nothing, nothing, self.last.known), layers=layers)

    @property
    def reader_ml(self) -> float:
        """How much a new result in the place of this file would destroy: what the reader changed, accepted or drew.

        A segment that is not ours, that is completed or whose record is lost counts as a whole.
        """
        whole = np.uint8(ALL & ~self.last.known) | np.uint8(self.held)
        others = [segment for segment in self.segments if segment.id not in _OURS]
        count = 0
        for k, plane in enumerate(self.current):
            lost = reader_voxels(plane, self.last.plane(k)) | (plane & whole != 0)
            for segment in others:
                layer, value = segment.place
                lost |= self.layers[layer][k] == value
            count += int(np.count_nonzero(lost))
        return count * self.grid.voxel_ml

    def would_be_lost(self) -> list[str]:
        """What of a reader's work a new result in the place of this file would destroy, in words; empty for nothing."""
        volume = self.reader_ml
        words = [in_ml(volume)] if volume else []
        ours = [(_OURS[one.id], one) for one in self.segments if one.id in _OURS]
        for definition, segment in ours:
            words += [f"the {what} of {definition.name}" for what in _readers_marks(definition, segment)]
        if volume:  # what follows is counted in it, unless it is empty
            return words
        words += [f"the mark of {one.name} as completed" for one, segment in ours if _is_completed(segment)]
        words += [f"the removal of {one.name}" for one in SEGMENTS if ours and one not in self.ours]
        unknown = [one.name for one in self.ours if not self.last.known & bit(one.label)]
        words += [f"an empty {name} that a reader may have emptied" for name in unknown]
        return words + ["a segment that is not CovidSeg's"] * any(one.id not in _OURS for one in self.segments)


def read_reviewed(path: Path, grid: Grid | None) -> Reviewed:
    """The segmentation in ``path`` on the ``grid`` of its scan; None for the grid that the file tells.

    Raises InputError when it is no segmentation file, or belongs to another scan (its voxels are not voxels of the
    grid, or lie outside of it).
    """
    found = read_layers(path, _check_segments)
    grid = grid or reference_grid(found.pairs, found.grid)
    layers = tuple(grid.bring(layer, found.grid.affine) for layer in found.layers)
    segments = _under_our_ids(_segments(found.pairs))
    drawn = [(_OURS[one.id].label, layers[one.place[0]] == one.place[1]) for one in segments if one.id in _OURS]
    texts: dict[int, str | None] = {
        _OURS[one.id].label: one.tags.get(RECORD_TAG) for one in segments if one.id in _OURS
    }
    last = LastWritten.of_texts(texts, grid.shape)
    more = {key: value for key, value in found.pairs.items() if _KEPT_FIELDS.match(key)}
    return Reviewed(grid, joined(drawn, grid.shape), last, segments, layers, more, found.grid)


def update(reviewed: Reviewed, new: Segmentation) -> tuple[Merged, Segmentation]:
    """Join ``new`` with a reader's file (:func:`corrections.merge.merged_result`); the file keeps overlaps."""
    warnings = source_warnings(reviewed.sources, new.provenance.volume)
    return merged_result(new, reviewed.current, reviewed.last, reviewed.held, reviewed.absent, warnings)


def write_reviewed(reviewed: Reviewed, merged: Merged, result: Segmentation, path: Path) -> None:
    """Write the file of ``reviewed`` with what :func:`update` made of it to ``path``. Raises OutputError."""
    ours = reviewed.ours or SEGMENTS
    frozen = reviewed.held | (ALL & ~merged.last.known)
    layers, layer_of = _own_layers(merged.bits)
    segments, moved = [], {}
    for segment in reviewed.segments:
        if segment.id in _OURS:
            definition = _OURS[segment.id]
            tags = {} if bit(definition.label) & frozen else _new_tags(segment, definition, merged, result)
            segments.append(segment.with_tags(tags).at(layer_of[definition.label], int(definition.label)))
            continue
        layer, value = segment.place
        if layer not in moved:
            moved[layer] = len(layers)
            layers.append(_only(reviewed, layer))
        segments.append(segment.at(moved[layer], value))
    for definition in ours:
        if definition not in reviewed.ours:
            fresh = FileSegment.of(definition, {})
            segments.append(fresh.with_tags(_new_tags(fresh, definition, merged, result)))
    kind = np.result_type(*layers)
    whole = [layer.astype(kind, copy=False) for layer in layers]
    with output_errors():
        write_layers(whole, reviewed.grid.affine, segments, path, reviewed.more)


def _new_tags(
    segment: FileSegment, definition: SegmentDefinition, merged: Merged, result: Segmentation
) -> dict[str, str]:
    """Where the voxels come from now; what is the reader's to say stays."""
    tags = segment_tags(definition, result.provenance)
    tags = {key: value for key, value in tags.items() if key not in READERS_TAGS or key not in segment.tags}
    return {**tags, RECORD_TAG: merged.last.text(definition.label)}


def _own_layers(bits: np.ndarray) -> tuple[list[np.ndarray], dict[int, int]]:
    """Our segments as one layer, or as one each where they overlap; and which label is in which."""
    labels = [int(segment.label) for segment in SEGMENTS]
    if not overlap(bits, labels):
        return [to_labels(bits)], dict.fromkeys(labels, 0)
    layers = [np.where(bits & bit(label), np.uint8(label), np.uint8(0)) for label in labels]
    return layers, {label: number for number, label in enumerate(labels)}


def _only(reviewed: Reviewed, layer: int) -> np.ndarray:
    """A layer of the file with nothing but the segments that are not ours."""
    values = [one.place[1] for one in reviewed.segments if one.id not in _OURS and one.place[0] == layer]
    content = reviewed.layers[layer]
    return np.where(np.isin(content, values), content, 0).astype(content.dtype)


def _readers_marks(definition: SegmentDefinition, segment: FileSegment) -> list[str]:
    """What a reader changed in one of our segments that is no voxel."""
    marks = ["new name"] if segment.fields.get("Name") != definition.name else []
    try:
        color = [float(channel) for channel in segment.fields.get("Color", "").split()]
    except ValueError:
        color = []
    if color and (len(color) != len(definition.color) or not np.allclose(color, definition.color, atol=0.01)):
        marks.append("new colour")
    if segment.tags.get("TerminologyEntry", definition.terminology) != definition.terminology:
        marks.append("new codes")
    return marks + ["flag"] * (segment.tags.get(STATUS_TAG) == FLAGGED)


def _is_completed(segment: FileSegment) -> bool:
    return segment.id in _OURS and segment.tags.get(STATUS_TAG) == COMPLETED


def _segments(fields: Mapping[str, str]) -> tuple[FileSegment, ...]:
    found: dict[int, dict[str, str]] = {}
    for key, value in fields.items():
        match = _SEGMENT_FIELD.fullmatch(key)
        if match:
            found.setdefault(int(match[1]), {})[match[2]] = value
    return tuple(FileSegment(found[number]) for number in sorted(found))


def _under_our_ids(segments: tuple[FileSegment, ...]) -> tuple[FileSegment, ...]:
    """The same with our ids where ours are told by their codes: of a DICOM SEG that Slicer loaded, under ids of chance.

    They have no record, so all in them is the reader's.
    """
    told = our_ids((one.id, one.tags.get("TerminologyEntry", "")) for one in segments)
    ids = {told[definition.label]: definition.id for definition in SEGMENTS if definition.label in told}
    return tuple(FileSegment({**one.fields, "ID": ids.get(one.id, one.id)}) for one in segments)


def _check_segments(fields: Mapping[str, str], layers: int) -> None:
    """Raise InputError unless a header says of which segments its ``layers`` are made."""
    segments = _segments(fields)
    try:
        places = [segment.place for segment in segments]
    except ValueError:
        raise unreadable() from None
    if not segments or not all(0 <= layer < layers and value for layer, value in places):
        raise InputError(
            "The file is no segmentation: its header does not say what its voxels mean.",
            "Save it from Slicer's Segmentations module again, as .seg.nrrd.",
        )
