"""Undo points for runs and for the review, kept by the module itself: the Segment Editor's own Undo is another history.

Slicer's vtkSegmentationHistory forgets its oldest state when it is full, and its Redo at the next edit. Here the state
before the last run is the last to be forgotten, and what an Undo took away can be had back after any edit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..geometry.grid import Grid
from .covidseg_segments import ids_in
from .segment_display import SURFACE, looks_of, show_as, substance, surfaces_kept
from .volumes import reference_grid

if TYPE_CHECKING:
    import slicer
    import vtk

MAX_STATES = 50
"""States that are kept of a segmentation at most."""

MAX_BYTES = 1 << 30
"""Memory for their voxels at most, in bytes: of a scan of 512x512x300 a state whose voxels changed takes 75 MiB, one in
which only names, colours or tags did takes none. The state before the last run and the newest one are always kept."""


class UndoPoints:
    """Histories of segmentations, by node. What a state holds: voxels, names, colours, tags, which segments there are.

    How a segment is shown stays as it is, also if Undo takes it out and Redo brings it back. Making surfaces ("Show
    3D") is no step: where there are some, there are some of the restored voxels too. No step leads over a change of the
    grid (a transform that was hardened, Specify geometry): the voxels would come back where the scan is no more.

    Voxels that did not change are shared between states, so a point costs little until a run replaces them.
    """

    def __init__(self) -> None:
        self._histories: dict[str, tuple[slicer.vtkMRMLSegmentationNode, _History]] = {}

    def save(self, node: slicer.vtkMRMLSegmentationNode, *, run: bool = True) -> None:
        """Keep the state of ``node`` as it is now. ``run``: a run follows, not a smaller step."""
        gone = [name for name, (other, _) in self._histories.items() if other.GetScene() is None]
        for name in gone:
            del self._histories[name]
        if self._of(node) is None:
            self._histories[node.GetID()] = node, _History(node)
        self._histories[node.GetID()][1].save(run=run)

    def can_undo(self, node: slicer.vtkMRMLSegmentationNode | None) -> bool:
        """Whether there is something to take back."""
        history = self._of(node)
        return history is not None and history.can_undo

    def can_redo(self, node: slicer.vtkMRMLSegmentationNode | None) -> bool:
        """Whether something was taken back and nothing was changed since."""
        history = self._of(node)
        return history is not None and history.can_redo

    def undo(self, node: slicer.vtkMRMLSegmentationNode) -> bool:
        """Take the last step back, with all that was done to ``node`` after it. Returns whether there was one."""
        history = self._of(node)
        return history is not None and history.undo()

    def redo(self, node: slicer.vtkMRMLSegmentationNode) -> bool:
        """Bring back what :meth:`undo` took. Returns whether there was something."""
        history = self._of(node)
        return history is not None and history.redo()

    def clear(self) -> None:
        """Forget everything: the scene is closed."""
        self._histories.clear()

    def _of(self, node: slicer.vtkMRMLSegmentationNode | None) -> _History | None:
        if node is None or node.GetID() not in self._histories:
            return None
        known, history = self._histories[node.GetID()]
        # The id may belong to another node by now: of a scene that was loaded.
        return history if known is node and node.GetSegmentation() is history.content else None


@dataclass(frozen=True)
class _State:
    """A segmentation as it was: ``segments`` by id, in their order; ``run``: it is the one before a run.

    ``looks``: how the segments were shown (:mod:`.segment_display`); ``grid``: theirs
    (:func:`.volumes.reference_grid`) where any is ours; None where all are a reader's, which may lie on any grid.
    """

    segments: dict[str, slicer.vtkSegment]
    run: bool = False
    looks: dict[str, dict[str, Any]] = field(default_factory=dict)
    grid: Grid | None = None

    def has_surfaces(self) -> bool:
        """Whether all its segments have one: it was captured while they were shown."""
        return all(segment.GetRepresentation(SURFACE) is not None for segment in self.segments.values())

    def voxels(self) -> Iterable[vtk.vtkDataObject]:
        """What takes memory: labelmaps and surfaces; several segments may share one."""
        for segment in self.segments.values():
            for name in _kinds(segment):
                yield segment.GetRepresentation(name)


class _History:
    """The states of one segmentation, to go back to (``_before``, oldest first) and to come back to (``_after``)."""

    def __init__(self, node: slicer.vtkMRMLSegmentationNode) -> None:
        self._node = node
        self.content = node.GetSegmentation()
        self._before: list[_State] = []
        self._after: list[_State] = []
        self._restored: _State | None = None  # what the last undo or redo brought
        self._time, self._substance = 0, ()  # when it had brought it, and what there was then
        # Labelmaps and surfaces of the segmentation by id(), each with its time and the copy that was made then.
        self._copies: dict[int, tuple[vtk.vtkDataObject, int, vtk.vtkDataObject]] = {}

    @property
    def can_undo(self) -> bool:
        if self._was_edited():
            return self._restored is not None and self._fits(self._restored)
        return bool(self._before) and self._fits(self._before[-1])

    @property
    def can_redo(self) -> bool:
        return bool(self._after) and not self._was_edited() and self._fits(self._after[-1])

    def save(self, *, run: bool) -> None:
        self._give_up_redo()
        self._before.append(self._capture(run=run))
        self._forget()

    def undo(self) -> bool:
        if not self.can_undo:
            return False
        if self._was_edited():
            self._give_up_redo()
        state = self._before.pop()
        self._after.append(self._capture(run=state.run))
        self._restore(state)
        return True

    def redo(self) -> bool:
        if not self.can_redo:
            return False
        state = self._after.pop()
        self._before.append(self._capture(run=state.run))
        self._restore(state)
        return True

    def _fits(self, state: _State) -> bool:
        """Whether the voxels of ``state`` are voxels of the grid that the segmentation has now."""
        now = reference_grid(self.content)
        return state.grid is None or now is None or now.holds(state.grid)

    def _was_edited(self) -> bool:
        """Whether anything changed since the last undo or redo."""
        if self._restored is None or _time(self.content) == self._time:
            return False
        return substance(self.content) != self._substance

    def _give_up_redo(self) -> None:
        """Let Undo, from now on, have back what Redo could: a step follows that it does not belong to.

        Somebody who takes a run back and edits has decided; the work that went with the run is not lost by that.
        """
        self._before += [replace(state, run=False) for state in reversed(self._after)]
        if self._restored is not None and self._was_edited():
            self._before.append(replace(self._restored, run=False))
        self._after.clear()
        self._restored = None
        self._forget()

    def _capture(self, *, run: bool) -> _State:
        """The segmentation as it is now; what did not change since it was captured or restored is shared."""
        import slicer

        segments = {}
        known, self._copies = self._copies, {}
        for name in self.content.GetSegmentIDs():
            segment = self.content.GetSegment(name)
            segments[name] = kept = slicer.vtkSegment()
            kept.DeepCopyMetadata(segment)
            for kind in _kinds(segment):
                voxels = segment.GetRepresentation(kind)
                if id(voxels) not in self._copies:
                    _, time, copy = known.get(id(voxels), (None, -1, None))
                    copy = copy if time == voxels.GetMTime() else _copy(voxels)
                    self._copies[id(voxels)] = voxels, voxels.GetMTime(), copy
                kept.AddRepresentation(kind, self._copies[id(voxels)][2])
        grid = reference_grid(self.content) if ids_in(self._node) else None
        return _State(segments, run, looks_of(self._node), grid)

    def _restore(self, state: _State) -> None:
        """Let the segmentation be as it was."""
        import slicer

        alive: dict[int, tuple[vtk.vtkDataObject, vtk.vtkDataObject]] = {}
        # Views look at each step of this, and make surfaces where a segment has none of those that others have: each
        # has its voxels at any time, a new one before it is added, or Slicer gives up and tells no more of any change.
        with slicer.util.NodeModify(self._node), surfaces_kept(self._node, anew=not state.has_surfaces()):
            for name, kept in state.segments.items():
                segment = self.content.GetSegment(name)
                known = segment is not None
                segment = segment if known else slicer.vtkSegment()
                segment.DeepCopyMetadata(kept)
                for kind in _kinds(kept):
                    copy = kept.GetRepresentation(kind)
                    if id(copy) not in alive:
                        alive[id(copy)] = _copy(copy), copy
                    segment.AddRepresentation(kind, alive[id(copy)][0])
                if not known:
                    self.content.AddSegment(segment, name)
                    show_as(self._node, name, state.looks.get(name, {}))
            for name in set(self.content.GetSegmentIDs()) - set(state.segments):
                self.content.RemoveSegment(name)
            self.content.ReorderSegments(list(state.segments))
            self._copies = {id(voxels): (voxels, voxels.GetMTime(), copy) for voxels, copy in alive.values()}
        if self._node.GetDisplayNode() is not None:
            self._node.GetDisplayNode().Modified()  # views take up the voxels that took the place of others
        self._restored, self._time, self._substance = state, _time(self.content), substance(self.content)

    def _forget(self) -> None:
        """Keep within the bounds: the oldest states go first, that before the last run and the newest not at all."""
        while len(self._before) > MAX_STATES or self._bytes() > MAX_BYTES:
            last_run = max((at for at, state in enumerate(self._before) if state.run), default=-1)
            free = [at for at in range(len(self._before) - 1) if at != last_run]
            if not free:
                return
            del self._before[free[0]]

    def _bytes(self) -> int:
        kept = {id(voxels): voxels for state in self._before for voxels in state.voxels()}
        return 1024 * sum(voxels.GetActualMemorySize() for voxels in kept.values())


def _kinds(segment: slicer.vtkSegment) -> list[str]:
    """The names of the labelmap and the surface, as far as there are such."""
    names: list[str] = []
    segment.GetContainedRepresentationNames(names)
    return names


def _copy(voxels: vtk.vtkDataObject) -> vtk.vtkDataObject:
    copy = voxels.NewInstance()
    copy.DeepCopy(voxels)
    return copy


def _time(content: slicer.vtkSegmentation) -> int:
    """Grows with every change of the segments, also of their voxels."""
    segments = [content.GetSegment(name) for name in content.GetSegmentIDs()]
    voxels = [part.GetRepresentation(kind) for part in segments for kind in _kinds(part)]
    return max(content.GetMTime(), *(part.GetMTime() for part in (*segments, *voxels)), 0)
