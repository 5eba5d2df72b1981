"""The panel fits into a narrow column, and nothing in it makes Slicer's window wider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

from PySide6 import QtCore, QtWidgets

from CovidSegLib.errors import EngineError
from Testing.kit.slicer_window.application import ModulePanel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from Testing.kit.slicer_window.module import OpenModule

NARROW, NORMAL = 300, 440
LONG = "A scan with a very long name that tells of 512 x 512 x 300 voxels, its kernel and much more"


class Column:
    """The panel in Slicer's column of modules, ``width`` pixels wide."""

    def __init__(self, panel: OpenModule, width: int) -> None:
        self.panel, self._qt = panel, panel.world.qt
        self._style = self._qt.style().objectName()
        self._qt.setStyle("Fusion")
        self.area = ModulePanel(panel.place)
        self.area.resize(width, 900)
        self.area.show()
        self.settle()

    def settle(self) -> None:
        for _ in range(4):
            self._qt.processEvents()

    def section(self, name: str) -> object:
        return self.panel.section(name)

    def clipped(self) -> list[str]:
        """Names of what is seen and has not the place that it needs at least, or stands over the edge."""
        found = []
        for one in QtWidgets.QWidget.findChildren(self.panel.place, QtWidgets.QWidget):
            if not QtWidgets.QWidget.isVisible(one) or isinstance(one, (QtWidgets.QHeaderView, QtWidgets.QScrollBar)):
                continue
            corner = QtWidgets.QWidget.mapTo(one, self.panel.place, QtCore.QPoint(QtWidgets.QWidget.width(one), 0))
            least = QtCore.QObject.property(one, "minimumSizeHint").width()
            if QtWidgets.QWidget.width(one) < least or corner.x() > QtWidgets.QWidget.width(self.panel.place):
                found.append(f"{type(one).__name__} {QtCore.QObject.objectName(one)}")
        return found

    def close(self) -> None:
        self.area.takeWidget()
        self._qt.setStyle(self._style)


@pytest.fixture
def column(opened: tuple, request: pytest.FixtureRequest) -> Iterator[Column]:
    panel, _section, node, scan = opened
    scan.SetName(LONG)
    node.SetName(f"{LONG} CovidSeg")
    made = Column(panel, getattr(request, "param", NARROW))
    yield made
    made.close()


def show_all(column: Column) -> None:
    """Everything that the panel can show, at once."""
    ui = column.panel.ui
    column.panel.until(lambda: column.section("ReviewSection").review is not None)
    ui.advancedCollapsibleButton.collapsed = False
    ui.useGpuButton.setVisible(True)
    column.section("InstallSection")._ask_for_gpu(("A graphics card with a long name",))
    column.panel.session.failed.emit(EngineError("The process stopped in the middle of its work.", "Try it again."))
    ui.detailsCollapsibleButton.setVisible(True)
    ui.detailsCollapsibleButton.collapsed = False
    ui.resultsNotes.text = "The lungs are unusually small: look at the masks and at the voxel size. " * 3
    ui.resultsNotes.setVisible(True)
    review = column.section("ReviewSection").widgets
    for label in (review.kept, review.saved, review.none):
        review.tell(label, "12 mL that you had corrected were kept, and more was said in a long sentence.")
    column.settle()


def test_the_panel_asks_for_no_more_than_300_pixels(column: Column) -> None:
    show_all(column)
    assert column.area.asked_width <= NARROW
    assert column.panel.place.width <= NARROW


@pytest.mark.parametrize("column", [NARROW, NORMAL], indirect=True)
def test_nothing_is_clipped(column: Column) -> None:
    show_all(column)
    assert column.clipped() == []


def test_the_panel_does_not_grow_with_time_and_can_be_made_narrower_again(column: Column) -> None:
    asked = column.area.asked_width
    for width in (NARROW, 700, 900, NARROW):  # as wide as the Segment Editor makes it, and back
        column.area.resize(width, 900)
        for _ in range(10):
            column.panel.session.shown.changed.emit(column.panel.session.shown.value)
            column.settle()
        assert column.area.asked_width == asked
    assert column.clipped() == []


@pytest.mark.parametrize("column", [NARROW, NORMAL], indirect=True)
def test_the_table_of_results_shows_all_its_rows_and_words(column: Column) -> None:
    table = column.panel.ui.resultsTable
    viewport = QtWidgets.QTableWidget.viewport(table)
    assert viewport.height() == sum(QtWidgets.QTableWidget.rowHeight(table, row) for row in range(3))
    assert_words_fit(table)


@pytest.mark.parametrize("column", [NARROW, NORMAL], indirect=True)
def test_the_list_of_lesions_shows_all_its_words(column: Column) -> None:
    show_all(column)
    assert_words_fit(column.section("ReviewSection").widgets.table)


def assert_words_fit(table: QtWidgets.QTableWidget) -> None:
    header = table.horizontalHeader()
    for number in range(header.count()):
        assert header.sectionSize(number) >= header.sectionSizeHint(number) - 8  # its margins may be smaller
