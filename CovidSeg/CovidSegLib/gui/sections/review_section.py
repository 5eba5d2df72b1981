"""The part of the panel where the result is reviewed: what was kept, lesion after lesion, Undo, a case to train on."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from ...corrections.merge import bit
from ...errors import InputError
from ...mrml.lesion_review import Review, accept_lesion, delete_lesion
from ...mrml.scene_corrections import modified_time, read_state
from ...mrml.volumes import read_in_steps
from ...segfiles import save_training_case, training_states
from ...segmentation import Label
from ...system.steps import silently
from ...words import in_ml
from ..core.scan_match import belonging_steps
from ..core.scene_memory import SceneMemory
from ..core.scene_nodes import in_scene, while_in_scene
from ..core.slicer_views import open_segment_editor
from ..core.task import in_thread
from ..core.task_slot import TaskSlot
from .review_widgets import ReviewWidgets, without_list

if TYPE_CHECKING:
    from ...measures.review import ReviewLesion
    from ..core.run_steps import RunResult
    from ..core.session import Session


def training_case_steps(
    node: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    folder: Path,
    memory: SceneMemory | None = None,
) -> Generator[None, None, str]:
    """Save scan and segments, as they are now, as a training case in ``folder``; returns its name.

    ``memory``: what is known of them.
    Raises InputError, also where the two do not belong together or a segment was taken out, and OutputError, also where
    the case has other labels and nobody corrected these.
    """
    begun = training_states(folder)
    memory = memory or SceneMemory()
    reviewed = read_state(node, volume_node, memory.records)
    yield from belonging_steps(node, volume_node, memory.fingerprints)
    volume = yield from silently(read_in_steps(volume_node))

    def save() -> str:
        corrected, absent = reviewed.is_corrected, reviewed.absent
        return save_training_case(volume, reviewed.labels, folder, corrected=corrected, absent=absent, begun=begun)

    return (yield from in_thread(save))


def number_in(review: Review | None, old: Review | None, lesion: ReviewLesion | None) -> int | None:
    """The number in ``review`` of what is in the place of ``lesion`` of ``old``; None where it is no lesion any more.

    Of several lesions there, that which has most of its voxels.
    """
    if review is None or old is None or lesion is None or review.node is not old.node:
        return None
    if old.reviewed.current.shape != review.reviewed.current.shape:
        return None
    first = np.array([start for start, _stop in lesion.lesion.box]) - [part.start for part in review.lesions.box]
    voxels = np.argwhere(old.lesions.part(lesion)) + first
    inside = ((voxels >= 0) & (voxels < review.lesions.numbers.shape)).all(axis=1)
    shared = review.lesions.numbers[tuple(voxels[inside].T)]
    counts = np.bincount(shared[shared > 0])
    return int(counts.argmax()) if counts.size else None


class ReviewSection:
    """Follows the segmentation that the parameters name, also after a scene was loaded."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._session = session
        self.widgets = ReviewWidgets(ui.moreSections)
        self.review: Review | None = None
        self._shown: tuple[ReviewLesion, ...] = ()
        self._saving = TaskSlot()
        self._noted: tuple[Any, Any] = (None, None)
        self._connect()
        session.nodesChanged.connect(self._follow)
        session.resultChanged.connect(self._tell_kept)
        session.runStarted.connect(lambda run: self._update_buttons())
        session.runEnded.connect(self._update_buttons)
        session.readingChanged.connect(lambda reading: self._show(reading and reading.review))
        session.readingFailed.connect(lambda _error: self._show(None))
        session.closing.connect(self._saving.close)
        self._show(None)

    def _connect(self) -> None:
        widgets = self.widgets
        widgets.order.connect("currentIndexChanged(int)", lambda index: self._order())
        widgets.table.connect("itemSelectionChanged()", self._select)
        widgets.accept.connect("clicked(bool)", lambda: self._change(accept_lesion))
        widgets.delete.connect("clicked(bool)", lambda: self._change(delete_lesion))
        widgets.edit.connect("clicked(bool)", self._edit)
        widgets.undo.connect("clicked(bool)", self._undo)
        widgets.redo.connect("clicked(bool)", self._redo)
        widgets.save.connect("clicked(bool)", self._save)

    @property
    def _nodes(self) -> tuple[Any, Any]:
        return self._session.nodes

    def _follow(self) -> None:
        """Take up the nodes that the parameters name now."""
        if self._nodes != self._noted:  # else they were moved: what was said of them holds
            self._noted = self._nodes
            self._withdraw_notes()
            self._show(None)

    def _show(self, review: Review | None) -> None:
        chosen = number_in(review, self.review, self.selected)
        self.review = review
        self._session.editedPercent.value = None if review is None else review.edited_percent
        self._fill(chosen)

    def _order(self) -> None:
        """Take up another order."""
        lesion = self.selected
        self._fill(lesion.number if lesion is not None else None)

    def _fill(self, chosen: int | None) -> None:
        """Put the lesions into the table, in the order that is chosen; ``chosen``: the number of the selected one."""
        review, widgets = self.review, self.widgets
        self._shown = ()
        if review is not None:
            by_size = widgets.order.currentIndex == 0
            self._shown = review.lesions.by_size() if by_size else review.lesions.by_certainty()
        widgets.frame.setVisible(review is not None)
        row = next((row for row, lesion in enumerate(self._shown) if lesion.number == chosen), None)
        widgets.fill(self._shown, row)
        small = () if review is None else review.lesions.not_listed()
        widgets.tell(widgets.none, without_list(len(self._shown), small))
        self._update_buttons()

    @property
    def selected(self) -> ReviewLesion | None:
        """The lesion whose row is selected."""
        row = self.widgets.table.currentRow()
        rows = self.widgets.table.selectionModel().selectedRows()
        return self._shown[row] if rows and 0 <= row < len(self._shown) else None

    def _select(self) -> None:
        """Go to the lesion in all slice views."""
        lesion = self.selected
        self._update_buttons()
        if lesion is not None:
            slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *lesion.lesion.centre_ras)

    def _update_buttons(self) -> None:
        widgets, node = self.widgets, self._nodes[0]
        review = self.review if self._session.run is None else None
        idle = review is not None
        chosen = idle and self.selected is not None
        may_change = review is not None and chosen and review.can_change
        has_record = review is not None and bool(review.reviewed.last.known & bit(Label.INFECTION))
        widgets.accept.enabled = may_change and has_record
        widgets.delete.enabled = may_change
        widgets.edit.enabled = chosen
        widgets.save.enabled = idle and not self._saving.busy
        points = self._session.undoPoints
        widgets.undo.enabled = self._session.run is None and points.can_undo(node)
        widgets.redo.enabled = self._session.run is None and points.can_redo(node)

    def _change(self, change: Callable[[Review, ReviewLesion, Callable], None]) -> None:
        """Accept or delete the selected lesion, with an undo point before it."""
        review, lesion = self.review, self.selected
        if review is None or lesion is None:
            return
        if review.reviewed.time != modified_time(review.node):
            self._session.readingWanted.emit()  # edited this very moment: the list is old
            return
        try:
            change(review, lesion, lambda node: self._session.undoPoints.save(node, run=False))
        except InputError as error:  # nothing was changed, and there is no undo point
            self._session.failed.emit(error)
            return
        self._session.readingWanted.emit()

    def _edit(self) -> None:
        """Open the Segment Editor at the selected lesion."""
        lesion = self.selected
        open_segment_editor(*self._nodes)
        if lesion is not None:
            slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *lesion.lesion.centre_ras)

    def _undo(self) -> None:
        self._session.undoPoints.undo(self._nodes[0])
        self._session.resultChanged.emit(None)  # what was said about the run holds no longer
        self._session.readingWanted.emit()

    def _redo(self) -> None:
        self._session.undoPoints.redo(self._nodes[0])
        self._session.readingWanted.emit()

    def _tell_kept(self, result: RunResult | None) -> None:
        """Say how much of the reader's work the run kept."""
        if result is None:
            self._withdraw_notes()
            return
        texts = []
        if result.segmentation.provenance.kept_ml:
            volume = in_ml(result.segmentation.provenance.kept_ml)
            texts.append(_("{volume} that you had corrected were kept.").format(volume=volume))
        if result.untouched:
            names = ", ".join(result.untouched)
            texts.append(_("Not touched: {names} (completed, removed, or without a record).").format(names=names))
        self.widgets.tell(self.widgets.kept, " ".join(texts))

    def _withdraw_notes(self) -> None:
        """Say no longer what was kept or saved: other nodes are chosen, or it was undone."""
        self.widgets.tell(self.widgets.kept, "")
        self.widgets.tell(self.widgets.saved, "")

    def _save(self) -> None:
        """Ask for a folder and save the case there."""
        nodes = self._nodes  # of the click: a run may end while the window for the folder is open
        folder = qt.QFileDialog.getExistingDirectory(self.widgets.save, _("Folder of training cases"))
        if not folder or not in_scene(nodes):
            return
        self._saving.start(
            while_in_scene(training_case_steps(*nodes, Path(folder), self._session.memory), nodes),
            lambda case: self._saved(case, nodes),
            self._session.failed.emit,
            ended=self._update_buttons,
        )
        self._update_buttons()

    def _saved(self, case: str, nodes: tuple[Any, Any]) -> None:
        if nodes == self._nodes:  # else it would stand under another patient's name
            text = _("Saved as {case}, without anything about the patient.").format(case=case)
            self.widgets.tell(self.widgets.saved, text)
