"""The undo point before a run: in the module's own history, and in the Segment Editor's where it edits the node."""

from __future__ import annotations

import slicer

from ..mrml import UndoPoints


class RunUndo(UndoPoints):
    """See :class:`CovidSegLib.mrml.UndoPoints`; one Undo of the Segment Editor, too, takes back what follows."""

    def save(self, node: slicer.vtkMRMLSegmentationNode, *, run: bool = True) -> None:
        """Keep the state of ``node``; see there."""
        super().save(node, run=run)
        self._save_in_editor(node)

    def undo(self, node: slicer.vtkMRMLSegmentationNode) -> bool:
        """Take the last run back; what was edited after it can be brought back in the Segment Editor, too."""
        if self.can_undo(node):
            self._save_in_editor(node)
        return super().undo(node)

    def _save_in_editor(self, node: slicer.vtkMRMLSegmentationNode) -> None:
        # The editor has a history of the one segmentation that it shows; where its window was not built it has none.
        editor = node.GetScene().GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
        if editor is not None and editor.GetSegmentationNode() is node:
            slicer.modules.segmenteditor.widgetRepresentation().self().editor.saveStateForUndo()


UNDO_POINTS = RunUndo()
"""Those of this Slicer: the panel takes back what was run from the console, and the other way round."""
