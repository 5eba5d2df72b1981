"""The part of the panel with the numbers of the last run, and the ways on: correct them, see them in 3-D."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from . import wording

if TYPE_CHECKING:
    from ..measures import Measurements
    from .run import RunResult
    from .session import Session


def table_rows(measurements: Measurements) -> list[tuple[str, str, str]]:
    """Left, right and both lungs: lung mL, infection mL, percent infected; "-" where there is no lung."""
    rows = []
    for region in (measurements.left, measurements.right, measurements.total):
        percent = region.infection_percent
        share = "-" if percent is None else f"{percent:.1f}"
        rows.append((f"{region.lung_ml:.0f}", f"{region.infection_ml:.1f}", share))
    return rows


class ResultsSection:
    """Shows what the last run with this set of parameters found."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._set_up_table()
        ui.editButton.connect("clicked(bool)", self._edit)
        session.resultChanged.connect(self._show)
        session.measurementsChanged.connect(self._show_numbers)
        session.editedChanged.connect(self._show_edited)
        self._show(None)

    def _set_up_table(self) -> None:
        table = self._ui.resultsTable
        table.setColumnCount(4)
        table.setRowCount(3)
        table.setHorizontalHeaderLabels([_("Lung mL"), _("Infection mL"), _("Infected %"), _("Edited %")])
        table.setVerticalHeaderLabels([_("Left lung"), _("Right lung"), _("Both lungs")])
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
        table.toolTip = _(
            "Infection counts as lung, and to the lung of its own side. Edited: share of the infection that a reader "
            "added or took away."
        )

    def _show_edited(self) -> None:
        percent = self._session.editedPercent
        item = qt.QTableWidgetItem("-" if percent is None else f"{percent:.1f}")
        item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        self._ui.resultsTable.setItem(2, 3, item)

    def _show(self, result: RunResult | None) -> None:
        ui = self._ui
        ui.resultsHint.setVisible(result is None)
        ui.resultsTable.setVisible(result is not None)
        ui.resultsButtons.enabled = result is not None
        ui.show3DButton.setSegmentationNode(result.segmentationNode if result else None)
        ui.resultsNotes.setVisible(False)
        if result is not None:
            self._show_numbers(result)

    def _show_numbers(self, result: RunResult) -> None:
        """Fill the table, and say what the reader should know."""
        notes = "\n".join(map(wording.translated, result.warnings))
        self._ui.resultsNotes.text = notes
        self._ui.resultsNotes.setVisible(bool(notes))
        for row, texts in enumerate(table_rows(result.measurements)):
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                self._ui.resultsTable.setItem(row, column, item)

    def _edit(self) -> None:
        """Open the Segment Editor where the reader will want to correct: at the infection, on its CT."""
        from ..segmentation import SEGMENTS, Label

        result = self._session.result
        slicer.util.selectModule("SegmentEditor")
        editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
        editor.setSegmentationNode(result.segmentationNode)
        editor.setSourceVolumeNode(result.volumeNode)
        infection = next(segment.id for segment in SEGMENTS if segment.label == Label.INFECTION)
        editor.setCurrentSegmentID(infection)
