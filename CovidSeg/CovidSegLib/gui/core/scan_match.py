"""Whether a segmentation belongs to a scan, in steps (see :mod:`.task`): the scan is told by its voxels."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING

from ...geometry.grid import UprightOrder
from ...geometry.volume import CtVolume
from ...mrml.scene_corrections import check_belongs, fingerprints_of
from ...mrml.volumes import own_affine, possible_orders, read_in_steps, voxels_time, world_affine
from ...system.last_answer import LastAnswer
from ...system.steps import silently
from .task import in_thread

if TYPE_CHECKING:
    import slicer


def belonging_steps(
    node: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    last: LastAnswer[dict[UprightOrder, str]] | None = None,
) -> Generator[None, None, frozenset[str]]:
    """Raise InputError where our segments in ``node`` were made from another scan, or lie on another grid.

    A scan that was turned together with them is still the same one, also where the transform was hardened on both.
    Returns the fingerprints of the scan by which it was known, now and before it was turned. ``last``: those of the
    scan that was looked at last, by what was upright.
    """
    fingerprints: frozenset[str] = frozenset()
    if not voxels_time(volume_node):
        return fingerprints  # whoever reads the scan next will say that it has no voxels
    if recorded := fingerprints_of(node):
        fingerprints = yield from _fingerprint_steps(volume_node, recorded, last or LastAnswer())
    check_belongs(node, volume_node, fingerprints)
    return fingerprints


def _fingerprint_steps(
    volume_node: slicer.vtkMRMLScalarVolumeNode, recorded: set[str], last: LastAnswer[dict[UprightOrder, str]]
) -> Generator[None, None, frozenset[str]]:
    """The fingerprints that the scan may have had, as many as it takes to find those that are ``recorded``."""
    own, world = own_affine(volume_node), world_affine(volume_node)
    found = last.to((voxels_time(volume_node), own.tobytes(), world.tobytes()), dict)
    volume: CtVolume | None = None
    for order in possible_orders(volume_node):
        if recorded <= set(found.values()):
            break
        if order in found:
            continue
        if volume is None:
            volume = yield from silently(read_in_steps(volume_node, copied=False))
        found[order] = yield from in_thread(partial(volume.fingerprint_in, order))
    return frozenset(found.values())
