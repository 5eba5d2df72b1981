"""What the sections ask of nodes of the scene, and work on them that ends with them."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar

from ...mrml.readback import our_segments
from ...progress import Cancelled
from ...segmentation import Label

if TYPE_CHECKING:
    import slicer

Result = TypeVar("Result")


def in_scene(nodes: tuple[Any, ...]) -> bool:
    """Whether none of ``nodes`` was removed from its scene."""
    return all(node is not None and node.GetScene() is not None for node in nodes)


def while_in_scene(steps: Generator[Any, None, Result], nodes: tuple[Any, ...]) -> Generator[Any, None, Result]:
    """``steps`` that work on ``nodes``; once one of these was removed, or their scene closed, they are cancelled."""
    try:
        while in_scene(nodes):
            try:
                report = next(steps)
            except StopIteration as end:
                return end.value
            yield report
        raise Cancelled
    finally:
        steps.close()


def has_infection_segment(node: slicer.vtkMRMLSegmentationNode) -> bool:
    """Whether there is a segment of infection: where a reader took it out, nothing is known of infection."""
    return Label.INFECTION in our_segments(node).values()
