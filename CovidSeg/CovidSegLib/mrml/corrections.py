"""What a segmentation node holds, what the reader did to it, and a new result joined with that.

A thin part around :mod:`CovidSegLib.corrections`, which does the merging.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..corrections import ALL, RECORD_TAG, LastWritten, Merged, bit, joined, merge, to_labels
from ..errors import InputError
from ..i18n import tr as _
from ..segmentation import SEGMENTS, Label, Segmentation
from ..volume import voxel_ml
from ..writing import SOURCE_TAG, on_grid, source_warnings
from .volumes import check_same_grid

if TYPE_CHECKING:
    import slicer

ALGORITHM_TAG, AUTOMATIC, SEMIAUTOMATIC = "DICOM.SegmentAlgorithmType", "AUTOMATIC", "SEMIAUTOMATIC"
_LABELMAP = "Binary labelmap"
_NOT_OURS = _("The chosen segmentation belongs to another scan.")
_CHOOSE = _("Choose another one, or let CovidSeg create a new one.")


@dataclass(frozen=True)
class NodeState:
    """The segments of a node on the grid of its volume, as they are now.

    ``current``: bits (z, y, x), ``last``: their records (see :mod:`CovidSegLib.corrections`). ``present``: labels of
    our segments that are there. ``completed``: bits of those that the reader marked so. ``time``: when it was read.
    ``sources``: the scans that those not completed were made from, as their tags say.
    """

    current: np.ndarray
    last: LastWritten
    present: tuple[int, ...]
    completed: int
    time: int
    sources: tuple[str | None, ...] = ()

    @property
    def removed(self) -> int:
        """Bits of the segments that the reader took out."""
        return ALL & ~sum(bit(label) for label in self.present) if self.present else 0

    @property
    def held(self) -> int:
        """Bits of the segments that a new result must not change."""
        return self.completed | self.removed | (ALL & ~self.last.known)


def read_state(node: slicer.vtkMRMLSegmentationNode | None, volume_node: slicer.vtkMRMLScalarVolumeNode) -> NodeState:
    """The state of ``node`` (None: an empty one). Raises InputError when its segments lie on another grid."""
    shape = volume_node.GetImageData().GetDimensions()[::-1]
    if node is None:
        return NodeState(np.zeros(shape, np.uint8), LastWritten.nothing(shape), (), 0, 0)
    content = node.GetSegmentation()
    ours = [one for one in SEGMENTS if content.GetSegment(one.id) is not None]
    if content.GetNumberOfSegments() and content.GetSourceRepresentationName() != _LABELMAP:
        raise InputError(_("The chosen segmentation is made of surfaces, not of voxels."), _CHOOSE)
    texts = {int(one.label): tag(content.GetSegment(one.id), RECORD_TAG) for one in ours}
    masks = [(int(one.label), _mask(content.GetSegment(one.id), volume_node, shape)) for one in ours]
    last = LastWritten.of_texts(texts, shape) if ours else LastWritten.nothing(shape)
    known = last.known | (ALL & ~sum(bit(label) for label in texts))
    completed = sum(bit(one.label) for one in ours if is_completed(content.GetSegment(one.id)))
    return NodeState(
        joined(masks, shape),
        LastWritten(last.drawn, last.agreed, known),
        tuple(texts),
        completed,
        modified_time(node),
        tuple(tag(content.GetSegment(one.id), SOURCE_TAG) for one in ours if not completed & bit(one.label)),
    )


@dataclass(frozen=True)
class Update:
    """A new result joined with a node's segments, not written yet.

    ``result``: the labels that the segments will have, with who edited what in its provenance; ``open_labels``: the
    segments that will be written; ``untouched``: names of those that will not.
    """

    node: slicer.vtkMRMLSegmentationNode | None
    state: NodeState
    merged: Merged
    result: Segmentation

    @property
    def open_labels(self) -> tuple[int, ...]:
        """Labels of the segments that may change."""
        return tuple(int(one.label) for one in SEGMENTS if not self.state.held & bit(one.label))

    @property
    def untouched(self) -> tuple[str, ...]:
        """Names of the segments that stay as they are."""
        return tuple(one.name for one in SEGMENTS if self.state.held & bit(one.label))

    def is_current(self) -> bool:
        """Whether the node is as it was when this was made."""
        return self.node is None or modified_time(self.node) == self.state.time


def plan_update(
    segmentation: Segmentation,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    node: slicer.vtkMRMLSegmentationNode | None,
) -> Update:
    """Join ``segmentation`` with what the reader made of ``node`` (None: a new one); the scene does not change.

    Raises InputError when the node's segments lie on another grid, or when the volume was changed or moved since
    ``segmentation`` was made from it.
    """
    check_same_grid(segmentation, volume_node)
    state = read_state(node, volume_node)
    merged = merge(state.current, state.last, segmentation.labels, state.held)
    unknown = ALL & ~merged.last.known
    edited = tuple(one.id for one in SEGMENTS if bit(one.label) & (merged.edited | unknown))
    kept_ml = merged.kept_voxels * voxel_ml(segmentation.affine)
    warnings = (*segmentation.provenance.warnings, *source_warnings(state.sources, segmentation.provenance.volume))
    provenance = replace(segmentation.provenance, edited=edited, kept_ml=kept_ml, warnings=warnings)
    return Update(node, state, merged, Segmentation(to_labels(merged.bits), segmentation.affine, provenance))


def mark_edited(node: slicer.vtkMRMLSegmentationNode, state: NodeState) -> bool:
    """Let the segments that a reader edited say so in DICOM's words; returns whether a tag changed.

    Not to be called while Slicer restores an earlier state: a tag that is set takes its Redo away.
    """
    changed = False
    for one in SEGMENTS:
        segment = node.GetSegmentation().GetSegment(one.id)
        if segment is None or tag(segment, ALGORITHM_TAG) != AUTOMATIC:
            continue
        differs = ((state.current ^ state.last.drawn) | state.last.agreed) & np.uint8(bit(one.label))
        if not state.last.known & bit(one.label) or differs.any():
            segment.SetTag(ALGORITHM_TAG, SEMIAUTOMATIC)
            changed = True
    return changed


def set_record(node: slicer.vtkMRMLSegmentationNode, last: LastWritten, label: int) -> None:
    """Keep the record of one of our segments with it."""
    (one,) = (one for one in SEGMENTS if one.label == label)
    node.GetSegmentation().GetSegment(one.id).SetTag(RECORD_TAG, last.text(label))


def infection_id() -> str:
    """The id of the infection segment."""
    return next(one.id for one in SEGMENTS if one.label == Label.INFECTION)


def tag(segment: slicer.vtkSegment, key: str) -> str | None:
    """The value of a segment's tag, or None."""
    import vtk

    value = vtk.reference("")
    return str(value) if segment.GetTag(key, value) else None


