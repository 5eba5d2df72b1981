"""The voxels of segments on the grid of their scan, as plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..corrections.merge import bit, joined
from ..geometry.grid import Grid
from ..geometry.masks import Box
from ..segmentation import Label
from .volumes import own_affine

if TYPE_CHECKING:
    import slicer

LABELMAP = "Binary labelmap"
"""What Slicer calls the voxels of a segment."""


def bits_of(
    parts: dict[Label, slicer.vtkSegment],
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    shape: tuple[int, int, int],
) -> np.ndarray:
    """The voxels of segments as bits (z, y, x) on the grid of ``volume_node``; InputError as :meth:`Grid.bring`."""
    bits = np.zeros(shape, np.uint8)
    for label, part in parts.items():
        if not is_inside(part, volume_node):
            bits |= joined([(int(label), mask_of(part, volume_node, shape))], shape)
            continue
        image = part.GetRepresentation(LABELMAP)
        if image is None or image.GetNumberOfPoints() == 0:
            continue
        own, value = np.uint8(bit(label)), part.GetLabelValue()
        # Plane by plane, so that what is in between stays in the processor's cache.
        for target, plane in zip(bits[_box(image)], _values(image), strict=True):
            target |= (plane == value).view(np.uint8) * own
    return bits


def is_inside(segment: slicer.vtkSegment, volume_node: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Whether a look at the grids suffices to say that a segment has the voxels of the volume: the usual case."""
    image = segment.GetRepresentation(LABELMAP)
    if image is None or image.GetNumberOfPoints() == 0:
        return True
    own, affine = _grids(image, volume_node)
    extent, sizes = image.GetExtent(), volume_node.GetImageData().GetDimensions()
    fits = all(extent[2 * axis] >= 0 and extent[2 * axis + 1] < sizes[axis] for axis in range(3))
    return fits and np.allclose(own, affine, rtol=0, atol=1e-6)


def mask_of(
    segment: slicer.vtkSegment, volume_node: slicer.vtkMRMLScalarVolumeNode, shape: tuple[int, int, int]
) -> np.ndarray:
    """A segment's voxels (bool, z, y, x) on the grid of ``volume_node``; both stand under the same transform."""
    image = segment.GetRepresentation(LABELMAP)
    if image is None or image.GetNumberOfPoints() == 0:
        return np.zeros(shape, bool)
    values = _values(image)
    own, affine = _grids(image, volume_node)
    first = np.eye(4)
    first[:3, 3] = image.GetExtent()[::2]
    return Grid(affine, shape).bring(values == segment.GetLabelValue(), own @ first)


def _grids(
    image: slicer.vtkOrientedImageData, volume_node: slicer.vtkMRMLScalarVolumeNode
) -> tuple[np.ndarray, np.ndarray]:
    """IJK→RAS of a segment's voxels and of the volume, without their parent transforms."""
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix), own_affine(volume_node)


def _values(image: slicer.vtkOrientedImageData) -> np.ndarray:
    """The label values of a layer of segments (z, y, x): a view."""
    from vtk.util.numpy_support import vtk_to_numpy

    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])


def _box(image: slicer.vtkOrientedImageData) -> Box:
    """Where a layer lies on the grid that its indices count on."""
    extent = image.GetExtent()
    return tuple(slice(extent[2 * axis], extent[2 * axis + 1] + 1) for axis in (2, 1, 0))
