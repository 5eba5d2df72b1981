"""The part of the panel where scan and segmentation are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

if TYPE_CHECKING:
    from .session import Session


class InputSection:
    """Keeps input and output in step: a result of one scan is not offered as the output of another."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._shown: tuple[object, object] = (None, None)
        session.parametersChanged.connect(self._update)
        session.runStarted.connect(lambda _run: self._enable(False))
        session.runEnded.connect(lambda: self._enable(True))

    def _enable(self, enabled: bool) -> None:
        self._ui.inputSelector.enabled = enabled
        self._ui.outputSelector.enabled = enabled

    def _update(self) -> None:
        self._choose()
        parameters = self._session.parameters
        # At first sight the panel shows what comes first; what is done with a segmentation appears with one.
        chosen = parameters is not None and parameters.outputSegmentation is not None
        self._ui.moreSections.setVisible(chosen)

    def _choose(self) -> None:
        parameters = self._session.parameters
        if parameters is None:
            self._shown = (None, None)
            self._session.setReason("input", _("Choose a CT scan."))
            return
        scan, shown = parameters.inputVolume, self._shown
        self._shown = (parameters.parameterNode, scan)
        if shown[0] is parameters.parameterNode and shown[1] is not scan and not self._belongs(scan):
            parameters.outputSegmentation = None
        self._session.setReason("input", "" if scan is not None else self._what_to_do())

    def _belongs(self, scan: slicer.vtkMRMLScalarVolumeNode | None) -> bool:
        """Whether the chosen output was made from ``scan``, or from nothing that is known."""
        output = self._session.parameters.outputSegmentation
        if output is None:
            return True
        role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
        reference = output.GetNodeReference(role)
        return reference is None or reference is scan

    def _what_to_do(self) -> str:
        if self._ui.inputSelector.nodeCount():
            return _("Choose a CT scan.")
        return _("Load a chest CT first: with Add DICOM Data, Add Data, or Sample Data.")
