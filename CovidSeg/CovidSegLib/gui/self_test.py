"""What is checked inside a real Slicer, by its Self Tests, Reload and Test, or ctest."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any

import numpy as np

from ..phantom import make_phantom
from ..progress import Progress
from ..segmentation import SEGMENTS, Label
from .core.scene import add_scan

_SLICES = 16
_LEAST_LUNG_DICE = 0.9


def run(logic: Any, tell: Callable[[str], object]) -> None:
    """Segment a synthetic chest in an empty scene with ``logic`` (CovidSegLogic); AssertionError if anything is off.

    Where the package is missing, as on the machines that build extensions, it is skipped: by unittest.SkipTest in
    Slicer's testing mode, else with a word to ``tell``, since Slicer shows what a test raises as its failure.
    """
    import slicer
    from slicer.i18n import tr as _

    from .core import install

    if install.is_needed("auto"):
        text = _("This Slicer has no {package}; Apply in the panel installs it.")
        text = text.format(package=install.PACKAGE)
        if slicer.app.testingEnabled():
            raise unittest.SkipTest(text)
        tell(text)
        return
    slicer.mrmlScene.Clear()
    phantom = make_phantom(seed=0, slices=_SLICES, progress=Progress())
    node = add_scan(phantom.volume, "Synthetic chest")
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