def is_completed(segment: slicer.vtkSegment) -> bool:
    """Whether the reader marked the segment as completed (the flag in the Segment Editor's list)."""
    import slicer

    logic = slicer.vtkSlicerSegmentationsModuleLogic
    return logic.GetSegmentStatus(segment) == logic.Completed


def modified_time(node: slicer.vtkMRMLSegmentationNode) -> int:
    """Grows with every change of the segments, also of their voxels."""
    content = node.GetSegmentation()
    parts = [content.GetNthSegment(number) for number in range(content.GetNumberOfSegments())]
    images = [part.GetRepresentation(_LABELMAP) for part in parts]
    return max(content.GetMTime(), *(part.GetMTime() for part in (*parts, *images) if part is not None), 0)


def _mask(
    segment: slicer.vtkSegment, volume_node: slicer.vtkMRMLScalarVolumeNode, shape: tuple[int, int, int]
) -> np.ndarray:
    """A segment's voxels (bool, z, y, x) on the grid of ``volume_node``; both stand under the same transform."""
    import slicer
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    image = segment.GetRepresentation(_LABELMAP)
    if image is None or image.GetNumberOfPoints() == 0:
        return np.zeros(shape, bool)
    values = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    matrix, volume_matrix = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    volume_node.GetIJKToRASMatrix(volume_matrix)
    own = slicer.util.arrayFromVTKMatrix(matrix)
    first = np.eye(4)
    first[:3, 3] = image.GetExtent()[::2]
    try:
        return on_grid(
            values == segment.GetLabelValue(), own @ first, slicer.util.arrayFromVTKMatrix(volume_matrix), shape
        )
    except InputError:
        raise InputError(_NOT_OURS, _CHOOSE) from None
