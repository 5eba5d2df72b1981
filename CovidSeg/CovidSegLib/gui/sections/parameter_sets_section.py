"""The part of the panel where one of several sets of parameters is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..core.session import Session

MODULE = "CovidSeg"


class ParameterSetsSection:
    """Each set is a node of the scene: scan, segmentation, model, device and engine."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        ui.parameterSetSelector.addAttribute("vtkMRMLScriptedModuleNode", "ModuleName", MODULE)
        ui.parameterSetSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._chosen)
        session.parametersChanged.connect(self._show)

    def _show(self) -> None:
        selector = self._ui.parameterSetSelector
        if self._session.parameters is not None:
            selector.setCurrentNode(self._session.parameters.parameterNode)
            selector.removeEnabled = selector.nodeCount() > 1  # the last one stays

    def _chosen(self, node: Any) -> None:
        current = self._session.parameters
        if current is None:
            return
        if node is None and current.parameterNode.GetScene() is None:  # the set in use was removed
            node = self._ui.parameterSetSelector.nodeFromIndex(0)
        if node is not None and node is not current.parameterNode:
            self._session.parameterSetChosen.emit(node)
