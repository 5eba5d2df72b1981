"""A scan of ours as a node that Slicer shows well."""

from __future__ import annotations

import slicer

from ..volume import LUNG_LEVEL, LUNG_WINDOW, CtVolume


def add_scan(volume: CtVolume, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """Add ``volume`` to the scene, in the lung window."""
    node = slicer.util.addVolumeFromArray(volume.voxels, slicer.util.vtkMatrixFromArray(volume.affine), name)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(LUNG_WINDOW, LUNG_LEVEL)
    return node
