"""A scan of ours as a node that Slicer shows well."""

from __future__ import annotations

import slicer

from ...geometry.volume import LUNG_LEVEL, LUNG_WINDOW, CtVolume


def add_scan(volume: CtVolume, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """Add ``volume`` to the scene, in the lung window."""
    node = slicer.util.addVolumeFromArray(volume.voxels, slicer.util.vtkMatrixFromArray(volume.affine), name)
    show_in_lung_window(node)
    return node


def show_in_lung_window(node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Let Slicer show the values of a CT of the lungs; by itself it takes a window from the file or the histogram."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(LUNG_WINDOW, LUNG_LEVEL)
