"""Keeps the choice of scan and segmentation while nodes come and go.

Slicer's selectors do not: when a node goes its row goes, and the neighbour is selected; after an import all rows are
made anew, and nothing is. What they select would be written into the parameters, and a run into the wrong node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

if TYPE_CHECKING:
    from .session import Session

_BEFORE_THE_SELECTORS, _AFTER_THE_SELECTORS = 20.0, -20.0
"""Priorities of observers; qMRMLSceneModel has between 10 and -10."""


def scans_in_scene() -> list[slicer.vtkMRMLScalarVolumeNode]:
    """The volumes that may be scans, as the selector offers them: no label maps and no colour pictures."""
    return [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if _is_scan(node)]


def _is_scan(node: slicer.vtkMRMLNode) -> bool:
    # The classes of label maps and colour pictures derive from that of scans.
    return node.GetClassName() == "vtkMRMLScalarVolumeNode" and not node.GetHideFromEditors()


class Selection(VTKObservationMixin):
    """Follows the scene for the panel. ``is_shown``: whether the user has the module open."""

    def __init__(self, ui: Any, session: Session, is_shown: Callable[[], bool]) -> None:
        super().__init__()
        self._session, self._is_shown = session, is_shown
        self._selectors = (ui.inputSelector, ui.outputSelector, ui.parameterSetSelector)
        self._loaded: list[slicer.vtkMRMLScalarVolumeNode] = []
        self._timer = qt.QTimer()  # a node is added before it has voxels and a place
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._take_up_loaded)
        scene = slicer.mrmlScene
        for event, method, priority in (
            (scene.NodeAboutToBeRemovedEvent, self._node_goes, _BEFORE_THE_SELECTORS),
            (scene.NodeRemovedEvent, self._node_went, _AFTER_THE_SELECTORS),
            (scene.NodeAddedEvent, self._node_came, _AFTER_THE_SELECTORS),
            (scene.StartImportEvent, self._import_starts, _BEFORE_THE_SELECTORS),
            (scene.EndImportEvent, self._import_ended, _AFTER_THE_SELECTORS),
            (scene.EndBatchProcessEvent, self._batch_ended, _AFTER_THE_SELECTORS),
        ):
            self.addObserver(scene, event, method, priority=priority)
        session.closing.connect(self._close)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_goes(self, _scene: object, _event: str, node: slicer.vtkMRMLNode) -> None:
        """Choose nothing in its place."""
        parameters = self._session.parameters
        if parameters is None or slicer.mrmlScene.IsClosing():
            return
        if node is parameters.outputSegmentation:
            parameters.outputSegmentation = None
        if node is parameters.inputVolume:
            parameters.inputVolume = None

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_went(self, _scene: object, _event: str, node: slicer.vtkMRMLNode) -> None:
        if node.IsA("vtkMRMLScalarVolumeNode"):
            self._loaded = [other for other in self._loaded if other is not node]
            self._tell_that_there_are_others()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_came(self, _scene: object, _event: str, node: slicer.vtkMRMLNode) -> None:
        if node.IsA("vtkMRMLScalarVolumeNode") and not slicer.mrmlScene.IsImporting():
            self._loaded.append(node)
            self._timer.start()

    def _batch_ended(self, *_: object) -> None:
        if self._loaded:
            self._timer.start()

    def _take_up_loaded(self) -> None:
        """Choose the scan that was loaded, where none is chosen."""
        if slicer.mrmlScene.IsBatchProcessing():
            return  # its end will be told
        loaded, self._loaded = self._loaded, []
        parameters = self._session.parameters
        if parameters is None or parameters.inputVolume is not None or not self._is_shown():
            return
        scan = next((node for node in loaded if _is_scan(node) and node.GetImageData() is not None), None)
        if scan is not None:
            parameters.inputVolume = scan
        else:
            self._tell_that_there_are_others()

    def _tell_that_there_are_others(self) -> None:
        """Let what is said where no scan is chosen follow: there are others to choose now, or none any more."""
        parameters = self._session.parameters
        if parameters is not None and parameters.inputVolume is None and not slicer.mrmlScene.IsClosing():
            self._session.parametersModified()

    def _import_starts(self, *_: object) -> None:
        for selector in self._selectors:
            selector.blockSignals(True)

    def _import_ended(self, *_: object) -> None:
        for selector in self._selectors:
            selector.blockSignals(False)
        parameters = self._session.parameters
        if parameters is not None:
            chosen = parameters.inputVolume, parameters.outputSegmentation, parameters.parameterNode
            for selector, node in zip(self._selectors, chosen, strict=True):
                selector.setCurrentNode(node)

    def _close(self) -> None:
        self._timer.stop()
        self.removeObservers()
        self._loaded = []
