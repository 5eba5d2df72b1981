"""A volume node of Slicer's scene as a :class:`CovidSegLib.geometry.volume.CtVolume`."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..geometry.grid import Grid, UprightOrder
from ..geometry.volume import CtVolume
from ..i18n import tr as _
from ..reading.affine_checks import checked_affine
from ..reading.hounsfield import HounsfieldVolume, check_size
from ..segmentation import Segmentation
from ..system.steps import result_of
from .scan_files import said_by_files

if TYPE_CHECKING:
    import slicer

_SAME_PLACE_MM = 1e-2


def read_volume_node(node: slicer.vtkMRMLScalarVolumeNode) -> CtVolume:
    """The CT in ``node``: int16 HU (z, y, x), a copy, and IJK→RAS in mm with its linear parent transforms applied.

    What is no number (NaN) is read as air, with a note. Raises InputError for a node without voxels or with several
    values per voxel, under a non-linear transform, or with axes that do not stand at right angles.
    """
    return result_of(read_in_steps(node))


def read_in_steps(node: slicer.vtkMRMLScalarVolumeNode, *, copied: bool = True) -> Generator[float, None, CtVolume]:
    """As :func:`read_volume_node`, slice by slice, for a window that must stay live: yields the share done (0 to 1).

    ``copied``: False for who looks at the voxels at once and reads them again when they change: the volume may be a
    view of the node's own voxels then, which is no work and takes no memory.
    """
    import slicer

    image = node.GetImageData() if node is not None else None
    if image is None or image.GetNumberOfPoints() == 0:
        raise InputError(_("The volume has no voxels."), _("Choose a CT scan that is loaded."))
    if image.GetNumberOfScalarComponents() != 1:
        raise InputError(_("The volume has several values per voxel."), _("Choose a CT scan, not a colour picture."))
    affine, said = world_affine(node), said_by_files(node)
    # The array is a view that keeps the node's voxels alive, also when the node is removed meanwhile.
    slices = slicer.util.arrayFromVolume(node)
    if not copied and slices.dtype == np.int16:
        check_size(slices.shape)
        return CtVolume(slices, affine, "volume node", said.notes, said.of_other_unit)
    volume = HounsfieldVolume(image.GetDimensions()[::-1])
    for index, values in enumerate(slices):
        volume.put(index, values)
        yield (index + 1) / len(slices)
    return CtVolume(volume.voxels, affine, "volume node", (*said.notes, *volume.notes()), said.of_other_unit)


def world_affine(node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """IJK→RAS of ``node`` (4x4, mm) with its parent transforms applied; raises InputError as read_volume_node does."""
    import slicer
    import vtk

    affine = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(affine)
    parent = node.GetParentTransformNode()
    if parent is not None:
        if not parent.IsTransformToWorldLinear():
            raise InputError(
                _("The volume is under a non-linear transform."),
                _("Harden the transform in the module Data (right click on the volume) and start again."),
            )
        to_world = vtk.vtkMatrix4x4()
        parent.GetMatrixTransformToWorld(to_world)
        vtk.vtkMatrix4x4.Multiply4x4(to_world, affine, affine)
    return checked_affine(slicer.util.arrayFromVTKMatrix(affine))


def world_grid(node: slicer.vtkMRMLVolumeNode) -> Grid:
    """The grid of ``node`` with its parent transforms applied; raises InputError as :func:`read_volume_node` does."""
    return Grid(world_affine(node), node.GetImageData().GetDimensions()[::-1])


def own_affine(node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """IJK→RAS of ``node`` (4x4, mm) without its parent transforms."""
    import slicer
    import vtk

    affine = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(affine)
    return slicer.util.arrayFromVTKMatrix(affine)


def scan_of(node: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLScalarVolumeNode | None:
    """The scan in the scene that, as Slicer has noted, the grid of ``node`` comes from."""
    return node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())


def possible_orders(node: slicer.vtkMRMLVolumeNode) -> list[UprightOrder]:
    """What may have been upright when masks of this scan were made, the likeliest first.

    The voxels are read upright, and a transform that came after the masks may have turned the scan over. Where it was
    hardened on both no matrix tells of it. Nearly all scans are stored in axial slices; to try all 24 directions would
    take ten seconds for a large scan.
    """
    now = UprightOrder.of(world_affine(node))
    return [now, UprightOrder.of(own_affine(node)), *now.turned((0, 1, 2)), *now.turned(now.permutation)]


def reference_grid(content: slicer.vtkSegmentation) -> Grid | None:
    """The grid of a segmentation without parent transforms; None where it has none, or one without volume."""
    import slicer
    import vtk

    converter, grid, matrix = slicer.vtkSegmentationConverter, slicer.vtkOrientedImageData(), vtk.vtkMatrix4x4()
    text = content.GetConversionParameter(converter.GetReferenceImageGeometryParameterName())
    if not text or not converter.DeserializeImageGeometry(text, grid, False):
        return None
    grid.GetImageToWorldMatrix(matrix)
    first = np.eye(4)
    first[:3, 3] = grid.GetExtent()[::2]
    try:
        return Grid(slicer.util.arrayFromVTKMatrix(matrix) @ first, grid.GetDimensions()[::-1])
    except ValueError:
        return None


def slices_of(node: slicer.vtkMRMLScalarVolumeNode) -> int:
    """Number of axial slices of a scan, however its voxels are stored."""
    return node.GetImageData().GetDimensions()[::-1][UprightOrder.of(own_affine(node)).permutation[0]]


def check_same_grid(segmentation: Segmentation, volume_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Raise InputError unless ``segmentation`` covers the voxels of ``volume_node`` where they are now."""
    image = volume_node.GetImageData()
    shape = image.GetDimensions()[::-1] if image is not None else ()
    if shape != segmentation.grid.shape or world_grid(volume_node).apart_mm(segmentation.grid) > _SAME_PLACE_MM:
        raise InputError(_("The volume was changed or moved after it was segmented."), _("Segment it again."))


def voxels_time(node: slicer.vtkMRMLVolumeNode) -> int:
    """Grows when the voxels of ``node`` change or are replaced; 0 where there are none."""
    image = node.GetImageData()
    return image.GetMTime() if image is not None else 0


def grid_and_time(node: slicer.vtkMRMLVolumeNode) -> tuple[float, ...]:
    """What changes with the voxels of ``node`` (their time) and with its grid, and with nothing else."""
    return (voxels_time(node), *own_affine(node).ravel())


def under_same_transform(one: slicer.vtkMRMLTransformableNode, other: slicer.vtkMRMLTransformableNode) -> bool:
    """Whether the parent transforms of two nodes, however nested, bring the same point to the same place."""
    import slicer
    import vtk

    parents = one.GetParentTransformNode(), other.GetParentTransformNode()
    if parents[0] is parents[1]:
        return True
    between = vtk.vtkMatrix4x4()
    if not slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(*parents, between):
        return False  # one of them bends
    return bool(np.allclose(slicer.util.arrayFromVTKMatrix(between), np.eye(4), rtol=0, atol=1e-6))
