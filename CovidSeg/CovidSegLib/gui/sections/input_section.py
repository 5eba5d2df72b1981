"""The part of the panel where scan and segmentation are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from ...errors import InputError
from ...mrml.scene_corrections import check_same_place, fingerprints_of
from ...mrml.volumes import scan_of
from ..core import wording
from ..core.followers import EditFollower, PlaceFollower
from ..core.scan_match import belonging_steps
from ..core.task_slot import TaskSlot

if TYPE_CHECKING:
    from ..core.session import Session


class InputSection:
    """Keeps input and output in step: a result of one scan is not offered as the output of another.

    Says where numbers would be why there are none.
    """

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._shown: tuple[Any, Any] = (None, None)
        self._had_scan: tuple[object, bool] = (None, False)
        self._used: dict[tuple[str, str], str] = {}  # by ids: nodes would stay in memory after their removal
        self._doubtful: object = None
        for selector in (ui.inputSelector, ui.outputSelector, ui.parameterSetSelector):
            # Else the longest name of a node is the least width of Slicer's window.
            selector.sizeAdjustPolicy = qt.QComboBox.AdjustToMinimumContentsLengthWithIcon
        self._hint = ui.resultsHint.text
        self._task = TaskSlot()
        self._edits, self._places = EditFollower(self._examine), PlaceFollower(session.nodesChanged.emit)
        # Qt 6 tells no change between two nodes of one name.
        ui.inputSelector.connect("nodeActivated(vtkMRMLNode*)", self._take_scan)
        ui.outputSelector.connect("nodeActivated(vtkMRMLNode*)", self._take_output)
        session.addGate(self._gate)
        session.parametersChanged.connect(self._update)
        session.nodesChanged.connect(self._follow)
        session.runStarted.connect(lambda _run: self._enable(False))
        session.runEnded.connect(lambda: self._enable(True))
        session.closing.connect(self._close)

    def _enable(self, enabled: bool) -> None:
        self._ui.inputSelector.enabled = enabled
        self._ui.outputSelector.enabled = enabled

    def _take_scan(self) -> None:
        parameters, scan = self._session.parameters, self._ui.inputSelector.currentNode()
        if parameters is not None and scan is not parameters.inputVolume:
            parameters.inputVolume = scan

    def _take_output(self) -> None:
        parameters, output = self._session.parameters, self._ui.outputSelector.currentNode()
        if parameters is not None and output is not parameters.outputSegmentation:
            parameters.outputSegmentation = output

    def _gate(self) -> bool:
        """A run takes the nodes that the user sees."""
        self._take_scan()
        self._take_output()
        return not self._session.reason

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
            self._used.clear()
            self._session.setReason("input", _("Choose a CT scan."))
            return
        scan, shown = parameters.inputVolume, self._shown
        self._shown = (parameters.parameterNode, scan)
        self._remember()
        if shown[0] is not parameters.parameterNode:
            self._doubtful = None
        elif shown[1] is not scan and scan is not None:
            if not self._belongs(scan):
                parameters.outputSegmentation = self._used_before(scan)
            self._doubtful = parameters.outputSegmentation
        elif scan is not None and parameters.outputSegmentation is None:  # the user wants a new one
            self._used.pop((parameters.parameterNode.GetID(), scan.GetID()), None)
        self._session.setReason("input", "" if scan is not None else self._what_to_do())

    def _remember(self) -> None:
        """Note whether it was known which scan the output lies on: the scene forgets it when that scan is removed."""
        parameters = self._session.parametersInUse
        output = parameters.outputSegmentation
        made_on = scan_of(output) if output is not None else None
        if made_on is not None:
            self._used[parameters.parameterNode.GetID(), made_on.GetID()] = output.GetID()
        known = made_on is not None
        if known or output is not self._had_scan[0]:
            self._had_scan = (output, known)

    def _used_before(self, scan: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLSegmentationNode | None:
        """The segmentation that these parameters had for ``scan`` when it was last chosen, if it is still there."""
        used = self._used.get((self._session.parametersInUse.parameterNode.GetID(), scan.GetID()))
        node = scan.GetScene().GetNodeByID(used) if used is not None else None
        return node if node is not None and scan_of(node) in (scan, None) else None

    def _belongs(self, scan: slicer.vtkMRMLScalarVolumeNode) -> bool:
        """Whether there is an output, made from ``scan`` or from nothing that is or was known."""
        output = self._session.parametersInUse.outputSegmentation
        if output is None:
            return False
        made_on = scan_of(output)
        return made_on is scan or (made_on is None and not self._had_scan[1])

    def _what_to_do(self) -> str:
        if self._ui.inputSelector.nodeCount():
            return _("Choose a CT scan.")
        return _("Load a chest CT first: with Add DICOM Data, Add Data, or Sample Data.")

    def _follow(self) -> None:
        """Take up the nodes that the parameters name now, or the place where they are now."""
        node, scan = self._session.nodes
        self._edits.follow(node)
        self._places.follow(node, scan)
        self._examine()

    def _examine(self) -> None:
        """Look whether the chosen segmentation belongs to the chosen scan."""
        self._task.stop()
        node, scan = self._session.nodes
        if node is None or scan is None:
            self._judge("")
            return
        steps = belonging_steps(node, scan, self._session.memory.fingerprints)
        self._task.start(steps, lambda _result: self._belonging(), self._foreign)

    def _belonging(self) -> None:
        node, scan = self._session.nodes
        if (
            node is not None and scan is not None and fingerprints_of(node)
        ):  # the scan of one that was loaded is known by its voxels alone
            self._used[self._session.parametersInUse.parameterNode.GetID(), scan.GetID()] = node.GetID()
        self._doubtful = None
        self._judge("")

    def _foreign(self, error: BaseException) -> None:
        if not isinstance(error, InputError):
            self._session.failed.emit(error)
            return
        node, scan = self._session.nodes
        is_left_over, self._doubtful = node is self._doubtful, None
        if is_left_over and scan_of(node) is not scan and self._session.run is None:
            used = self._used_before(scan)
            self._doubtful = used if used is not node else None
            self._session.parametersInUse.outputSegmentation = self._doubtful
        else:
            self._judge(wording.sentence_and_details(error)[0])

    def _judge(self, reason: str) -> None:
        """Say why there are no numbers; ``reason``: why the segmentation does not belong to the scan."""
        self._session.setReason("output", reason)
        self._ui.resultsHint.text = reason or self._why_apart() or self._hint
        self._session.setForeign(bool(reason))

    def _why_apart(self) -> str:
        """Why there are no numbers where a transform lies between segmentation and scan; "" where none does."""
        node, scan = self._session.nodes
        if node is None or scan is None:
            return ""
        try:
            check_same_place(node, scan)
        except InputError as error:
            return wording.sentence_and_details(error)[0]
        return ""

    def _close(self) -> None:
        self._task.close()
        self._edits.follow(None)
        self._places.follow(None, None)
