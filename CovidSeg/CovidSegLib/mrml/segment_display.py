"""How segments are shown: what Slicer forgets of a segment that is taken out, and does not know when it is put back."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import slicer

_PROPERTIES = (
    "Visibility",
    "Visibility3D",
    "Visibility2DFill",
    "Visibility2DOutline",
    "Opacity3D",
    "Opacity2DFill",
    "Opacity2DOutline",
    "Pickable",
)

SURFACE = "Closed surface"


def looks_of(node: slicer.vtkMRMLSegmentationNode) -> dict[str, dict[str, Any]]:
    """The display properties of all segments, by id; nothing where the node is not shown."""
    display = node.GetDisplayNode()
    if display is None:
        return {}
    ids = node.GetSegmentation().GetSegmentIDs()
    return {name: _look(display, name) for name in ids}


def _look(display: slicer.vtkMRMLSegmentationDisplayNode, name: str) -> dict[str, Any]:
    look = {one: getattr(display, f"GetSegment{one}")(name) for one in _PROPERTIES}
    color = display.GetSegmentOverrideColor(name)
    return {**look, "OverrideColor": tuple(color[axis] for axis in range(3))}


def show_as(node: slicer.vtkMRMLSegmentationNode, name: str, look: dict[str, Any]) -> None:
    """Give a segment the properties that :func:`looks_of` told."""
    display = node.GetDisplayNode()
    if display is not None:
        for one, value in look.items():
            getattr(display, f"SetSegment{one}")(name, *(value if isinstance(value, tuple) else (value,)))


def has_surfaces(content: slicer.vtkSegmentation) -> bool:
    """Whether any segment has a surface, as "Show 3D" makes them."""
    return any(content.GetSegment(name).GetRepresentation(SURFACE) is not None for name in content.GetSegmentIDs())


@contextmanager
def surfaces_kept(node: slicer.vtkMRMLSegmentationNode, *, anew: bool = False) -> Generator[None, None, None]:
    """Make the surfaces anew where there were some: Slicer drops them when segments get other voxels.

    ``anew``: those that are there are not dropped, and are of the voxels before.
    """
    content = node.GetSegmentation()
    had_surfaces = has_surfaces(content)
    yield
    if had_surfaces and content.GetNumberOfSegments():
        content.CreateRepresentation(SURFACE, anew)


def substance(content: slicer.vtkSegmentation) -> tuple:
    """Differs after every edit of the segments, but not after surfaces were made from them or taken away.

    The time of a segment tells the two not apart. Tags have no list in Python; they are in the text that VTK prints.
    """
    segments = [(name, content.GetSegment(name)) for name in content.GetSegmentIDs()]
    return (content.GetMTime(), *((name, *_substance(one, content)) for name, one in segments))


def _substance(segment: slicer.vtkSegment, content: slicer.vtkSegmentation) -> tuple:
    voxels = segment.GetRepresentation(content.GetSourceRepresentationName())
    tags = str(segment).partition("Tags:")[2]
    time = voxels.GetMTime() if voxels is not None else 0
    return segment.GetName(), segment.GetColor(), segment.GetLabelValue(), tags, time
