"""What a segmentation node holds, what the reader did to it, and a new result joined with that.

A thin part around :mod:`CovidSegLib.corrections.reviewed_segments`, which does the merging.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..corrections.merge import RECORD_TAG, LastWritten, Merged, bit
from ..corrections.reviewed_segments import SOURCE_TAG, ReviewedSegments
from ..errors import InputError
from ..i18n import tr as _
from ..segmentation import SEGMENTS, Label, Segmentation
from ..system.last_answer import LastAnswer
from .covidseg_segments import ids_in, parts_in, tag
from .segment_voxels import LABELMAP, bits_of, is_inside, mask_of
from .volumes import (
    check_same_grid,
    own_affine,
    possible_orders,
    reference_grid,
    scan_of,
    under_same_transform,
)

if TYPE_CHECKING:
    import slicer

    from ..geometry.volume import CtVolume

ALGORITHM_TAG, AUTOMATIC, SEMIAUTOMATIC = "DICOM.SegmentAlgorithmType", "AUTOMATIC", "SEMIAUTOMATIC"
_NOT_OURS = _("The chosen segmentation belongs to another scan.")
_CHOOSE = _("Choose another one, or let CovidSeg create a new one.")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}$")


def read_state(
    node: slicer.vtkMRMLSegmentationNode | None,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    records: LastAnswer[LastWritten] | None = None,
) -> ReviewedSegments:
    """The segments of ``node`` (None: of an empty one) as they are now, on the grid of its volume.

    ``records``: the records that were unpacked last; no edit changes them. Raises InputError when the segments lie on
    another grid.
    """
    shape = volume_node.GetImageData().GetDimensions()[::-1]
    if node is None:
        return ReviewedSegments(np.zeros(shape, np.uint8), LastWritten.nothing(shape))
    parts = parts_in(node)
    _check_voxels(node)
    try:
        current = bits_of(parts, volume_node, shape)
    except InputError:
        raise _on_another_grid(node, volume_node, scan_of(node) is volume_node) from None
    tags = [(label, partial(tag, part)) for label, part in parts.items()]
    return ReviewedSegments.of_tags(current, tags, records, modified_time(node))


def fingerprints_of(node: slicer.vtkMRMLSegmentationNode) -> set[str]:
    """Those of the scans that our segments were made from, as far as their tags tell."""
    texts = [tag(part, SOURCE_TAG) or "" for part in parts_in(node).values()]
    return {match.group() for match in map(_FINGERPRINT.search, texts) if match}


def fingerprints_so_far(
    volume: CtVolume, volume_node: slicer.vtkMRMLScalarVolumeNode, recorded: set[str]
) -> frozenset[str]:
    """The fingerprints that the scan, read as ``volume``, may have had, as many as it takes to find ``recorded``."""
    found: set[str] = set()
    for order in dict.fromkeys(possible_orders(volume_node)):
        if recorded <= found:
            break
        found.add(volume.fingerprint_in(order))
    return frozenset(found)


def check_belongs(
    node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLScalarVolumeNode, fingerprints: frozenset[str]
) -> None:
    """Raise InputError where our segments were made from another scan, or do not lie on the voxels of this one.

    ``fingerprints``: those that the voxels of ``volume_node`` may have; not looked at where the segments have no
    record of their scan.
    """
    recorded = fingerprints_of(node)
    if recorded - fingerprints:
        raise InputError(
            _("The chosen segmentation was made from another scan, or from this one before it changed."), _CHOOSE
        )
    _check_voxels(node)
    shape = volume_node.GetImageData().GetDimensions()[::-1]
    try:
        for part in parts_in(node).values():
            if not is_inside(part, volume_node):
                mask_of(part, volume_node, shape)
    except InputError:
        same_scan = bool(recorded) or scan_of(node) is volume_node
        raise _on_another_grid(node, volume_node, same_scan) from None


def check_same_place(node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Raise InputError where a transform has moved the segments away from their scan, or the scan from them."""
    if not under_same_transform(node, volume_node):
        raise InputError(
            _("The scan and its segmentation are under different transforms, so there are no numbers."),
            _("Put both under the same one."),
        )


