"""What is checked inside a real Slicer, by its Self Tests, Reload and Test, or ctest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..phantom import make_phantom
from ..progress import Progress
from ..segmentation import SEGMENTS, Label
from ..volume import CtVolume

if TYPE_CHECKING:
    import slicer

_SLICES = 24
_LEAST_LUNG_DICE = 0.9


def add_to_scene(volume: CtVolume, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """``volume`` as a volume node in Slicer's scene."""
    import slicer

    affine = slicer.util.vtkMatrixFromArray(volume.affine)
    return slicer.util.addVolumeFromArray(volume.voxels, affine, name, "vtkMRMLScalarVolumeNode")


def run(logic: Any) -> None:
    """Segment a synthetic chest in an empty scene with ``logic`` (CovidSegLogic); AssertionError if anything is off."""
    import slicer

    slicer.mrmlScene.Clear()
    phantom = make_phantom(seed=0, slices=_SLICES, progress=Progress())
    node = add_to_scene(phantom.volume, "Synthetic chest")
    result = logic.process(node).result
    made = result.segmentationNode
    assert list(made.GetSegmentation().GetSegmentIDs()) == [segment.id for segment in SEGMENTS]
    found = np.zeros(phantom.truth.shape, bool)
    for segment in SEGMENTS:
        found |= slicer.util.arrayFromSegmentBinaryLabelmap(made, segment.id, node) > 0
    lungs = phantom.truth != Label.BACKGROUND
    dice = 2 * np.count_nonzero(found & lungs) / (np.count_nonzero(found) + np.count_nonzero(lungs))
    assert dice >= _LEAST_LUNG_DICE, f"the lungs have a Dice of {dice:.3f} with the truth"
    assert 0 < result.measurements.total.infection_percent < 100
