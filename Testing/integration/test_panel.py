"""The panel, as a clinician uses it: real MRML, real Qt widgets, a real child process (Testing/kit/slicer_window)."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer

from CovidSegLib.segmentation import SEGMENTS
from Testing.kit.panel_steps import (
    HAS_A_BUG,
    IS_KILLED,
    IS_REFUSED,
    NEVER_ENDS,
    PRINTS,
    assert_window_lives,
    finish,
    scan_shown,
    sees,
    stop,
    tell,
    tell_and_settle,
)

if TYPE_CHECKING:
    from Testing.kit.slicer_window.application import SlicerWorld
    from Testing.kit.slicer_window.module import OpenModule

IDS = [segment.id for segment in SEGMENTS]


def test_apply_brings_the_segments_and_the_table_with_the_real_network(panel: OpenModule, chest: object) -> None:
    ui = panel.ui
    assert ui.inputSelector.currentNode() is chest
    assert ui.outputSelector.currentNode() is None
    panel.click("applyButton")
    values, texts = [], set()
    panel.until(lambda: values.append(ui.progressBar.value) or texts.add(ui.statusLabel.text) or not panel.running)
    assert values == sorted(values)
    assert any("Looking for lungs and infection, about" in text for text in texts)
    node = ui.outputSelector.currentNode()
    assert list(node.GetSegmentation().GetSegmentIDs()) == IDS
    measured = panel.session.result.measurements
    table = [[ui.resultsTable.item(row, column).text() for column in range(3)] for row in range(3)]
    assert table == [
        [f"{region.lung_ml:.0f}", f"{region.infection_ml:.1f}", f"{region.infection_percent:.1f}"]
        for region in (measured.left, measured.right, measured.total)
    ]
    assert [ui.resultsTable.verticalHeaderItem(row).text() for row in range(3)] == ["Left", "Right", "Both"]
    assert 1000 < measured.total.lung_ml < 9000
    assert ui.statusLabel.text.startswith("Done in")
    assert ui.resultsButtons.enabled


def test_an_empty_scene_says_what_to_load_and_apply_is_disabled(empty_panel: OpenModule) -> None:
    ui = empty_panel.ui
    assert not ui.applyButton.enabled
    assert ui.statusLabel.text == "Load a chest CT first: with Add DICOM Data, Add Data, or Sample Data."
    assert ui.applyButton.toolTip == ui.statusLabel.text
    assert not sees(ui.resultsTable)
    assert not ui.resultsButtons.enabled


def test_a_scan_that_is_there_but_not_chosen_is_asked_for(panel: OpenModule) -> None:
    panel.session.parameters.inputVolume = None
    assert panel.ui.statusLabel.text == "Choose a CT scan."
    assert not panel.ui.applyButton.enabled


def test_a_label_map_is_not_taken_for_the_scan(empty_panel: OpenModule) -> None:
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    empty_panel.enter()
    assert empty_panel.session.parameters.inputVolume is None
    scan = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Scan")
    empty_panel.enter()
    assert labels is not scan
    assert empty_panel.session.parameters.inputVolume is scan


@pytest.mark.usefixtures("stand_in_pipeline")
def test_apply_becomes_cancel_while_it_runs_and_apply_again(panel: OpenModule, chest: object) -> None:
    ui = panel.ui
    tell_and_settle(panel, chest, NEVER_ENDS)
    panel.click("applyButton")
    assert ui.applyButton.text == "Cancel"
    assert ui.applyButton.enabled
    assert sees(ui.progressBar)
    assert not ui.inputSelector.enabled
    stop(panel)
    assert ui.applyButton.text == "Apply"
    assert ui.statusLabel.text == "Stopped. Nothing was changed."
    assert not sees(ui.progressBar)
    assert ui.inputSelector.enabled


@pytest.mark.usefixtures("stand_in_pipeline")
def test_the_window_is_never_held_up_for_long(panel: OpenModule) -> None:
    panel.until(lambda: "Looking" not in panel.ui.allChecksLabel.text)
    panel.click("applyButton")
    assert_window_lives(panel, until=lambda: not panel.running)
    assert panel.ui.outputSelector.currentNode() is not None


@pytest.mark.usefixtures("stand_in_pipeline")
def test_a_refused_scan_is_one_sentence_without_details(panel: OpenModule, chest: object) -> None:
    tell_and_settle(panel, chest, IS_REFUSED)
    finish(panel)
    ui = panel.ui
    assert sees(ui.messageFrame)
    assert ui.messageLabel.text == "The scan is refused. Take another one."
    assert not sees(ui.detailsCollapsibleButton)
    assert ui.statusLabel.text == "It did not work. Nothing in the scene was changed."


@pytest.mark.usefixtures("stand_in_pipeline")
def test_a_fault_of_ours_is_one_sentence_with_its_traceback_folded_away(panel: OpenModule, chest: object) -> None:
    tell(chest, HAS_A_BUG)
    finish(panel)
    ui = panel.ui
    assert ui.messageLabel.text.startswith("CovidSeg met a fault of its own")
    assert sees(ui.detailsCollapsibleButton)
    assert ui.detailsCollapsibleButton.collapsed
    assert "ZeroDivisionError: a bug for the test" in ui.detailsText.plainText
    ui.detailsCollapsibleButton.collapsed = False
    assert sees(ui.detailsText)


@pytest.mark.usefixtures("stand_in_pipeline")
def test_a_process_that_is_killed_is_told_and_the_next_run_works(panel: OpenModule, chest: object) -> None:
    tell(chest, IS_KILLED)
    finish(panel)
    assert "stopped in the middle of its work" in panel.ui.messageLabel.text
    tell(chest, -1000)
    finish(panel)
    assert not sees(panel.ui.messageFrame)
    assert panel.ui.outputSelector.currentNode() is not None


@pytest.mark.usefixtures("stand_in_pipeline")
def test_a_notice_of_the_pipeline_is_shown_while_it_runs(panel: OpenModule, chest: object) -> None:
    tell(chest, PRINTS)
    texts = set()
    panel.click("applyButton")
    panel.until(lambda: texts.add(panel.ui.statusLabel.text) or not panel.running)
    assert any("The processor is used." in text for text in texts)


@pytest.mark.usefixtures("stand_in_pipeline")
def test_at_first_sight_there_is_only_what_comes_first(panel: OpenModule) -> None:
    assert not sees(panel.ui.moreSections)
    assert panel.ui.advancedCollapsibleButton.collapsed
    assert "not for diagnosis" in panel.ui.researchLabel.text
    assert panel.ui.researchLabel.enabled  # not in the faint colour of what is disabled
    finish(panel)
    assert sees(panel.ui.moreSections)
    panel.ui.outputSelector.setCurrentNode(None)
    assert not sees(panel.ui.moreSections)


@pytest.mark.usefixtures("stand_in_pipeline")
def test_edit_opens_the_segment_editor_on_this_segmentation_and_its_scan(
    panel: OpenModule, chest: object, world: SlicerWorld
) -> None:
    finish(panel)
    panel.click("editButton")
    assert world.selected_modules == ["SegmentEditor"]
    assert world.editor.segmentation is panel.ui.outputSelector.currentNode()
    assert world.editor.volume is chest
    assert world.editor.segment_id == "Covid19Infection"


@pytest.mark.usefixtures("stand_in_pipeline")
def test_show_3d_makes_the_surfaces(panel: OpenModule) -> None:
    finish(panel)
    segmentation = panel.ui.outputSelector.currentNode().GetSegmentation()
    assert not segmentation.ContainsRepresentation("Closed surface")
    panel.click("show3DButton")
    assert segmentation.ContainsRepresentation("Closed surface")


@pytest.mark.usefixtures("stand_in_pipeline")
def test_a_second_run_goes_into_the_same_segmentation_and_keeps_other_segments(panel: OpenModule) -> None:
    finish(panel)
    node = panel.ui.outputSelector.currentNode()
    node.GetSegmentation().AddEmptySegment("Nodule", "Nodule")
    panel.click("show3DButton")
    finish(panel)
    assert panel.ui.outputSelector.currentNode() is node
    assert sorted(node.GetSegmentation().GetSegmentIDs()) == sorted([*IDS, "Nodule"])
    assert node.GetSegmentation().ContainsRepresentation("Closed surface")


@pytest.mark.usefixtures("stand_in_pipeline")
def test_another_scan_gets_a_segmentation_of_its_own(panel: OpenModule, world: SlicerWorld, chest: object) -> None:
    finish(panel)
    first = panel.ui.outputSelector.currentNode()
    other = slicer.modules.volumes.logic().CloneVolume(world.scene, chest, "Another scan")
    panel.ui.inputSelector.setCurrentNode(other)
    assert panel.ui.outputSelector.currentNode() is None
    finish(panel)
    second = panel.ui.outputSelector.currentNode()
    assert second is not first
    for scan, node in ((chest, first), (other, second)):
        panel.ui.inputSelector.setCurrentNode(scan)
        assert panel.ui.outputSelector.currentNode() is node, "whoever comes back to a scan finds its numbers"
        panel.until(lambda scan=scan: scan_shown(panel) is scan)
    world.scene.RemoveNode(first)
    panel.ui.inputSelector.setCurrentNode(chest)
    assert panel.ui.outputSelector.currentNode() is None


@pytest.mark.usefixtures("stand_in_pipeline")
def test_nothing_found_is_a_result_with_three_empty_segments(panel: OpenModule, chest: object) -> None:
    values = slicer.util.arrayFromVolume(chest)
    values[:] = np.where(values < -500, 0, values)
    values[0, 0, 0] = 0
    slicer.util.arrayFromVolumeModified(chest)
    finish(panel)
    node = panel.ui.outputSelector.currentNode()
    assert list(node.GetSegmentation().GetSegmentIDs()) == IDS
    assert not any(slicer.util.arrayFromSegmentBinaryLabelmap(node, i, chest).any() for i in IDS)
    assert panel.ui.resultsTable.item(2, 2).text() == "-"


def test_the_device_line_says_what_was_found_and_how_long_it_takes(panel: OpenModule) -> None:
    panel.until(lambda: "about" in panel.ui.deviceInfoLabel.text)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert f"{cores} core" in panel.ui.deviceInfoLabel.text or "GPU" in panel.ui.deviceInfoLabel.text
    assert panel.ui.statusLabel.text.startswith("Ready. It will take about")


@pytest.mark.usefixtures("stand_in_pipeline")
def test_the_next_estimate_goes_by_the_last_run(panel: OpenModule) -> None:
    from CovidSegLib.gui.core.parameters import Device

    panel.until(lambda: panel.session.expectedSeconds.value is not None)
    panel.session.parameters.device = Device.CPU
    finish(panel)
    result = panel.session.result
    made = replace(result.segmentation.provenance, device="cpu")  # the stand-in writes its process in there
    panel.session.setResult(replace(result, seconds=50.0, segmentation=replace(result.segmentation, provenance=made)))
    assert panel.session.expectedSeconds.value == pytest.approx(50.0)


@pytest.mark.usefixtures("stand_in_pipeline")
def test_the_console_gets_the_same_by_one_call_waiting_or_not(panel: OpenModule, chest: object) -> None:
    logic = panel.file.CovidSegLogic()
    waited = logic.process(chest)
    assert waited.done
    node = waited.result.segmentationNode
    assert list(node.GetSegmentation().GetSegmentIDs()) == IDS
    heard = []
    run = logic.process(chest, node, wait=False)
    run.finished.connect(heard.append)
    assert not run.done
    panel.until(lambda: heard)
    assert heard[0].segmentationNode is node
    tell(chest, IS_REFUSED)
    from CovidSegLib.errors import InputError

    with pytest.raises(InputError, match="refused"):
        logic.process(chest)


def test_the_modules_own_test_passes(panel: OpenModule) -> None:
    panel.session.setParameters(None)
    panel.file.CovidSegTest().runTest()


@pytest.mark.usefixtures("stand_in_pipeline")
def test_the_books_lines_for_the_console_work(panel: OpenModule, chest: object, capsys: pytest.CaptureFixture) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/slicer/console.md").read_text(encoding="utf-8")
    (lines,) = [block for block in re.findall(r"```py\n(.*?)```", text, re.DOTALL) if "CovidSegLogic" in block]
    chest.SetName("CT")
    exec(lines, {"slicer": slicer})
    assert capsys.readouterr().out.startswith("CT CovidSeg ")
