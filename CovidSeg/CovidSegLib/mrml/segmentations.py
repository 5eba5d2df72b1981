"""A :class:`CovidSegLib.segmentation.Segmentation` as segments in Slicer's scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..corrections.merge import ALL, RECORD_TAG, bit, overlap, to_labels
from ..errors import InputError
from ..i18n import tr as _
from ..segfiles import READERS_TAGS, segment_tags
from ..segmentation import SEGMENTS, Label, Segmentation
from .covidseg_segments import ids_in, parts_in
from .scene_corrections import Update, plan_update
from .segment_display import surfaces_kept
from .volumes import check_same_grid

if TYPE_CHECKING:
    import slicer

LUNG_OPACITY_3D = 0.3
"""Lungs are seen through in 3-D, so that the infection inside is seen."""

_SCALARS = "ImageScalars"
"""What Slicer calls the voxels of a segment. Its DICOM SEG export takes a segment whose voxels have no such name for
an empty one."""


def add_segmentation(
    scene: slicer.vtkMRMLScene,
    segmentation: Segmentation,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    name: str,
    update: Update | None = None,
    before_write: Callable[[slicer.vtkMRMLSegmentationNode], None] = lambda node: None,
) -> slicer.vtkMRMLSegmentationNode:
    """Add a segmentation node called ``name`` and write ``segmentation`` into it; see :func:`write_segmentation`.

    ``update``: its join with nothing, if that was made before; ``before_write`` is called with the node while it is
    empty. When this fails the scene is as it was before.
    """
    check_same_grid(segmentation, volume_node)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    try:
        write_segmentation(segmentation, volume_node, node, update, before_write)
    except BaseException:
        scene.RemoveNode(node)
        raise
    return node


def write_segmentation(
    segmentation: Segmentation,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    node: slicer.vtkMRMLSegmentationNode,
    update: Update | None = None,
    before_write: Callable[[slicer.vtkMRMLSegmentationNode], None] = lambda node: None,
) -> Update:
    """Put all three segments (also empty ones) into ``node``, on the grid of ``volume_node``.

    The only place where a result enters the scene. What a reader changed in our segments stays, segments that are
    completed, that the reader took out or that are not ours stay as they are (:mod:`.scene_corrections`).
    ``update``: the join of ``segmentation`` and ``node`` if it was made before; what is returned is another one
    when the node has changed since. ``before_write`` is called with the node when all checks are passed and nothing
    is changed yet: the place for an undo point. The node comes under the volume's parent transform and beside it in
    the subject hierarchy. Raises InputError when the volume was changed or moved since ``segmentation`` was made
    from it, when ``node`` belongs to another scan, or when it is under a transform of its own (the segments would
    move).
    """
    import slicer

    check_same_grid(segmentation, volume_node)
    check_same_transform(volume_node, node)
    if update is None or not _was_made_for(update, node):
        update = plan_update(segmentation, volume_node, node)
    before_write(node)
    with slicer.util.NodeModify(node), surfaces_kept(node):
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        # The transform first: the reference geometry is stored relative to the node's own, and Slicer would apply a
        # transform that the two nodes do not share twice.
        node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
        replace_voxels(node, volume_node, update.merged.bits, update.open_labels)
        _describe(node, update)
    place_beside(node, volume_node)
    return update


def _was_made_for(update: Update, node: slicer.vtkMRMLSegmentationNode) -> bool:
    """Whether ``update`` was made from ``node`` as it is, or from nothing and ``node`` is empty."""
    if update.node is None:
        return node.GetSegmentation().GetNumberOfSegments() == 0
    return update.node is node and update.is_current()


def check_same_transform(volume_node: slicer.vtkMRMLScalarVolumeNode, node: slicer.vtkMRMLSegmentationNode) -> None:
    """Raise InputError where segments would be moved that are not ours, or a reader's own transform be taken away."""
    ours = set(ids_in(node).values())
    ids = set(node.GetSegmentation().GetSegmentIDs())
    own = node.GetTransformNodeID()
    if own != volume_node.GetTransformNodeID() and (ids - ours or (ids and own)):
        raise InputError(
            _("The chosen segmentation is under another transform than the scan."),
            _("Put both under the same one, choose another segmentation, or let CovidSeg create a new one."),
        )


def replace_voxels(
    node: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    bits: np.ndarray,
    labels: tuple[int, ...],
) -> None:
    """Give the segments of ``labels`` the voxels that ``bits`` (z, y, x; :mod:`corrections.merge`) has for them.

    They share a layer, unless a reader let them overlap. Other segments, names, colours and tags stay.
    """
    groups = [(label,) for label in labels] if overlap(bits, labels) else [labels] * bool(labels)
    for group in groups:
        _import(node, volume_node, bits, group)


def _import(
    node: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    bits: np.ndarray,
    labels: tuple[int, ...],
) -> None:
    """Put the voxels of these segments in the place of those that they have. Other segments stay."""
    import slicer
    import vtk

    known = ids_in(node)
    chosen = np.uint8(sum(bit(label) for label in labels))
    array = to_labels(bits if chosen == ALL else bits & chosen)
    ids = vtk.vtkStringArray()
    for segment in sorted(SEGMENTS, key=lambda segment: segment.label):
        # Label value n becomes the n-th id; without a name the value is left out.
        ids.InsertNextValue(known.get(segment.label, segment.id) if segment.label in labels else "")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    if not logic.ImportLabelmapToSegmentationNode(_labelmap(array, volume_node), node, ids):
        raise RuntimeError("Slicer did not take the segments")


def _labelmap(labels: np.ndarray, volume_node: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkOrientedImageData:
    """The labels (z, y, x), a copy, in the volume's own coordinates (those under its parent transform)."""
    import slicer
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    affine = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(affine)
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*labels.shape[::-1])
    scalars = numpy_to_vtk(labels.reshape(-1), deep=True)
    scalars.SetName(_SCALARS)
    image.GetPointData().SetScalars(scalars)
    image.SetImageToWorldMatrix(affine)
    return image


def _describe(node: slicer.vtkMRMLSegmentationNode, update: Update) -> None:
    """Tag the segments that were written; new ones also get their names, colours and opacities."""
    parts = parts_in(node)
    for definition in SEGMENTS:
        if definition.label not in update.open_labels:
            continue
        segment = parts[definition.label]
        tags = segment_tags(definition, update.result.provenance)
        if definition.label in update.reviewed.present:
            for key in READERS_TAGS:  # as names and colours: the reader may have chosen another
                del tags[key]
        else:
            segment.SetName(definition.name)
            segment.SetNameAutoGenerated(False)
            segment.SetColor(*definition.color)
            segment.SetColorAutoGenerated(False)
            if definition.label != Label.INFECTION:
                node.GetDisplayNode().SetSegmentOpacity3D(definition.id, LUNG_OPACITY_3D)
        tags[RECORD_TAG] = update.merged.last.text(definition.label)
        for key, value in tags.items():
            segment.SetTag(key, value)


def place_beside(node: slicer.vtkMRMLNode, other: slicer.vtkMRMLNode) -> None:
    """Put ``node`` where ``other`` is in the subject hierarchy: under its study (Slicer's DICOM export looks there)."""
    hierarchy = other.GetScene().GetSubjectHierarchyNode()
    if hierarchy is None:
        return
    item, beside = hierarchy.GetItemByDataNode(node), hierarchy.GetItemByDataNode(other)
    if item and beside:
        hierarchy.SetItemParent(item, hierarchy.GetItemParent(beside))
