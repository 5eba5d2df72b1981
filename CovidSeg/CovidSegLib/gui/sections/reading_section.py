"""One look at the scene after each change of it, for all that the panel says of the segments: numbers and lesions."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...measures import Measurements, measure
from ...measures.found import find_all
from ...mrml.covidseg_segments import ids_in
from ...mrml.lesion_review import Review, plan_review
from ...mrml.readback import absent_in, our_segments, read_labels_in_steps, read_lobes
from ...mrml.scene_corrections import check_same_place, mark_edited, modified_time, read_state
from ...mrml.volumes import read_in_steps, voxels_time
from ...reading.verdict import judge_scan
from ...system.steps import silently
from ..core.followers import EditFollower, LobeFollower
from ..core.scan_match import belonging_steps
from ..core.task import in_thread
from ..core.task_slot import TaskSlot
from ..core.undo import can_redo_in_editor

if TYPE_CHECKING:
    import numpy as np
    import slicer

    from ..core.scene_memory import SceneMemory
    from ..core.session import Session


@dataclass(frozen=True)
class Reading:
    """What there is to say of the segments as they are.

    ``measured``: the numbers; None where ``refusal`` tells why there are none. ``review``: the lesions.
    """

    measured: Measurements | None
    review: Review
    refusal: InputError | None = None


def reading_steps(
    node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLScalarVolumeNode, memory: SceneMemory
) -> Generator[None, None, Reading]:
    """Read scan and segments once, find lungs and lesions once, and make numbers and list of them.

    ``memory``: what is known from the reading before.
    Raises InputError where the scan cannot be read, or the segments do not belong to it.
    """
    yield None
    yield from belonging_steps(node, volume_node, memory.fingerprints)
    reviewed = read_state(node, volume_node, memory.records)
    listed = plan_review(node, volume_node, reviewed)
    try:
        check_same_place(node, volume_node)
    except InputError as error:
        return Reading(None, (yield from in_thread(listed)), error)
    time = voxels_time(volume_node)  # Slicer gives no time twice
    volume = yield from silently(read_in_steps(volume_node, copied=False))
    labels = yield from _labels_by_codes(node, volume_node)
    lobes, absent = read_lobes(volume_node.GetScene(), volume_node), absent_in(node)

    def read() -> Reading:
        of_review = reviewed.labels
        of_numbers = of_review if labels is None else labels
        found = find_all(of_numbers, volume.grid, memory.lungs)
        measured = measure(
            of_numbers,
            volume.grid,
            voxels=volume.voxels,
            lobes=lobes,
            absent=absent,
            found=found,
            verdict=memory.verdict.to((time, volume.of_other_unit), partial(judge_scan, volume)),
        )
        return Reading(measured, listed(of_review, found if of_review is of_numbers else None))

    return (yield from in_thread(read))


def _labels_by_codes(
    node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLScalarVolumeNode
) -> Generator[None, None, np.ndarray | None]:
    """The labels where segments are ours by their codes alone, which no state has; else None."""
    if set(our_segments(node)) == set(ids_in(node).values()):
        return None
    return (yield from read_labels_in_steps(node, volume_node))


class ReadingSection:
    """Shows nothing itself: reads anew when segments, scan or lobes changed, and tells the session."""

    def __init__(self, _ui: Any, session: Session) -> None:
        self._session = session
        self._task = TaskSlot()
        self._time = 0  # of the segments that are read, or were last
        self._edits, self._lobes = EditFollower(self._edited), LobeFollower(self.read)
        session.nodesChanged.connect(self._follow)
        session.runEnded.connect(self.read)
        session.readingWanted.connect(self.read)
        session.closing.connect(self._close)

    @property
    def busy(self) -> bool:
        """Whether the scene is being read."""
        return self._task.busy

    def read(self) -> None:
        """Read anew."""
        self._task.stop()
        if not self._session.hasSegments:
            self._session.readingChanged.emit(None)
            return
        self._time = modified_time(self._session.nodes[0])
        steps = reading_steps(*self._session.nodes, self._session.memory)
        self._task.start(steps, self._done, self._failed)

    def _edited(self) -> None:
        """Read anew, unless it was a change that was read already: a tag of our own, or what a button did."""
        node = self._session.nodes[0]
        if node is None or modified_time(node) != self._time:
            self.read()

    def _follow(self) -> None:
        node, scan = self._session.nodes
        self._edits.follow(node)
        self._lobes.follow(scan)
        self.read()

    def _done(self, reading: Reading) -> None:
        review = reading.review
        can_redo = self._session.undoPoints.can_redo(review.node) or can_redo_in_editor(review.node)
        is_current = modified_time(review.node) == review.reviewed.time
        # A Redo, here or in the Segment Editor, would be lost by a change, also of a tag.
        if not can_redo and mark_edited(review.node, review.reviewed) and is_current:
            # The tags are set now: what was read is still what is there.
            self._time = modified_time(review.node)
            reviewed = replace(review.reviewed, time=self._time)
            reading = replace(reading, review=replace(review, reviewed=reviewed))
        self._session.readingChanged.emit(reading)

    def _failed(self, error: Exception) -> None:
        self._session.readingFailed.emit(error)
        if not isinstance(error, InputError):  # of another scan, or of one that cannot be read: no fault
            self._session.failed.emit(error)

    def _close(self) -> None:
        self._task.close()
        self._edits.follow(None)
        self._lobes.stop()
