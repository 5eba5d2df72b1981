"""A ``.seg.nrrd`` that a reader may have worked on: read it, join it with a new result, write it again.

Names, colours, other tags and other segments of the file stay as the reader left them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..corrections.merge import RECORD_TAG, LastWritten, Merged, bit, joined, overlap, reader_voxels, to_labels
from ..corrections.reviewed_segments import FLAGGED, STATUS_TAG, ReviewedSegments
from ..errors import InputError
from ..geometry.grid import Grid, read_only
from ..reading.itk import unreadable
from ..reading.layers import read_layers
from ..reading.nrrd import read_nrrd
from ..segmentation import SEGMENTS, Segmentation, SegmentDefinition, our_ids
from ..system.atomic_files import output_errors
from ..words import in_ml
from .seg_nrrd import READERS_TAGS, FileSegment, reference_grid, segment_tags, write_layers

_OURS = {segment.id: segment for segment in SEGMENTS}
_SEGMENT_FIELD = re.compile(r"Segment(\d{1,9})_(\w+)")
_KEPT_FIELDS = re.compile(r"(?!Segment\d+_|Segmentation_|NRRD_|ITK_)")


@dataclass(frozen=True)
class ReviewedFile:
    """A segmentation from a file, on the ``grid`` of its scan, arrays (z, y, x).

    ``reviewed``: what a reader made of our segments; ``segments``: all of the file in their order; ``layers``: their
    voxels; ``more``: header fields that are not about segments; ``own_grid``: that of the file. The layers are views
    that cannot be written through.
    """

    grid: Grid
    reviewed: ReviewedSegments
    segments: tuple[FileSegment, ...]
    layers: tuple[np.ndarray, ...]
    more: dict[str, str]
    own_grid: Grid

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(map(read_only, self.layers)))

    @property
    def ours(self) -> tuple[SegmentDefinition, ...]:
        """Which of our segments the file has."""
        return tuple(one for one in SEGMENTS if one.label in self.reviewed.present)

    def without_voxels(self) -> ReviewedFile:
        """What :func:`write_reviewed` needs once the file was joined with a result: layers that are not ours alone."""
        nothing = np.zeros((0, 0, 0), np.uint8)
        others = {one.place[0] for one in self.segments if one.id not in _OURS}
        layers = tuple(layer if number in others else nothing for number, layer in enumerate(self.layers))
        last = LastWritten(nothing, nothing, self.reviewed.last.known)
        return replace(self, reviewed=replace(self.reviewed, current=nothing, last=last), layers=layers)

    @property
    def reader_ml(self) -> float:
        """How much a new result in the place of this file would destroy: what the reader changed, accepted or drew.

        A segment that is not ours, that is completed or whose record is lost counts as a whole.
        """
        whole, last = np.uint8(self.reviewed.held), self.reviewed.last
        others = [segment for segment in self.segments if segment.id not in _OURS]
        count = 0
        for k, plane in enumerate(self.reviewed.current):
            lost = reader_voxels(plane, last.plane(k)) | (plane & whole != 0)
            for segment in others:
                layer, value = segment.place
                lost |= self.layers[layer][k] == value
            count += int(np.count_nonzero(lost))
        return count * self.grid.voxel_ml

    def would_be_lost(self) -> list[str]:
        """What of a reader's work a new result in the place of this file would destroy, in words; empty for nothing."""
        volume, reviewed = self.reader_ml, self.reviewed
        words = [in_ml(volume)] if volume else []
        for segment in self.segments:
            if segment.id in _OURS:
                definition = _OURS[segment.id]
                words += [f"the {what} of {definition.name}" for what in _readers_marks(definition, segment)]
        if volume:  # what follows is counted in it, unless it is empty
            return words
        words += [f"the mark of {one.name} as completed" for one in self.ours if reviewed.completed & bit(one.label)]
        words += [f"the removal of {one.name}" for one in SEGMENTS if one.label in reviewed.absent]
        unknown = [one.name for one in self.ours if not reviewed.last.known & bit(one.label)]
        words += [f"an empty {name} that a reader may have emptied" for name in unknown]
        return words + ["a segment that is not CovidSeg's"] * any(one.id not in _OURS for one in self.segments)


def read_reviewed(path: Path, grid: Grid | None) -> ReviewedFile:
    """The segmentation in ``path`` on the ``grid`` of its scan; None for the grid that the file tells.

    Raises InputError when it is no segmentation file, or belongs to another scan (its voxels are not voxels of the
    grid, or lie outside of it).
    """
    found = read_layers(path, _check_segments)
    grid = grid or reference_grid(found.pairs, found.grid)
    layers = tuple(grid.bring(layer, found.grid.affine) for layer in found.layers)
    segments = _under_our_ids(_segments(found.pairs))
    ours = [(_OURS[one.id].label, one) for one in segments if one.id in _OURS]
    bits = joined(((label, layers[one.place[0]] == one.place[1]) for label, one in ours), grid.shape)
    reviewed = ReviewedSegments.of_tags(bits, [(label, one.tags.get) for label, one in ours])
    more = {key: value for key, value in found.pairs.items() if _KEPT_FIELDS.match(key)}
    return ReviewedFile(grid, reviewed, segments, layers, more, found.grid)


def segments_in(path: Path) -> tuple[FileSegment, ...]:
    """The segments of the file ``path``, as its header tells of them; ours under our ids. No voxel is read.

    Raises InputError when it is no segmentation file, or shorter than its header says, and OSError.
    """
    image = read_nrrd(path)
    image.check()
    _check_segments(image.pairs, image.layers)
    return _under_our_ids(_segments(image.pairs))


def write_reviewed(file: ReviewedFile, merged: Merged, result: Segmentation, path: Path) -> None:
    """Write ``file`` with what :meth:`ReviewedSegments.join` made of it to ``path``. Raises OutputError."""
    ours = file.ours or SEGMENTS
    layers, layer_of = _own_layers(merged.bits)
    segments, moved = [], {}
    for segment in file.segments:
        if segment.id in _OURS:
            definition = _OURS[segment.id]
            is_held = bit(definition.label) & file.reviewed.held
            tags = {} if is_held else _new_tags(segment, definition, merged, result)
            segments.append(segment.with_tags(tags).at(layer_of[definition.label], int(definition.label)))
            continue
        layer, value = segment.place
        if layer not in moved:
            moved[layer] = len(layers)
            layers.append(_only(file, layer))
        segments.append(segment.at(moved[layer], value))
    for definition in ours:
        if definition not in file.ours:
            fresh = FileSegment.of(definition, {})
            segments.append(fresh.with_tags(_new_tags(fresh, definition, merged, result)))
    kind = np.result_type(*layers)
    whole = [layer.astype(kind, copy=False) for layer in layers]
    with output_errors():
        write_layers(whole, file.grid.affine, segments, path, file.more)


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


def _only(file: ReviewedFile, layer: int) -> np.ndarray:
    """A layer of the file with nothing but the segments that are not ours."""
    values = [one.place[1] for one in file.segments if one.id not in _OURS and one.place[0] == layer]
    content = file.layers[layer]
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
