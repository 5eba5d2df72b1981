"""Whether a segmentation belongs to a scan, in steps (see :mod:`.task`): the scan is told by its voxels."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..mrml import read_in_steps
from ..mrml.corrections import check_belongs, is_recorded
from ..mrml.volumes import own_affine, voxels_time, world_affine
from ..steps import silently
from ..volume import axial_order
from .task import in_thread

if TYPE_CHECKING:
    import slicer

_last: tuple[tuple[object, ...], frozenset[str]] | None = None
"""The scan that was looked at last, and its fingerprints: they are asked for after each stroke of a reader."""


def belonging_steps(
    node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLScalarVolumeNode
) -> Generator[None, None, None]:
    """Raise InputError where our segments in ``node`` were made from another scan, or lie on another grid."""
    if not voxels_time(volume_node):
        return  # whoever reads the scan next will say that it has no voxels
    fingerprints: frozenset[str] = frozenset()
    if is_recorded(node):
        fingerprints = yield from _fingerprint_steps(volume_node)
    check_belongs(node, volume_node, fingerprints)


def _fingerprint_steps(volume_node: slicer.vtkMRMLScalarVolumeNode) -> Generator[None, None, frozenset[str]]:
    global _last
    own = own_affine(volume_node)
    seen = voxels_time(volume_node), own.tobytes(), world_affine(volume_node).tobytes()
    if _last is not None and _last[0] == seen:
        return _last[1]
    volume = yield from silently(read_in_steps(volume_node))
    # The voxels are read upright, and a transform that came after the segmentation may have turned the scan over.
    orders = {axial_order(affine): affine for affine in (volume.affine, own)}
    scans = [replace(volume, affine=affine) for affine in orders.values()]
    found = yield from in_thread(lambda: frozenset(scan.fingerprint for scan in scans))
    _last = seen, found
    return found