@dataclass(frozen=True)
class Update:
    """A new result joined with a node's segments, not written yet.

    ``result``: the labels that the segments will have, with who edited what in its provenance; ``open_labels``: the
    segments that will be written; ``untouched``: names of those that will not.
    """

    node: slicer.vtkMRMLSegmentationNode | None
    reviewed: ReviewedSegments
    merged: Merged
    result: Segmentation

    @property
    def open_labels(self) -> tuple[int, ...]:
        """Labels of the segments that may change."""
        return tuple(int(one.label) for one in SEGMENTS if not self.reviewed.held & bit(one.label))

    @property
    def untouched(self) -> tuple[str, ...]:
        """Names of the segments that stay as they are."""
        return tuple(one.name for one in SEGMENTS if self.reviewed.held & bit(one.label))

    def is_current(self) -> bool:
        """Whether the node is as it was when this was made."""
        return self.node is None or modified_time(self.node) == self.reviewed.time


def plan_update(
    segmentation: Segmentation,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    node: slicer.vtkMRMLSegmentationNode | None,
    known: Collection[str] = (),
) -> Update:
    """Join ``segmentation`` with what the reader made of ``node`` (None: a new one); the scene does not change.

    ``known``: fingerprints that the scan had before it was turned together with the node: it is no other scan then.
    Raises InputError when the node's segments lie on another grid, or when the volume was changed or moved since
    ``segmentation`` was made from it.
    """
    check_same_grid(segmentation, volume_node)
    reviewed = read_state(node, volume_node)
    return Update(node, reviewed, *reviewed.join(segmentation, known))


def mark_edited(node: slicer.vtkMRMLSegmentationNode, reviewed: ReviewedSegments) -> bool:
    """Let the segments that a reader edited say so in DICOM's words; returns whether a tag changed.

    Not to be called while Slicer restores an earlier state: a tag that is set takes its Redo away.
    """
    parts = ((bit(label), part) for label, part in parts_in(node).items())
    automatic = [(own, part) for own, part in parts if tag(part, ALGORITHM_TAG) == AUTOMATIC]
    edited = reviewed.count_edits()[1] if automatic else 0
    changed = [part for own, part in automatic if edited & own]
    for part in changed:
        part.SetTag(ALGORITHM_TAG, SEMIAUTOMATIC)
    return bool(changed)


def set_record(node: slicer.vtkMRMLSegmentationNode, last: LastWritten, label: int) -> None:
    """Keep the record of one of our segments with it."""
    parts_in(node)[Label(label)].SetTag(RECORD_TAG, last.text(label))


def infection_id(node: slicer.vtkMRMLSegmentationNode) -> str:
    """The id of the infection segment; "" where there is none."""
    return ids_in(node).get(Label.INFECTION, "")


def modified_time(node: slicer.vtkMRMLSegmentationNode) -> int:
    """Grows with every change of the segments, also of their voxels."""
    content = node.GetSegmentation()
    parts = [content.GetNthSegment(number) for number in range(content.GetNumberOfSegments())]
    images = [part.GetRepresentation(LABELMAP) for part in parts]
    return max(content.GetMTime(), *(part.GetMTime() for part in (*parts, *images) if part is not None), 0)


def _check_voxels(node: slicer.vtkMRMLSegmentationNode) -> None:
    content = node.GetSegmentation()
    if content.GetNumberOfSegments() and content.GetSourceRepresentationName() != LABELMAP:
        raise InputError(_("The chosen segmentation is made of surfaces, not of voxels."), _CHOOSE)


def _on_another_grid(
    node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLScalarVolumeNode, same_scan: bool
) -> InputError:
    """Why voxels of segments are no voxels of the scan; ``same_scan``: it is known that they were once."""
    if not same_scan:
        return InputError(_NOT_OURS, _CHOOSE)
    if _has_same_sizes(node, volume_node):  # Specify geometry would leave the masks beside the lungs
        return InputError(
            _("The scan and the chosen segmentation were moved against each other."),
            _(
                "Move the scan back, or the segmentation along: put it under the transform that moved the scan, and "
                "harden that in the module Data (right click on the segmentation)."
            ),
        )
    return InputError(
        _("The grid of the chosen segmentation was changed and is no longer that of the scan."),
        _("Set it back in the Segment Editor with Specify geometry: choose the scan as source, oversampling 1."),
    )


def _has_same_sizes(node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Whether the grid of the segmentation has as many voxels as the scan along each axis, and of the same mm."""
    grid = reference_grid(node.GetSegmentation())
    if grid is None or grid.shape != volume_node.GetImageData().GetDimensions()[::-1]:
        return False
    scans = np.linalg.norm(own_affine(volume_node)[:3, :3], axis=0)
    return np.allclose(grid.spacing, scans, rtol=1e-4, atol=0)
