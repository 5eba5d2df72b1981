"""What 3D Slicer loads: the module CovidSeg. Everything it can do lives in the package CovidSegLib beside this file."""

from __future__ import annotations

import sys

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class CovidSeg(ScriptedLoadableModule):
    """Says what the module is and where it stands in Slicer's list."""

    def __init__(self, parent) -> None:
        super().__init__(parent)
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations", "Terminologies"]
        parent.title, parent.contributors = "CovidSeg", ["The CovidSeg authors"]
        parent.helpText = _("Segments lungs and COVID-19 infection in chest CT, on this computer. For research only.")
        parent.acknowledgementText = _(
            "Trained on Ma et al., Zenodo 3757476, from ImageNet weights. The weights are for non-commercial research."
        )
        slicer.app.connect("startupCompleted()", self.onStartupCompleted)

    def onStartupCompleted(self) -> None:
        """Make our codes and our sample scans known to Slicer."""
        from CovidSegLib.gui import startup

        startup.register(self.resourcePath)


class CovidSegWidget(ScriptedLoadableModuleWidget):
    """The panel, as Slicer opens and closes it; see CovidSegLib.gui.panel."""

    def setup(self) -> None:
        """Build the panel (Slicer calls this once)."""
        from CovidSegLib.gui.panel import Panel

        super().setup()
        self.logic = CovidSegLogic()  # slicer.util.getModuleLogic looks for it here
        self.panel = Panel(self.resourcePath("UI/CovidSeg.ui"), self.logic, lambda: self.parent.isEntered)
        self.layout.addWidget(self.panel.widget)

    def enter(self) -> None:
        """The user opens the module."""
        self.panel.enter()

    def cleanup(self) -> None:
        """The module goes: for a reload, or because Slicer ends."""
        self.panel.close()

    def onReload(self) -> None:
        """Let Reload take the library anew as well, not this file alone."""
        for name in [name for name in sys.modules if name.startswith("CovidSegLib")]:
            del sys.modules[name]
        super().onReload()


class CovidSegLogic(ScriptedLoadableModuleLogic):
    """What can be done without the panel: ``CovidSegLogic().process(volumeNode)``."""

    def __init__(self) -> None:
        super().__init__()
        from CovidSegLib.gui.core.undo import UNDO_POINTS

        self.isSingletonParameterNode, self.undoPoints = False, UNDO_POINTS

    def getParameterNode(self):
        """The first set of parameters in the scene.

        Returns
        -------
        CovidSegParameterNode
            What the panel shows and *Apply* takes.
        """
        from CovidSegLib.gui.core.parameters import CovidSegParameterNode

        return CovidSegParameterNode(super().getParameterNode())

    def process(self, volumeNode, segmentationNode=None, *, options=None, wait=True):
        """Segment the CT in ``volumeNode``, as the panel does.

        ``undoPoints.undo(segmentationNode)`` takes a run back.

        Parameters
        ----------
        volumeNode : vtkMRMLScalarVolumeNode
            The CT, in HU.
        segmentationNode : vtkMRMLSegmentationNode, optional
            Where the segments go, a new one by default; corrections in it stay.
        options : CovidSegLib.options.Options, optional
            Engine, device, network and threads.
        wait : bool
            False goes on beside the window.

        Returns
        -------
        CovidSegLib.gui.core.task.Task
            Its ``result`` is a RunResult: segmentationNode, and measurements in mL and %.

        Raises
        ------
        CovidSegError
            With ``wait``: what is wrong, in one sentence. Without it the task's signal ``failed`` tells.
        RuntimeError
            With ``wait``: the run was cancelled.
        """
        from CovidSegLib.gui.logic import process

        return process(volumeNode, segmentationNode, options, wait=wait, before_write=self.undoPoints.save)


class CovidSegTest(ScriptedLoadableModuleTest):
    """What is checked inside Slicer (Reload and Test, Self Tests, or ctest)."""

    def runTest(self, **_kwargs) -> None:
        """Segment a synthetic chest and look at the result."""
        from CovidSegLib.gui import self_test

        self_test.run(CovidSegLogic(), self.delayDisplay)
