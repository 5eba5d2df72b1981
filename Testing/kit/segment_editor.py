"""A reader at work: edits by Slicer's own vtkSlicerSegmentEditorLogic, as the Segment Editor's effects make them."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy


class Reader:
    """Edits the segments of ``node`` on the grid of ``volume``; boxes are slices of arrays (z, y, x)."""

    def __init__(
        self,
        scene: slicer.vtkMRMLScene,
        node: slicer.vtkMRMLSegmentationNode,
        volume: slicer.vtkMRMLScalarVolumeNode,
    ) -> None:
        self.node, self._volume = node, volume
        self.logic = slicer.vtkSlicerSegmentEditorLogic()
        self.logic.SetMRMLScene(scene)
        self.editor_node = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
        self.logic.SetSegmentEditorNode(self.editor_node)  # first, else the segmentation is ignored
        self.logic.SetSegmentationNode(node)
        self.logic.SetSourceVolumeNode(volume)

    def paint(self, segment_id: str, box: tuple[slice, ...] | np.ndarray) -> None:
        """Add ``box`` (or a mask of voxels) to a segment; other segments give it up (the editor's default)."""
        self._modify(segment_id, box, self.logic.ModificationModeAdd)

    def erase(self, segment_id: str, box: tuple[slice, ...] | np.ndarray) -> None:
        """Take ``box`` from a segment."""
        self._modify(segment_id, box, self.logic.ModificationModeRemove)

    def cut_inside(self, segment_id: str, box: tuple[slice, ...], mask_segment_id: str) -> None:
        """Scissors: fill ``box`` into a segment, but only inside another one."""
        self.editor_node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment)
        self.editor_node.SetMaskSegmentID(mask_segment_id)
        self._modify(segment_id, box, self.logic.ModificationModeAdd)
        self.editor_node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere)

    def undo(self) -> None:
        """One step back."""
        assert self.logic.CanUndo()
        self.logic.Undo()

    def _modify(self, segment_id: str, box: tuple[slice, ...] | np.ndarray, mode: int) -> None:
        logic = self.logic
        logic.SaveStateForUndo()
        logic.SetCurrentSegmentID(segment_id)
        logic.UpdateReferenceGeometryImage()
        logic.UpdateMaskLabelmap()
        logic.ResetModifierLabelmapToDefault()
        modifier = logic.GetModifierLabelmap()
        scalars = modifier.GetPointData().GetScalars()
        vtk_to_numpy(scalars).reshape(modifier.GetDimensions()[::-1])[box] = 1
        scalars.Modified()
        modifier.Modified()
        logic.ModifySegmentByLabelmap(self.node, segment_id, modifier, mode, False, False)


def voxels_of(
    node: slicer.vtkMRMLSegmentationNode, segment_id: str, volume: slicer.vtkMRMLScalarVolumeNode
) -> np.ndarray:
    """A segment as Slicer exports it on the grid of ``volume``: bool (z, y, x)."""
    ids = vtk.vtkStringArray()
    ids.InsertNextValue(segment_id)
    scene = node.GetScene()
    labelmap = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.ExportSegmentsToLabelmapNode(node, ids, labelmap, volume)
    mask = slicer.util.arrayFromVolume(labelmap) > 0
    scene.RemoveNode(labelmap)
    return mask
