"""A :class:`CovidSegLib.segmentation.Segmentation` as segments in Slicer's scene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..segmentation import SEGMENTS, Label, Segmentation
from ..writing import segment_tags
from .volumes import world_affine

if TYPE_CHECKING:
    import slicer

LUNG_OPACITY_3D = 0.3
"""Lungs are seen through in 3-D, so that the infection inside is seen."""

_SAME_PLACE_MM = 1e-2
_SURFACE = "Closed surface"


def add_segmentation(
    scene: slicer.vtkMRMLScene,
    segmentation: Segmentation,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    name: str,
) -> slicer.vtkMRMLSegmentationNode:
    """Add a segmentation node called ``name`` and write ``segmentation`` into it; see :func:`write_segmentation`.

    When that fails the scene is as it was before.
    """
    _check_same_grid(segmentation, volume_node)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    try:
        write_segmentation(segmentation, volume_node, node)
    except BaseException:
        scene.RemoveNode(node)
        raise
    return node


def write_segmentation(
    segmentation: Segmentation,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    node: slicer.vtkMRMLSegmentationNode,
) -> None:
    """Put all three segments (also empty ones) into ``node``, on the grid of ``volume_node``.

    The only place where a result enters the scene. Our three segments are replaced, all others stay. The node comes
    under the volume's parent transform and beside it in the subject hierarchy. Raises InputError when the volume was
    changed or moved since ``segmentation`` was made from it, or when ``node`` holds other segments that stand under
    another transform (they would move).
    """
    import slicer

    _check_same_grid(segmentation, volume_node)
    _check_same_transform(volume_node, node)
    with slicer.util.NodeModify(node):
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        had_surfaces = node.GetSegmentation().ContainsRepresentation(_SURFACE)
        # The transform first: the reference geometry is stored relative to the node's own, and Slicer would apply a
        # transform that the two nodes do not share twice.
        node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        if not logic.ImportLabelmapToSegmentationNode(_labelmap(segmentation, volume_node), node, _segment_ids()):
            raise RuntimeError("Slicer did not take the segments")
        _describe(node, segmentation)
        if had_surfaces:  # the import drops what was made from the old voxels
            node.CreateClosedSurfaceRepresentation()
    place_beside(node.GetScene(), node, volume_node)


def _check_same_transform(volume_node: slicer.vtkMRMLScalarVolumeNode, node: slicer.vtkMRMLSegmentationNode) -> None:
    ours = {definition.id for definition in SEGMENTS}
    others = set(node.GetSegmentation().GetSegmentIDs()) - ours
    if others and node.GetTransformNodeID() != volume_node.GetTransformNodeID():
        raise InputError(
            "The chosen segmentation holds other segments and is under another transform than the scan.",
            "Choose another one, or let CovidSeg create a new one.",
        )


def _check_same_grid(segmentation: Segmentation, volume_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Raise InputError unless ``segmentation`` covers the voxels of ``volume_node`` where they are now."""
    image = volume_node.GetImageData()
    shape = image.GetDimensions()[::-1] if image is not None else ()
    moved = True
    if shape == segmentation.labels.shape:
        corners = np.array(np.meshgrid(*[(0, size - 1) for size in shape[::-1]], [1])).reshape(4, -1)
        moved = np.abs((world_affine(volume_node) - segmentation.affine) @ corners).max() > _SAME_PLACE_MM
    if moved:
        raise InputError("The volume was changed or moved after it was segmented.", "Segment it again.")


def _labelmap(segmentation: Segmentation, volume_node: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkOrientedImageData:
    """The labels, a copy, in the volume's own coordinates (those under its parent transform)."""
    import slicer
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    affine = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(affine)
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*segmentation.labels.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(segmentation.labels.reshape(-1), deep=True))
    image.SetImageToWorldMatrix(affine)
    return image


def _segment_ids() -> slicer.vtkStringArray:
    """Ids in the order of their labels: label value n becomes the n-th id."""
    import vtk

    ids = vtk.vtkStringArray()
    for segment in sorted(SEGMENTS, key=lambda segment: segment.label):
        ids.InsertNextValue(segment.id)
    return ids


def _describe(node: slicer.vtkMRMLSegmentationNode, segmentation: Segmentation) -> None:
    """Give the segments their names, colours, tags and opacities."""
    for definition in SEGMENTS:
        segment = node.GetSegmentation().GetSegment(definition.id)
        segment.SetName(definition.name)
        segment.SetNameAutoGenerated(False)
        segment.SetColor(*definition.color)
        segment.SetColorAutoGenerated(False)
        for key, value in segment_tags(definition, segmentation.provenance).items():
            segment.SetTag(key, value)
        if definition.label != Label.INFECTION:
            node.GetDisplayNode().SetSegmentOpacity3D(definition.id, LUNG_OPACITY_3D)


def place_beside(
    scene: slicer.vtkMRMLScene,
    node: slicer.vtkMRMLDisplayableNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
) -> None:
    """Put the node under the volume's study in the subject hierarchy (Slicer's DICOM export looks there)."""
    hierarchy = scene.GetSubjectHierarchyNode()
    if hierarchy is None:
        return
    volume_item = hierarchy.GetItemByDataNode(volume_node)
    item = hierarchy.GetItemByDataNode(node)
    if volume_item and item:
        hierarchy.SetItemParent(item, hierarchy.GetItemParent(volume_item))
