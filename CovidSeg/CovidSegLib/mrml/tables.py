"""Numbers as a table node of the scene, in Slicer's own table view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..measures import Measurements
from ..measures.table import TableRow, table_rows
from .segmentations import place_beside

if TYPE_CHECKING:
    import slicer

COLUMNS = ("Measure", "Region", "Value", "Unit", "Low", "High")
SEGMENTATION_ROLE = "CovidSegSegmentation"
"""The table's reference to the segmentation that it was made from."""


def write_table(measured: Measurements, node: slicer.vtkMRMLTableNode) -> None:
    """Put every number of ``measured`` into ``node``, one a row; what was in it goes.

    Low and High say what the number would be if a mask's edge lay one voxel further in or out. A number that there is
    not is an empty cell (NaN).

    Parameters
    ----------
    measured
        The numbers; each goes there with its unit.
    node
        The table, as :func:`table_for` gives it.
    """
    import slicer
    import vtk

    rows = table_rows(measured)
    with slicer.util.NodeModify(node):
        node.RemoveAllColumns()
        for name, values in zip(COLUMNS, _columns(rows), strict=True):
            array = vtk.vtkStringArray() if isinstance(values[0], str) else vtk.vtkDoubleArray()
            array.SetName(name)
            for value in values:
                array.InsertNextValue(value)
            node.AddColumn(array)
        node.SetColumnDescription("Low", "With the edge of a mask moved by one voxel: the lowest value")
        node.SetColumnDescription("High", "With the edge of a mask moved by one voxel: the highest value")
        node.SetUseColumnTitleAsColumnHeader(True)
        for name in COLUMNS:
            node.SetColumnTitle(name, name)
        node.SetLocked(True)


def find_table(segmentation_node: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLTableNode | None:
    """The table of ``segmentation_node``, also one that was loaded with it; None where there is none."""
    scene = segmentation_node.GetScene()
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLTableNode")):
        node = scene.GetNthNodeByClass(number, "vtkMRMLTableNode")
        if node.GetNodeReferenceID(SEGMENTATION_ROLE) == segmentation_node.GetID():
            return node
    return None


def table_for(segmentation_node: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLTableNode:
    """The table of a segmentation: the one there is, or a new one beside it in the subject hierarchy.

    Parameters
    ----------
    segmentation_node
        The segmentation.

    Returns
    -------
    vtkMRMLTableNode
        Its table; a new one is empty.
    """
    node = find_table(segmentation_node)
    if node is not None:
        return node
    node = segmentation_node.GetScene().AddNewNodeByClass("vtkMRMLTableNode", f"{segmentation_node.GetName()} numbers")
    node.SetNodeReferenceID(SEGMENTATION_ROLE, segmentation_node.GetID())
    place_beside(node, segmentation_node)
    return node


def _columns(rows: tuple[TableRow, ...]) -> tuple[list, ...]:
    nothing = float("nan")
    numbers = [
        [nothing if value is None else float(value) for value in values]
        for values in zip(*((row.value, row.low, row.high) for row in rows), strict=True)
    ]
    measures, regions, units = ([getattr(row, name) for row in rows] for name in ("measure", "region", "unit"))
    return measures, regions, numbers[0], units, numbers[1], numbers[2]
