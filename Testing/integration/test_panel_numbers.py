"""The panel's numbers: they follow corrections at once, fill a table, and become a report."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.mrml.segmentations import add_segmentation
from CovidSegLib.mrml.tables import table_for
from CovidSegLib.segmentation import Label, Provenance, Segmentation
from Testing.kit.blocks import LEFT_INFECTED, RIGHT_INFECTED, UPRIGHT, VOXEL_ML, block_labels, block_scan
from Testing.kit.slicer_window.pythonqt import qt

if TYPE_CHECKING:
    from Testing.kit.slicer_window.application import SlicerWorld
    from Testing.kit.slicer_window.module import OpenModule

MADE = Provenance("a-network", "ab" * 32, "onnx", "cpu", "CovidSeg 1.0")
INFECTION_ML = (LEFT_INFECTED + RIGHT_INFECTED) * VOXEL_ML


def paint(node, scan, box: tuple, segment_id: str = "Covid19Infection") -> None:
    """Add a box of voxels to the infection, or to another segment, as the Segment Editor does."""
    from Testing.kit.segment_editor import Reader

    Reader(scan.GetScene(), node, scan).paint(segment_id, box)


def test_class_and_score_are_explained(opened) -> None:
    assert all(words in opened[1].line.toolTip for words in ("CT-4", "Zone score"))


def test_segments_that_are_there_are_summed_up_in_a_line(opened) -> None:
    assert opened[1].line.text == "2.1 % infected · CT-1 · zone score 2/24 · 2 lesions"


def test_a_copy_that_a_reader_keeps_is_no_infection_segment(opened) -> None:
    panel, section, node, _ = opened
    content = node.GetSegmentation()
    copy = content.GetSegment("Covid19Infection")
    content.RemoveSegment("Covid19Infection")
    content.AddSegment(copy, "backup")
    panel.until(lambda: section.line.text == "- % infected: there is no infection segment.")


def test_without_an_infection_segment_no_infection_is_said_to_be_measured(opened) -> None:
    panel, section, node, _ = opened
    node.GetSegmentation().RemoveSegment("Covid19Infection")
    panel.until(lambda: section.line.text == "- % infected: there is no infection segment.")
    table = panel.ui.resultsTable
    assert [table.item(2, column).text() for column in (1, 2)] == ["-", "-"]
    panel.until(lambda: table.item(2, 3).text() == "-")
    assert float(table.item(2, 0).text()) > 0


def infection_in(table: slicer.vtkMRMLTableNode) -> float:
    """The infection in mL that a table of numbers says."""
    content = table.GetTable()
    rows = range(content.GetNumberOfRows())
    names = [content.GetValueByName(row, "Measure").ToString() for row in rows]
    return content.GetValueByName(names.index("Infection volume"), "Value").ToDouble()


def test_the_table_follows_corrections(opened) -> None:
    panel, section, node, scan = opened
    section.tableButton.click()
    table = table_for(node)
    assert slicer.app.applicationLogic().GetSelectionNode().GetActiveTableID() == table.GetID()
    assert infection_in(table) == pytest.approx(INFECTION_ML)
    paint(node, scan, np.s_[10:12, 12:16, 70:80])
    panel.until(lambda: infection_in(table) > INFECTION_ML + 1e-6)
    assert infection_in(table) == pytest.approx(INFECTION_ML + 80 * VOXEL_ML)
    assert "3 lesions" in section.line.text


def test_the_table_follows_corrections_also_after_another_patient_was_looked_at(opened, world: SlicerWorld) -> None:
    panel, section, node, scan = opened
    section.tableButton.click()
    table = table_for(node)
    choose_another_patient(panel, world)
    panel.until(lambda: section.line.text.startswith("0.0 % infected"))
    assert infection_in(table) == pytest.approx(INFECTION_ML)
    panel.session.parameters.inputVolume = scan
    panel.session.parameters.outputSegmentation = node
    paint(node, scan, np.s_[10:12, 12:16, 70:80])
    panel.until(lambda: infection_in(table) == pytest.approx(INFECTION_ML + 80 * VOXEL_ML))


@pytest.mark.usefixtures("stand_in_pipeline")
def test_the_results_of_a_run_follow_corrections(panel: OpenModule, chest) -> None:
    panel.click("applyButton")
    panel.until(lambda: not panel.running)
    node = panel.session.result.segmentationNode
    before = panel.session.result.measurements.total.infection_ml
    shape = slicer.util.arrayFromVolume(chest).shape
    middle = tuple(slice(size // 2 - 2, size // 2 + 2) for size in shape)
    paint(node, chest, middle)
    panel.until(lambda: panel.session.result.measurements.total.infection_ml != before)
    shown = panel.ui.resultsTable.item(2, 1).text()
    assert shown == f"{panel.session.result.measurements.total.infection_ml:.1f}"


def test_a_report_is_saved_with_what_the_reader_changed(opened, tmp_path: Path) -> None:
    panel, section, node, scan = opened
    paint(node, scan, np.s_[10:12, 12:16, 70:80])
    panel.until(lambda: "3 lesions" in section.line.text)
    for name in ("r.html", "r.json", "r.csv"):
        qt.QFileDialog.answers.append(str(tmp_path / name))
        section.reportButton.click()
        panel.until(lambda name=name: section.line.text == f"Saved: {tmp_path / name}")
    record = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert record["infection_ml"] == pytest.approx(INFECTION_ML + 80 * VOXEL_ML)
    assert record["model"] == {"name": MADE.model, "sha256": MADE.sha256}
    assert {edit["name"]: edit["added_ml"] for edit in record["reader_edits"]}["COVID-19 infection"] == 1.2
    assert len(list(csv.reader((tmp_path / "r.csv").open(encoding="utf-8")))) > 30
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 4
    assert "Corrected by a reader" in page
    assert sorted(path.name for path in tmp_path.glob("r.*")) == ["r.csv", "r.html", "r.json"]


@pytest.mark.usefixtures("without_views")
def test_a_name_without_an_ending_gets_that_of_a_page_and_replaces_nothing_unasked(opened, tmp_path: Path) -> None:
    panel, section, _, _ = opened
    for name in ("first", "of.a.scan"):
        qt.QFileDialog.answers.append(str(tmp_path / name))
        section.reportButton.click()
        panel.until(lambda name=name: section.line.text == f"Saved: {tmp_path / name}.html")
    page = (tmp_path / "first.html").read_bytes()
    qt.QFileDialog.answers.append(str(tmp_path / "first"))
    section.reportButton.click()
    assert panel.ui.messageLabel.text.startswith("There is a file of this name already")
    assert section.reportButton.enabled
    assert (tmp_path / "first.html").read_bytes() == page
    assert sorted(path.name for path in tmp_path.glob("*.html")) == ["first.html", "of.a.scan.html"]


def test_a_report_that_is_not_wanted_after_all_writes_nothing(opened) -> None:
    _, section, _, _ = opened
    qt.QFileDialog.answers.append("")
    section.reportButton.click()
    assert section.reportButton.enabled


@pytest.mark.usefixtures("without_views")
def test_a_page_asks_before_a_package_is_installed(opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel, section, _, _ = opened
    from CovidSegLib.gui.core import report_packages

    monkeypatch.setattr(report_packages, "is_needed", lambda path: path.suffix == ".html")
    qt.QFileDialog.answers.append(str(tmp_path / "r.html"))
    section.reportButton.click()
    assert not section.question.isHidden()
    assert "jinja2" in section.questionLabel.text
    section.noButton.click()
    assert section.question.isHidden()
    assert not (tmp_path / "r.html").exists()
    installed = []

    def steps():
        yield None
        installed.append(True)
        monkeypatch.setattr(report_packages, "is_needed", lambda path: False)

    monkeypatch.setattr(report_packages, "install_steps", steps)
    qt.QFileDialog.answers.append(str(tmp_path / "r.html"))
    section.reportButton.click()
    section.yesButton.click()
    panel.until((tmp_path / "r.html").exists)
    assert installed == [True]
    panel.until(lambda: section.line.text.startswith("Saved"))


def choose_another_patient(panel: OpenModule, world: SlicerWorld) -> None:
    """Choose a scan without infection, and its segments."""
    labels = np.where(block_labels() == Label.INFECTION, Label.LEFT_LUNG, block_labels()).astype(np.uint8)
    scan = world.logics.add_volume(CtVolume(block_scan(labels), UPRIGHT))
    panel.session.parameters.inputVolume = scan
    panel.session.parameters.outputSegmentation = add_segmentation(
        world.scene, Segmentation(labels, UPRIGHT, MADE), scan, "Another"
    )


def wait_for_jinja(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Let a package be needed, whose installation goes on until something is put into the list that is returned."""
    from CovidSegLib.gui.core import report_packages

    done: list[bool] = []

    def steps():
        while not done:
            yield None

    monkeypatch.setattr(report_packages, "is_needed", lambda path: not done)
    monkeypatch.setattr(report_packages, "install_steps", steps)
    return done


