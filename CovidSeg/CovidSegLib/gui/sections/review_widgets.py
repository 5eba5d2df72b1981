"""The widgets of the review, without what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ctk
import qt
from slicer.i18n import tr as _

from ...measures.lesions import COUNTED_ML
from .widgets import add_button, add_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...measures.review import ReviewLesion


def lesion_name(lesion: ReviewLesion) -> str:
    """Which lesion it is: its number, largest first, and the lung that it counts to."""
    text = _("{number} · left lung") if lesion.side == "left" else _("{number} · right lung")
    return text.format(number=lesion.rank)


def lesion_cells(lesion: ReviewLesion) -> tuple[str, str, str]:
    """Volume in mL, certainty in percent, and whose it is."""
    state = ""
    if lesion.accepted:
        state = _("yours")
    elif lesion.readers:
        state = _("edited")
    return f"{lesion.lesion.ml:.2f}", "-" if lesion.certainty is None else str(lesion.certainty), state


def without_list(listed: int, small: Sequence[ReviewLesion]) -> str:
    """What the list does not show: that there is nothing, or the ``small`` lesions; "" where it shows all."""
    if not small:
        return "" if listed else _("There is no infection to review.")
    ml = sum(lesion.lesion.ml for lesion in small)
    text = _("Not listed: {count} of less than {least} mL, {ml} mL together.")
    return text.format(count=len(small), least=f"{COUNTED_ML:g}", ml=f"{ml:.2f}")


class ReviewWidgets:
    """A fold with a line on what was kept, the list of lesions (or that there is none), and buttons."""

    def __init__(self, place: Any) -> None:
        self.fold = ctk.ctkCollapsibleButton(place)
        self.fold.text = _("Review")
        place.layout().addWidget(self.fold)
        layout = qt.QVBoxLayout(self.fold)
        layout.setContentsMargins(2, 6, 2, 6)
        self.kept = self._label(layout)
        self.frame = qt.QWidget()
        layout.addWidget(self.frame)
        inner = qt.QVBoxLayout(self.frame)
        inner.setContentsMargins(0, 0, 0, 0)
        self.order = qt.QComboBox()
        self.order.addItems([_("Largest lesions first"), _("Least certain lesions first")])
        inner.addWidget(self.order)
        self.table = self._table()
        inner.addWidget(self.table)
        self.none = self._label(inner)
        row = qt.QHBoxLayout()
        inner.addLayout(row)
        self.accept = add_button(row, _("Accept"), _("This lesion is right: no later run takes it away."))
        self.delete = add_button(row, _("Delete"), _("This is no infection: turn it into lung."))
        self.edit = add_button(row, _("Edit"), _("Correct this lesion in the Segment Editor."))
        row = qt.QHBoxLayout()
        layout.addLayout(row)
        self.undo = add_button(row, _("Undo"), _("Take back the last run, Accept or Delete, and all edits after it."))
        self.redo = add_button(row, _("Redo"), _("Bring back what Undo took."))
        self.save = add_button(
            layout,
            _("Save as training case..."),
            _("Save scan and segments for CovidSegTraining, without the patient."),
        )
        self.saved = self._label(layout)

    @staticmethod
    def tell(label: Any, text: str) -> None:
        """Show ``text``, or ("") nothing."""
        label.text = text
        label.setVisible(bool(text))

    def fill(self, lesions: tuple[ReviewLesion, ...], selected: int | None) -> None:
        """List these, with the row ``selected``; that is not told as a choice of the reader."""
        table = self.table
        for widget in (self.order, table):
            widget.setVisible(bool(lesions))
        heard = table.blockSignals(True)
        table.clearSelection()
        table.setRowCount(len(lesions))
        table.setVerticalHeaderLabels([lesion_name(lesion) for lesion in lesions])
        for row, lesion in enumerate(lesions):
            for column, text in enumerate(lesion_cells(lesion)):
                item = qt.QTableWidgetItem(text)
                if column < 2:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                table.setItem(row, column, item)
        if selected is not None:
            table.selectRow(selected)
        table.blockSignals(heard)

    def _table(self) -> Any:
        table = qt.QTableWidget()
        table.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Expanding)
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("Volume\nmL"), _("Certainty\n%"), _("State")])
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
        table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)  # the longest word
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.setMaximumHeight(180)
        table.toolTip = _(
            "Select a lesion to see it in all slice views. State: edited where a reader changed some of it, yours "
            "where all of it was accepted or drawn by a reader."
        )
        return table

    @staticmethod
    def _label(layout: Any) -> Any:
        label = add_label(layout)
        label.setVisible(False)
        return label
