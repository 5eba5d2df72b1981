"""Which segments of a node are ours, and what is written on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..segmentation import Label, our_ids

if TYPE_CHECKING:
    import slicer

_TERMINOLOGY = "TerminologyEntry"


def tag(segment: slicer.vtkSegment, key: str) -> str | None:
    """The value of a segment's tag, or None."""
    import vtk

    value = vtk.reference("")
    return str(value) if segment.GetTag(key, value) else None


def entries_in(node: slicer.vtkMRMLSegmentationNode) -> list[tuple[str, str]]:
    """Id and terminology entry of every segment, "" where it has none."""
    content = node.GetSegmentation()
    return [(name, tag(content.GetSegment(name), _TERMINOLOGY) or "") for name in content.GetSegmentIDs()]


def ids_in(node: slicer.vtkMRMLSegmentationNode) -> dict[Label, str]:
    """The ids of our segments in ``node`` by label (:func:`CovidSegLib.segmentation.our_ids`)."""
    return our_ids(entries_in(node))


def parts_in(node: slicer.vtkMRMLSegmentationNode) -> dict[Label, slicer.vtkSegment]:
    """Our segments in ``node`` by label."""
    return {label: node.GetSegmentation().GetSegment(name) for label, name in ids_in(node).items()}
