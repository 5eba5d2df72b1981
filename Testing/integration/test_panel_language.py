"""Every text that a user sees can be translated: in a made-up language, nothing of the panel is left in English."""

from __future__ import annotations

import ast
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer
from PySide6 import QtWidgets

from CovidSegLib.gui.core import install
from CovidSegLib.network import models
from Testing.kit.language import MODULE, bracketed, context_of, extracted, outside_of_brackets
from Testing.kit.panel_steps import HAS_A_BUG, IS_REFUSED, NEVER_ENDS, finish, sees, stop, tell

if TYPE_CHECKING:
    from Testing.kit.slicer_window.module import OpenModule

NOT_OURS = {"Show 3D", models.find("default").card["licence"]}
"""Slicer's own button, and the words of a licence."""

NAMES = {"ONNX Runtime", "TensorFlow", "CovidSeg", "Chest", models.DEFAULT_NAME, "CT-"}
"""What is the same in every language: programs, nodes, a network, a class of the literature."""


def texts(widget: QtWidgets.QWidget) -> Iterator[str]:
    """All that a widget and what is in it would show, hidden parts too; details for developers excepted."""
    for one in [widget, *QtWidgets.QWidget.findChildren(widget, QtWidgets.QWidget)]:
        yield QtWidgets.QWidget.toolTip(one)
        if isinstance(one, QtWidgets.QLabel | QtWidgets.QAbstractButton):
            yield one.property("text")
        elif isinstance(one, QtWidgets.QGroupBox):
            yield one.property("title")
        elif isinstance(one, QtWidgets.QComboBox):
            yield from (QtWidgets.QComboBox.itemText(one, row) for row in range(QtWidgets.QComboBox.count(one)))
        elif isinstance(one, QtWidgets.QTableWidget):
            rows, columns = range(one.rowCount), range(one.columnCount)
            cells = [one.item(row, column) for row in rows for column in columns]
            cells += [one.horizontalHeaderItem(column) for column in columns]
            cells += [one.verticalHeaderItem(row) for row in rows]
            yield from (cell.text() for cell in cells if cell is not None)
        elif one.property("text"):
            yield one.property("text")


def english(panel: OpenModule) -> set[str]:
    """Words of the panel that were not translated."""
    found = set()
    for text in texts(panel.widget.panel.widget):
        rest = outside_of_brackets(text or "")
        for name in NAMES:
            rest = rest.replace(name, "")
        if text not in NOT_OURS and any(sum(map(str.isalpha, word)) > 1 for word in rest.split()):
            found.add(text)
    return found


@pytest.fixture(autouse=True)
def another_language(world: object) -> Iterator[None]:
    with bracketed():
        yield


def test_an_empty_panel_and_all_its_tips(empty_panel: OpenModule) -> None:
    assert empty_panel.ui.applyButton.text == "«Apply»"
    assert empty_panel.ui.statusLabel.text.startswith("«Load a chest CT first")
    assert english(empty_panel) == set()


def test_a_real_run_its_warnings_and_its_numbers(panel: OpenModule) -> None:
    panel.until(lambda: "about" in panel.ui.deviceInfoLabel.text)
    panel.until(lambda: "mm apart" in panel.ui.checksLabel.text)
    assert english(panel) == set()
    seen = set()
    panel.click("applyButton")
    panel.until(lambda: seen.update(english(panel)) or not panel.running)
    assert "mm apart" in panel.ui.resultsNotes.text  # told by the child process, and still translated
    numbers = panel.section("NumbersSection")
    panel.until(lambda: "infected" in numbers.line.text)
    assert seen | english(panel) == set()


@pytest.mark.usefixtures("stand_in_pipeline")
def test_a_question_a_failure_and_an_error(panel: OpenModule, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(install, "is_needed", lambda _engine: True)
        panel.click("applyButton")
        assert sees(panel.ui.installFrame)
        assert english(panel) == set()
        panel.session.failed.emit(install.explained("OSError: No space left on device"))
        assert english(panel) == set()
        panel.click("installNoButton")
    panel.session.parameters.model = f"{models.DEFAULT_NAME}-of-ours"
    assert "«Import it" in panel.ui.modelInfoLabel.text
    assert english(panel) == set()


@pytest.mark.usefixtures("stand_in_pipeline")
@pytest.mark.parametrize("ending", [IS_REFUSED, HAS_A_BUG, NEVER_ENDS])
def test_how_a_run_ends(ending: int, panel: OpenModule, chest: object) -> None:
    tell(chest, ending)
    if ending == NEVER_ENDS:
        panel.click("applyButton")
        assert panel.ui.applyButton.text == "«Cancel»"
        stop(panel)
    else:
        finish(panel)
    # The stand-in for the pipeline speaks plain English, as a library does.
    assert english(panel) <= {"The scan is refused. Take another one."}


def test_a_scan_that_cannot_be_segmented(panel: OpenModule, world: object) -> None:
    coloured = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Chest")
    panel.ui.inputSelector.setCurrentNode(coloured)
    panel.until(lambda: not panel.ui.applyButton.enabled)
    assert panel.ui.checksLabel.text == "«The volume has no voxels.» «Choose a CT scan that is loaded.»"
    assert english(panel) == set()


def test_names_that_slicer_reads_in_the_ui_file_are_not_given_to_translators() -> None:
    root = ET.parse(MODULE / "Resources/UI/CovidSeg.ui").getroot()
    named = [
        one for one in root.iter("property") if one.get("name") in ("SlicerParameterName", "nodeTypes", "baseName")
    ]
    assert len(named) > 6
    assert [one[0].text for one in named if one[0].get("notr") != "true"] == []


def test_slicers_tools_find_every_text() -> None:
    missed = []
    for file in MODULE.rglob("*.py"):
        calls = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        written = [call.args[0].value for call in calls if getattr(call.func, "id", "") == "_"]
        missed += [(file.name, text) for text in written if (context_of(file), text) not in extracted()]
    assert len(extracted()) > 300
    assert missed == []
