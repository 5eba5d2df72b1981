"""What Slicer's own views show, the table view, and the Segment Editor."""

from __future__ import annotations

import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..mrml.corrections import infection_id
from ..mrml.looks import SURFACE


def grab_3d_view(node: slicer.vtkMRMLSegmentationNode) -> bytes | None:
    """The first 3-D view as a PNG, when it shows ``node``; None without such a view."""
    manager = slicer.app.layoutManager()
    shown = node.GetDisplayNode() is not None and node.GetDisplayNode().GetVisibility3D()
    surfaces = node.GetSegmentation().ContainsRepresentation(SURFACE)
    if manager is None or manager.threeDViewCount == 0 or not shown or not surfaces:
        return None
    view = manager.threeDWidget(0).threeDView()
    view.forceRender()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(view.renderWindow())
    grab.ReadFrontBufferOff()
    writer = vtk.vtkPNGWriter()
    writer.SetInputConnection(grab.GetOutputPort())
    writer.WriteToMemoryOn()
    writer.Write()
    return vtk_to_numpy(writer.GetResult()).tobytes()


def show_table(node: slicer.vtkMRMLTableNode) -> None:
    """Show ``node`` in a table view, in a layout that has one."""
    manager = slicer.app.layoutManager()
    if manager is not None:
        manager.setLayout(slicer.modules.tables.logic().GetLayoutWithTable(manager.layout))
    logic = slicer.app.applicationLogic()
    logic.GetSelectionNode().SetActiveTableID(node.GetID())
    logic.PropagateTableSelection()


def open_segment_editor(node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Open the Segment Editor at the infection of ``node``, on its CT."""
    slicer.util.selectModule("SegmentEditor")
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    editor.setSegmentationNode(node)
    editor.setSourceVolumeNode(volume_node)
    editor.setCurrentSegmentID(infection_id(node))
