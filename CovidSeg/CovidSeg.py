"""What 3D Slicer loads: the module CovidSeg. Everything it can do lives in the package CovidSegLib beside this file."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

CONSOLE_LINES = """\
from CovidSegLib import pipeline
from CovidSegLib.mrml import add_segmentation, read_volume_node
from CovidSegLib.progress import Progress
node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
result = pipeline.segment(read_volume_node(node), pipeline.Options(), Progress())
add_segmentation(slicer.mrmlScene, result, node, "COVID-19")"""
"""What does the main job today, typed into Slicer's Python console (not translated: it is code)."""


class CovidSeg(ScriptedLoadableModule):
    """Says what the module is and where it stands in Slicer's list."""

    def __init__(self, parent) -> None:
        super().__init__(parent)
        parent.title = "CovidSeg"
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations", "Terminologies"]
        parent.contributors = ["The CovidSeg authors"]
        parent.helpText = _(
            "Segments the left lung, the right lung and COVID-19 infection in a chest CT with a neural network, on this"
            " computer: no scan leaves it. For research only; not a medical device, not for diagnosis."
        )
        parent.acknowledgementText = _(
            "The network was trained on the COVID-19 CT Lung and Infection Segmentation Dataset (Ma et al., Zenodo"
            " 3757476) with an encoder trained on ImageNet (MobileNetV2). Its weights are for research, non-commercial."
        )
        slicer.app.connect("startupCompleted()", self.loadTerminology)

    def loadTerminology(self) -> None:
        """Make the codes of the three segments known to Slicer, so that it can name and edit them."""
        logic = slicer.modules.terminologies.logic()
        logic.LoadTerminologyFromFile(self.resourcePath("CovidSeg.term.json"))


class CovidSegWidget(ScriptedLoadableModuleWidget):
    """The panel that is to come; until then a text that says how to use the module from the console."""

    def setup(self) -> None:
        """Build the panel (Slicer calls this once)."""
        import qt

        super().setup()
        text = _(
            "The panel is still to come. Until then: install the Python package onnxruntime in Slicer, load a chest CT,"
            " and type these lines into the Python console:"
        )
        label = qt.QLabel(f"{text}\n\n{CONSOLE_LINES}")
        label.wordWrap = True
        label.textInteractionFlags = qt.Qt.TextSelectableByMouse
        self.layout.addWidget(label)
        self.layout.addStretch(1)


class CovidSegTest(ScriptedLoadableModuleTest):
    """What is checked inside Slicer (Reload and Test, or ctest)."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run all checks."""
        self.setUp()
        self.test_the_segments_are_named_as_promised()

    def test_the_segments_are_named_as_promised(self) -> None:
        """The library that was installed beside this file loads, and its segments have the ids that others rely on."""
        from CovidSegLib.segmentation import SEGMENTS

        assert [segment.id for segment in SEGMENTS] == ["LeftLung", "RightLung", "Covid19Infection"]
