"""Whether a segmentation belongs to a scan, in steps (see :mod:`.task`): the scan is told by its voxels."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from ..mrml import read_in_steps
from ..mrml.corrections import check_belongs, is_recorded
from ..mrml.volumes import voxels_time, world_affine
from .task import in_thread

if TYPE_CHECKING:
    import slicer

_last: tuple[tuple[object, ...], str] | None = None
"""The scan that was looked at last, and its fingerprint: it is asked for after each stroke of a reader."""


def belonging_steps(
    node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLScalarVolumeNode
) -> Generator[None, None, None]:
    """Raise InputError where our segments in ``node`` were made from another scan, or lie on another grid."""
    if not voxels_time(volume_node):
        return  # whoever reads the scan next will say that it has no voxels
    fingerprint = ""
    if is_recorded(node):
        fingerprint = yield from _fingerprint_steps(volume_node)
    check_belongs(node, volume_node, fingerprint)


def _fingerprint_steps(volume_node: slicer.vtkMRMLScalarVolumeNode) -> Generator[None, None, str]:
    global _last
    # The fingerprint is that of the upright voxels, so a transform that turns the scan counts.
    seen = voxels_time(volume_node), world_affine(volume_node).tobytes()
    if _last is not None and _last[0] == seen:
        return _last[1]
    reading = read_in_steps(volume_node)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            volume = end.value
            break
        yield None
    fingerprint = yield from in_thread(lambda: volume.fingerprint)
    _last = seen, fingerprint
    return fingerprint
