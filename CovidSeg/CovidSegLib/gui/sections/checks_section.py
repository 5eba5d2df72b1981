"""The part of the panel that says, before a run, what is odd about the chosen scan."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ...errors import InputError
from ...mrml.scan_files import uids_of
from ...mrml.volume_resampling import needs_resampling, resample_steps
from ...mrml.volumes import grid_and_time, read_in_steps
from ...reading.checks import inspect
from ...system.steps import silently
from ..core import wording
from ..core.task import in_thread
from ..core.task_slot import TaskSlot
from .message_section import ERROR, WARNING, show_icon

if TYPE_CHECKING:
    from ..core.session import Session


def check_steps(node: slicer.vtkMRMLScalarVolumeNode) -> Generator[None, None, tuple[str, ...]]:
    """Look at the scan in ``node`` step by step; returns sentences. Raises InputError when it cannot be segmented."""
    volume = yield from silently(read_in_steps(node))
    findings = yield from in_thread(lambda: inspect(volume))
    findings.verdict.check()
    return (*volume.notes, *findings.warnings)


class ChecksSection(VTKObservationMixin):
    """Checks the scan when it is chosen, moved or changed; objects to Apply when it cannot be segmented."""

    def __init__(self, ui: Any, session: Session) -> None:
        super().__init__()
        self._ui, self._session = ui, session
        self._node: slicer.vtkMRMLScalarVolumeNode | None = None
        self._seen: tuple[object, ...] = ()
        self._task = TaskSlot()
        ui.resampleButton.connect("clicked(bool)", self._resample)
        session.parametersChanged.connect(self._follow)
        session.closing.connect(self._close)
        self._show((), can_run=True)

    def _follow(self) -> None:
        parameters = self._session.parameters
        node = parameters.inputVolume if parameters is not None else None
        if node is not self._node:
            self._observe(node)
            self._check()

    def _observe(self, node: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        self._task.stop()
        self.removeObservers()
        self._node = node
        if node is not None:
            self.addObserver(node, slicer.vtkMRMLTransformableNode.TransformModifiedEvent, self._check)
            # arrayFromVolumeModified and another matrix are told as a change of the node, as its name is, too.
            for event in (node.ImageDataModifiedEvent, vtk.vtkCommand.ModifiedEvent):
                self.addObserver(node, event, self._check_if_changed)

    def _close(self) -> None:
        self._task.close()
        self._observe(None)

    def _check_if_changed(self, *_event: object) -> None:
        if self._seen != self._state():
            self._check()

    def _state(self) -> tuple[object, ...]:
        """What changes with what is looked at. Slicer notes a scan's files after it has put it into the scene."""
        return () if self._node is None else (*grid_and_time(self._node), uids_of(self._node))

    def _check(self, *_event: object) -> None:
        self._task.stop()
        self._seen = self._state()
        self._show((), can_run=True)
        self._reset_button()
        if self._node is None:
            self._ui.allChecksLabel.text = ""
            return
        self._ui.allChecksLabel.text = _("Looking at the scan...")
        self._task.start(
            check_steps(self._node),
            lambda found: self._show(tuple(map(wording.translated, found)), can_run=True),
            self._failed,
        )

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, InputError):
            self._session.failed.emit(error)
            return
        self._show((wording.sentence_and_details(error)[0],), can_run=False)

    def _show(self, sentences: tuple[str, ...], *, can_run: bool) -> None:
        """Show ``sentences`` where the scan is chosen, all of them, and in the fold Advanced that there are none."""
        ui = self._ui
        bent = not can_run and self._node is not None and needs_resampling(self._node)
        if bent:
            sentences = (
                _(
                    "The slices of this scan are bent or moved against each other by a transform (Slicer adds one to"
                    " tilted or irregular CT). CovidSeg needs a regular grid: make a resampled copy."
                ),
            )
        if sentences:
            show_icon(ui.checksIcon, WARNING if can_run else ERROR)
        ui.checksLabel.text = "\n".join(sentences)
        ui.checksFrame.setVisible(bool(sentences))
        ui.resampleButton.setVisible(bent)
        ui.allChecksLabel.text = "\n".join(sentences) or _("Nothing is odd about this scan.")
        reason = "" if can_run else _("This scan cannot be segmented as it is: see above.")
        self._session.setReason("checks", reason)

    def _resample(self) -> None:
        """Make a copy on a regular grid and choose it; the original stays as it is."""
        self._ui.resampleButton.enabled = False
        steps = resample_steps(self._node)
        self._task.start(steps, self._choose, self._resampling_failed, reported=self._tell_progress)

    def _tell_progress(self, fraction: float) -> None:
        self._ui.resampleButton.text = _("Resampling... {percent} %").format(percent=round(100 * fraction))

    def _reset_button(self) -> None:
        self._ui.resampleButton.text = _("Resample the scan")
        self._ui.resampleButton.enabled = True

    def _choose(self, copy: slicer.vtkMRMLScalarVolumeNode) -> None:
        self._reset_button()
        if self._session.parameters is not None:
            self._session.parameters.inputVolume = copy

    def _resampling_failed(self, error: BaseException) -> None:
        self._reset_button()
        self._session.failed.emit(error)
