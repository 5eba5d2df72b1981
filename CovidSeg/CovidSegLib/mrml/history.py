"""One undo point for each run, kept by the module itself: the Segment Editor's own Undo is another history."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import slicer

_STATES = 3
"""States that are kept of a segmentation: before the last run, after it, and one in hand."""


class UndoPoints:
    """Histories of segmentations, by node. What a state holds: voxels, names, colours, tags, which segments there are.

    Voxels that did not change are shared between states, so a point costs little until a run replaces them.
    """

    def __init__(self) -> None:
        self._histories: dict[str, tuple[slicer.vtkSegmentation, slicer.vtkSegmentationHistory]] = {}

    def save(self, node: slicer.vtkMRMLSegmentationNode) -> None:
        """Keep the state of ``node`` as it is now."""
        import slicer

        content = node.GetSegmentation()
        known = self._histories.get(node.GetID())
        if known is None or known[0] is not content:
            history = slicer.vtkSegmentationHistory()
            history.SetSegmentation(content)
            history.SetMaximumNumberOfStates(_STATES)
            self._histories[node.GetID()] = known = content, history
        known[1].SaveState()

    def can_undo(self, node: slicer.vtkMRMLSegmentationNode | None) -> bool:
        """Whether there is a run to take back."""
        history = self._of(node)
        return history is not None and bool(history.IsRestorePreviousStateAvailable())

    def can_redo(self, node: slicer.vtkMRMLSegmentationNode | None) -> bool:
        """Whether there is a run that was taken back and nothing was changed since."""
        history = self._of(node)
        return history is not None and bool(history.IsRestoreNextStateAvailable())

    def undo(self, node: slicer.vtkMRMLSegmentationNode) -> bool:
        """Take the last run back, with all that was done to ``node`` after it. Returns whether there was one."""
        if not self.can_undo(node):
            return False
        return bool(self._histories[node.GetID()][1].RestorePreviousState())

    def redo(self, node: slicer.vtkMRMLSegmentationNode) -> bool:
        """Bring back what :meth:`undo` took. Returns whether there was something."""
        if not self.can_redo(node):
            return False
        return bool(self._histories[node.GetID()][1].RestoreNextState())

    def clear(self) -> None:
        """Forget everything: the scene is closed."""
        self._histories.clear()

    def _of(self, node: slicer.vtkMRMLSegmentationNode | None) -> slicer.vtkSegmentationHistory | None:
        if node is None or node.GetID() not in self._histories:
            return None
        content, history = self._histories[node.GetID()]
        # The id may belong to another node by now: of a scene that was loaded.
        return history if node.GetSegmentation() is content else None
