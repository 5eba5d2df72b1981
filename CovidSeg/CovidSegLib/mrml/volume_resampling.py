"""A scan whose slices are bent or shifted against each other, as a copy on a regular grid."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..geometry.volume import AIR_HU
from ..i18n import tr as _
from ..reading.hounsfield import check_size
from .scan_files import note_origin
from .segmentations import place_beside
from .volumes import own_affine, world_affine

if TYPE_CHECKING:
    import slicer
    import vtk

_SLAB = 4
"""Slices computed at once: the window answers in between."""


def needs_resampling(node: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Whether ``node`` is under a non-linear transform, or its axes do not stand at right angles.

    Not where a copy would be of no use: without voxels, with several values per voxel, or on a grid without volume.
    """
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetNumberOfScalarComponents() != 1:
        return False
    if not _has_volume(node):
        return False
    try:
        world_affine(node)
    except InputError:
        return True
    return False


def _has_volume(node: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Whether the node's grid, and where it is seen, have finite corners and a volume."""
    own, bounds = own_affine(node), np.zeros(6)
    node.GetRASBounds(bounds)
    if not (np.isfinite(own).all() and np.isfinite(bounds).all()):
        return False
    return bool(abs(np.linalg.det(own)) > 0 and (bounds[1::2] > bounds[::2]).all())


def resample_steps(
    node: slicer.vtkMRMLScalarVolumeNode,
) -> Generator[float, None, slicer.vtkMRMLScalarVolumeNode]:
    """Add a copy of ``node`` where it is seen (parent transforms applied), on a grid along the patient's axes.

    Linear interpolation; air (-1000 HU) where nothing was measured. Voxels are as large as in the scan. Yields the
    share done (0 to 1); nothing is added to the scene before the end. ``node`` stays as it is. Raises InputError when
    the copy would be larger than any scan, or there is nothing to copy.
    """
    import slicer
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    if not needs_resampling(node):
        raise InputError(_("The volume cannot be resampled."), _("Choose a CT scan that is loaded."))
    size, affine = _grid(node)
    check_size(size[::-1])
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(_plain_image(node.GetImageData()))
    reslice.SetResliceTransform(_grid_to_voxels(node, affine))
    reslice.SetInterpolationModeToLinear()
    reslice.SetBackgroundLevel(AIR_HU)
    reslice.SetOutputOrigin(0, 0, 0)
    reslice.SetOutputSpacing(1, 1, 1)
    voxels: np.ndarray | None = None
    for first in range(0, size[2], _SLAB):
        last = min(first + _SLAB, size[2]) - 1
        reslice.SetOutputExtent(0, size[0] - 1, 0, size[1] - 1, first, last)
        reslice.Update()
        slab = vtk_to_numpy(reslice.GetOutput().GetPointData().GetScalars()).reshape(-1, size[1], size[0])
        if voxels is None:
            voxels = np.empty(size[::-1], slab.dtype)
        voxels[first : last + 1] = slab
        yield (last + 1) / size[2]
    name = f"{node.GetName()} resampled"
    copy = slicer.util.addVolumeFromArray(voxels, slicer.util.vtkMatrixFromArray(affine), name)
    _look_like(copy, node)
    return copy


def _grid(node: slicer.vtkMRMLScalarVolumeNode) -> tuple[tuple[int, int, int], np.ndarray]:
    """Size (I, J, K) and IJK→RAS of a grid along the patient's axes (to left, back, head) around all of ``node``."""
    own = own_affine(node)
    mm = np.linalg.norm(own[:3, :3], axis=0)
    # Each patient axis gets the voxel size of the grid axis that is closest to it.
    closest = np.abs(own[:3, :3] / mm).argmax(axis=1)
    steps = mm[closest]
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    lower, upper = bounds[::2], bounds[1::2]
    size = tuple(
        max(1, math.ceil((high - low) / step - 1e-3)) for low, high, step in zip(lower, upper, steps, strict=True)
    )
    affine = np.diag([-steps[0], -steps[1], steps[2], 1.0])
    affine[:3, 3] = upper[0] - steps[0] / 2, upper[1] - steps[1] / 2, lower[2] + steps[2] / 2
    return size, affine


def _grid_to_voxels(node: slicer.vtkMRMLScalarVolumeNode, affine: np.ndarray) -> vtk.vtkGeneralTransform:
    """From voxel numbers of the new grid to those of ``node``, through all its parent transforms."""
    import slicer
    import vtk

    from_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, node.GetParentTransformNode(), from_world)
    to_voxels = vtk.vtkMatrix4x4()
    node.GetRASToIJKMatrix(to_voxels)
    whole = vtk.vtkGeneralTransform()  # the last one given is applied first
    whole.Concatenate(to_voxels)
    whole.Concatenate(from_world)
    whole.Concatenate(slicer.util.vtkMatrixFromArray(affine))
    return whole


def _plain_image(image: vtk.vtkImageData) -> vtk.vtkImageData:
    """The voxels (shared) with voxel numbers as coordinates."""
    import vtk

    plain = vtk.vtkImageData()
    plain.ShallowCopy(image)
    plain.SetOrigin(0, 0, 0)
    plain.SetSpacing(1, 1, 1)
    return plain


def _look_like(copy: slicer.vtkMRMLScalarVolumeNode, node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """The same window, and a place beside ``node`` in the subject hierarchy."""
    copy.CreateDefaultDisplayNodes()
    display, own = node.GetDisplayNode(), copy.GetDisplayNode()
    if display is not None:
        own.SetAutoWindowLevel(False)
        own.SetWindowLevel(display.GetWindow(), display.GetLevel())
    note_origin(copy, node)
    place_beside(copy, node)
