"""The undo point before a run: in the module's own history, and in the Segment Editor's where it edits the node."""

from __future__ import annotations

from typing import Any

import slicer

from ...mrml.history import UndoPoints


class RunUndo(UndoPoints):
    """See :class:`.mrml.history.UndoPoints`; one Undo of the Segment Editor, too, takes back what follows."""

    def save(self, node: slicer.vtkMRMLSegmentationNode, *, run: bool = True) -> None:
        """Keep the state of ``node``; see there."""
        super().save(node, run=run)
        self._save_in_editor(node)

    def undo(self, node: slicer.vtkMRMLSegmentationNode) -> bool:
        """Take the last run back; what was edited after it can be brought back in the Segment Editor, too."""
        if self.can_undo(node):
            self._save_in_editor(node)
        return super().undo(node)

    @staticmethod
    def _save_in_editor(node: slicer.vtkMRMLSegmentationNode) -> None:
        editor = _editor_of(node)
        if editor is not None:
            editor.saveStateForUndo()


def can_redo_in_editor(node: slicer.vtkMRMLSegmentationNode) -> bool:
    """Whether the Segment Editor has a Redo for ``node``, which any change, also that of a tag, would take away."""
    editor = _editor_of(node)
    return editor is not None and any(button.enabled for button in slicer.util.findChildren(editor, name="RedoButton"))


def _editor_of(node: slicer.vtkMRMLSegmentationNode) -> Any:
    """The Segment Editor's widget where it edits ``node``, else None.

    It has a history of the one segmentation that it shows; where its window was not built it has none.
    """
    editor = node.GetScene().GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    if editor is None or editor.GetSegmentationNode() is not node:
        return None
    return slicer.modules.segmenteditor.widgetRepresentation().self().editor


UNDO_POINTS = RunUndo()
"""Those of this Slicer: the panel takes back what was run from the console, and the other way round."""