def test_a_question_about_a_package_goes_with_the_patient_that_it_was_asked_for(
    opened, world: SlicerWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, section, _, _ = opened
    wait_for_jinja(monkeypatch)
    qt.QFileDialog.answers.append(str(tmp_path / "first.json"))
    section.reportButton.click()
    assert not section.question.isHidden()
    choose_another_patient(panel, world)
    assert section.question.isHidden()


def test_a_report_under_way_is_not_stopped_by_a_package_for_another_one(
    opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, section, _, _ = opened
    from CovidSegLib.gui.core import report_packages

    monkeypatch.setattr(report_packages, "is_needed", lambda path: path.suffix == ".html")
    monkeypatch.setattr(report_packages, "install_steps", lambda: iter(()))
    for name in ("page.html", "numbers.json"):
        qt.QFileDialog.answers.append(str(tmp_path / name))
        section.reportButton.click()
    assert not section.question.isHidden()
    section.yesButton.click()
    panel.until((tmp_path / "numbers.json").exists)
    panel.until(lambda: section.yesButton.enabled)
    assert not section.question.isHidden()


def test_a_report_is_of_the_patient_that_was_chosen_when_it_was_asked_for(
    opened, world: SlicerWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, section, _, _ = opened
    done = wait_for_jinja(monkeypatch)
    qt.QFileDialog.answers.append(str(tmp_path / "first.json"))
    section.reportButton.click()
    section.yesButton.click()
    choose_another_patient(panel, world)
    panel.until(lambda: section.line.text.startswith("0.0 % infected"))
    done.append(True)
    panel.until((tmp_path / "first.json").exists)
    panel.until(lambda: section.reportButton.enabled)
    record = json.loads((tmp_path / "first.json").read_text(encoding="utf-8"))
    assert record["infection_ml"] == pytest.approx(INFECTION_ML)
    assert section.line.text.startswith("0.0 % infected"), "told under another patient's numbers"


def test_no_table_or_report_is_offered_when_the_segments_went_while_a_report_was_written(
    opened, tmp_path: Path
) -> None:
    panel, section, node, _ = opened
    qt.QFileDialog.answers.append(str(tmp_path / "r.json"))
    section.reportButton.click()
    node.GetSegmentation().RemoveAllSegments()
    panel.until(lambda: not section._work.busy and panel.session.shown.value is None)
    assert not section.reportButton.enabled
    assert not section.tableButton.enabled


@pytest.mark.parametrize("closes", ["the scene", "the segmentation"])
def test_a_report_ends_without_a_word_when_what_it_is_of_is_closed(
    closes: str, opened, world: SlicerWorld, tmp_path: Path
) -> None:
    panel, section, node, _ = opened
    qt.QFileDialog.answers.append(str(tmp_path / "r.json"))
    section.reportButton.click()
    world.scene.Clear(0) if closes == "the scene" else world.scene.RemoveNode(node)
    panel.until(lambda: not section._work.busy)
    assert panel.ui.messageFrame.isHidden(), panel.ui.messageLabel.text
    assert not section.reportButton.enabled


def test_a_place_that_cannot_be_written_is_said(opened, tmp_path: Path) -> None:
    panel, section, _, _ = opened
    qt.QFileDialog.answers.append(str(tmp_path / "nowhere" / "r.json"))
    section.reportButton.click()
    panel.until(lambda: "could not be written" in panel.ui.messageLabel.text)
    assert section.reportButton.enabled
    assert panel.ui.statusLabel.text.startswith("Ready."), "no run failed"


@pytest.mark.parametrize(
    ("error", "line", "message"),
    [
        (MemoryError(), "Numbers appear here when there are segments.", "There is not enough memory for this scan."),
        (InputError("Another scan's.", "Choose another one."), "Another scan's. Choose another one.", ""),
    ],
)
def test_why_there_are_no_numbers_is_said(
    error: Exception, line: str, message: str, opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, section, _, _ = opened
    from CovidSegLib.gui.sections import reading_section

    def fails(*_arguments: object, **_named: object) -> None:
        raise error

    monkeypatch.setattr(reading_section, "measure", fails)
    panel.session.readingWanted.emit()
    panel.until(lambda: section.line.text == line)
    assert panel.ui.messageLabel.text.startswith(message)
    assert panel.ui.messageFrame.isHidden() == (not message)


def test_segment_statistics_knows_our_numbers_when_slicer_has_started(world: SlicerWorld) -> None:
    from Testing.kit.segment_statistics import install
    from Testing.kit.slicer_window.module import OpenModule

    logic = install()
    opened = OpenModule(world)
    assert logic.registeredPlugins[-1].__name__ == "CovidSegSegmentStatisticsPlugin"  # Slicer's own come before it
    opened.close()
