"""The part of the panel with the numbers of the segments, and the ways on: correct them, see them in 3-D."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from ..core import wording
from ..core.scene_nodes import has_infection_segment
from ..core.slicer_views import open_segment_editor

if TYPE_CHECKING:
    from ...measures import Measurements
    from ..core.session import Session, Shown


def table_rows(measurements: Measurements, *, infection: bool = True) -> list[tuple[str, str, str]]:
    """Left, right and both lungs: lung mL, infection mL, percent infected; "-" where there is no lung.

    ``infection``: whether there is a segment of it; without one nothing was measured, which is not 0.
    """
    rows = []
    for region in (measurements.left, measurements.right, measurements.total):
        percent = region.infection_percent
        share = "-" if percent is None or not infection else f"{percent:.1f}"
        rows.append((f"{region.lung_ml:.0f}", f"{region.infection_ml:.1f}" if infection else "-", share))
    return rows


class ResultsSection:
    """Shows the numbers of the segmentation that the parameters name: after a run, corrected, or of a saved scene."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._set_up_table()
        ui.editButton.connect("clicked(bool)", self._edit)
        session.shown.changed.connect(self._show)
        session.editedPercent.changed.connect(self._show_edited)
        self._show(None)

    def _set_up_table(self) -> None:
        table = self._ui.resultsTable
        table.setColumnCount(4)
        table.setRowCount(3)
        table.setHorizontalHeaderLabels([_("Lung\nmL"), _("Infection\nmL"), _("Infected\n%"), _("Edited\n%")])
        table.setVerticalHeaderLabels([_("Left"), _("Right"), _("Both")])
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
        table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)  # the longest word
        table.toolTip = _(
            "Infection counts as lung, and to the lung of its own side. Edited: share of the infection that a reader "
            "added or took away."
        )

    def _fit_height(self) -> None:
        """Make the table as high as its rows.

        It cannot do so itself: it would ask for the width of its columns, too, which grow with it, and the window with
        them.
        """
        table = self._ui.resultsTable
        rows = table.verticalHeader().length() + table.horizontalHeader().sizeHint.height()
        table.setFixedHeight(rows + 2 * table.frameWidth)

    def _show_edited(self, percent: float | None) -> None:
        item = qt.QTableWidgetItem("-" if percent is None else f"{percent:.1f}")
        item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        self._ui.resultsTable.setItem(2, 3, item)

    def _show(self, shown: Shown | None) -> None:
        """Fill the table, and say what the reader should know."""
        ui = self._ui
        ui.resultsHint.setVisible(shown is None)
        ui.resultsTable.setVisible(shown is not None)
        ui.resultsButtons.enabled = shown is not None
        ui.show3DButton.setSegmentationNode(shown.segmentationNode if shown else None)
        notes = "\n".join(map(wording.translated, shown.warnings)) if shown else ""
        ui.resultsNotes.text = notes
        ui.resultsNotes.setVisible(bool(notes))
        if shown is None:
            return
        self._fit_height()
        infection = has_infection_segment(shown.segmentationNode)
        for row, texts in enumerate(table_rows(shown.measurements, infection=infection)):
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                ui.resultsTable.setItem(row, column, item)

    def _edit(self) -> None:
        """Open the Segment Editor where the reader will want to correct: at the infection, on its CT."""
        shown = self._session.shown.value
        assert shown is not None, "there is a button only beside numbers"
        open_segment_editor(shown.segmentationNode, shown.volumeNode)
