"""Undo of runs and reviews, in the panel and in the Segment Editor: real MRML, runs in a real child process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")


from CovidSegLib.mrml.scene_corrections import tag
from CovidSegLib.network import models
from CovidSegLib.pipeline import Options
from Testing.kit.panel_steps import sees
from Testing.kit.review_steps import (
    INFECTION,
    LEFT,
    another_model,
    healthy_place,
    labels_of,
    review,
    run,
)
from Testing.kit.segment_editor import Reader

pytestmark = pytest.mark.usefixtures("network_once")


def test_one_undo_in_the_segment_editor_takes_the_run_back(panel, chest, world, tmp_path: Path) -> None:
    node = run(panel)
    reader = Reader(world.scene, node, chest)
    world.editor.history = reader.logic
    reader.editor_node.SetSingletonTag("SegmentEditor")
    reader.paint(INFECTION, healthy_place(labels_of(node, chest)))
    before = labels_of(node, chest)
    review(panel)
    another_model(panel, tmp_path)
    run(panel)
    assert (labels_of(node, chest) != before).any()
    review(panel)
    reader.undo()
    np.testing.assert_array_equal(labels_of(node, chest), before)


def test_what_was_edited_after_a_run_that_is_undone_comes_back_in_the_segment_editor(
    panel, chest, world, tmp_path: Path
) -> None:
    node = run(panel)
    another_model(panel, tmp_path)
    before = labels_of(node, chest)
    run(panel)
    reader = Reader(world.scene, node, chest)
    world.editor.history = reader.logic
    reader.editor_node.SetSingletonTag("SegmentEditor")
    reader.paint(INFECTION, healthy_place(labels_of(node, chest)))
    edited = labels_of(node, chest)
    section = review(panel)
    section.widgets.undo.click()
    np.testing.assert_array_equal(labels_of(node, chest), before)
    reader.paint(LEFT, np.s_[0:2, 0:9, 0:9])  # the panel's Redo is gone with this
    reader.undo()
    reader.undo()
    np.testing.assert_array_equal(labels_of(node, chest), edited)


def test_what_was_edited_after_a_run_that_is_undone_comes_back_in_the_panel_too(panel, chest, world) -> None:
    """Also where the Segment Editor was never opened, and after another edit has taken the Redo away."""
    node = run(panel)
    before = labels_of(node, chest)
    run(panel)
    reader = Reader(world.scene, node, chest)
    reader.paint(INFECTION, healthy_place(before))
    edited = labels_of(node, chest)
    section = review(panel)
    section.widgets.undo.click()
    np.testing.assert_array_equal(labels_of(node, chest), before)
    reader.paint(LEFT, np.s_[0:2, 0:9, 0:9])
    panel.until(lambda: not section.widgets.redo.enabled)
    review(panel)
    section.widgets.undo.click()
    np.testing.assert_array_equal(labels_of(node, chest), before)
    review(panel)
    section.widgets.undo.click()
    np.testing.assert_array_equal(labels_of(node, chest), edited)


def test_a_run_can_be_taken_back_after_many_lesions_were_reviewed(panel, chest, world, tmp_path: Path) -> None:
    node = run(panel)
    before = labels_of(node, chest)
    another_model(panel, tmp_path)
    run(panel)
    section = review(panel)
    for number in range(8):
        section.widgets.table.selectRow(0)
        (section.widgets.delete if number == 4 else section.widgets.accept).click()
        review(panel)
    for _ in range(9):
        assert section.widgets.undo.enabled
        section.widgets.undo.click()
        review(panel)
    np.testing.assert_array_equal(labels_of(node, chest), before)
    assert tag(node.GetSegmentation().GetSegment(INFECTION), "CovidSeg.Model") == models.find("default").name
    section.widgets.undo.click()  # the first run
    assert not section.widgets.undo.enabled


def test_a_first_run_can_be_taken_back_and_had_again(panel, chest) -> None:
    node = run(panel)
    found = labels_of(node, chest)
    section = review(panel)
    panel.until(lambda: sees(panel.ui.resultsTable))
    section.widgets.undo.click()
    assert node.GetSegmentation().GetNumberOfSegments() == 0
    panel.until(lambda: not sees(panel.ui.resultsTable))
    assert (section.widgets.undo.enabled, section.widgets.redo.enabled) == (False, True)
    assert not section.widgets.save.enabled
    assert not panel.ui.resultsButtons.enabled
    panel.ui.deviceSelector.setCurrentIndex(1)  # whatever else is chosen
    section.widgets.redo.click()
    np.testing.assert_array_equal(labels_of(node, chest), found)
    panel.until(lambda: sees(panel.ui.resultsTable))
    review(panel)
    section.widgets.undo.click()
    node.GetSegmentation().AddEmptySegment("Drain")  # the panel's Redo is gone with this
    panel.until(lambda: section.widgets.undo.enabled and not section.widgets.redo.enabled)
    panel.ui.deviceSelector.setCurrentIndex(0)
    section.widgets.undo.click()
    section.widgets.undo.click()
    np.testing.assert_array_equal(labels_of(node, chest), found)
    review(panel)
    section.widgets.undo.click()
    assert run(panel) is node
    np.testing.assert_array_equal(labels_of(node, chest), found)


def test_a_first_run_from_the_console_can_be_taken_back_there(panel, chest) -> None:
    logic = panel.file.CovidSegLogic()
    node = logic.process(chest).result.segmentationNode
    assert node.GetSegmentation().GetNumberOfSegments() == 3
    assert logic.undoPoints.undo(node)
    assert node.GetSegmentation().GetNumberOfSegments() == 0
    assert not logic.undoPoints.can_undo(node)


def test_a_run_from_the_console_is_taken_back_by_the_undo_of_the_panel(panel, chest, world, tmp_path: Path) -> None:
    node = run(panel)
    Reader(world.scene, node, chest).paint(INFECTION, healthy_place(labels_of(node, chest)))
    before = labels_of(node, chest)
    another_model(panel, tmp_path)
    panel.file.CovidSegLogic().process(chest, node, options=Options(model="bolder"))
    assert (labels_of(node, chest) != before).any()
    section = review(panel)
    panel.until(lambda: section.widgets.undo.enabled)
    section.widgets.undo.click()
    np.testing.assert_array_equal(labels_of(node, chest), before)


def test_a_stroke_that_was_taken_back_in_the_segment_editor_can_be_had_again(panel, chest, world) -> None:
    """The panel notes that a reader edited; that is a change of the segments, too, and must not cost the Redo."""
    node = run(panel)
    review(panel)
    reader = Reader(world.scene, node, chest)
    world.editor.history = reader.logic
    reader.editor_node.SetSingletonTag("SegmentEditor")
    place = healthy_place(labels_of(node, chest))
    reader.paint(INFECTION, place)
    reader.paint(INFECTION, (place[0], place[1], slice(place[2].start, place[2].stop + 4)))  # before the panel looks
    both = labels_of(node, chest)
    reader.undo()
    panel.until(lambda: panel.widget.panel.session.editedPercent.value)
    review(panel)
    assert reader.logic.CanRedo()
    reader.logic.Redo()
    np.testing.assert_array_equal(labels_of(node, chest), both)
    segment = node.GetSegmentation().GetSegment(INFECTION)
    panel.until(lambda: tag(segment, "DICOM.SegmentAlgorithmType") == "SEMIAUTOMATIC")
