"""What Slicer's own views show, the table view, and the Segment Editor."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ...mrml.scene_corrections import infection_id
from ...mrml.segment_display import SURFACE


def grab_3d_view(node: slicer.vtkMRMLSegmentationNode) -> bytes | None:
    """The first 3-D view of the layout as a PNG, when it shows ``node``; None without such a view."""
    display = node.GetDisplayNode()
    shown = display is not None and display.GetVisibility3D()
    if not shown or not node.GetSegmentation().ContainsRepresentation(SURFACE):
        return None
    view = next((view for view in _views_in_layout() if display.IsDisplayableInView(view.mrmlViewNode().GetID())), None)
    if view is None:
        return None
    view.forceRender()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(view.renderWindow())
    grab.ReadFrontBufferOff()
    writer = vtk.vtkPNGWriter()
    writer.SetInputConnection(grab.GetOutputPort())
    writer.WriteToMemoryOn()
    writer.Write()
    return vtk_to_numpy(writer.GetResult()).tobytes()


def _views_in_layout() -> list[Any]:
    """The 3-D views that are seen. Slicer keeps those of other layouts, and does not draw in them."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return []
    widgets = [manager.threeDWidget(number) for number in range(manager.threeDViewCount)]
    return [widget.threeDView() for widget in widgets if widget.visible]


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
