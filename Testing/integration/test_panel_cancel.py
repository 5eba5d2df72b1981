"""Cancel, and a scene that closes, in each phase: no process, no temporary file, an unchanged scene."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer
import vtk

from CovidSegLib.system import processes
from Testing.kit.own_clock import own_seconds
from Testing.kit.panel_steps import (
    IS_DEAF,
    NEVER_ENDS,
    TAKES_A_SECOND,
    TIDIES_FOR_EVER,
    assert_window_lives,
    finish,
    sees,
    stop,
    tell,
    tell_and_settle,
    until_reported,
)
from Testing.kit.small_phantom import small_phantom

if TYPE_CHECKING:
    from Testing.kit.slicer_window.application import SlicerWorld
    from Testing.kit.slicer_window.module import OpenModule

pytestmark = [
    pytest.mark.usefixtures("stand_in_pipeline"),
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc"),
]


AT_WORK = {"network": NEVER_ENDS, "masks": TIDIES_FOR_EVER}
"""What keeps the child process in a phase."""


def children() -> set[int]:
    """Living processes that this one started."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(number) for number in (task / "children").read_text().split()}
    return {number for number in found if _state(number) not in ("Z", "")}


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def content(scene: slicer.vtkMRMLScene) -> list[tuple[str, str, object]]:
    """Every node of the scene, by ID, name and what is in it: voxels of volumes, segments with voxels and tags."""
    return [(node.GetID(), node.GetName(), inside(node)) for node in scene.GetNodes()]


def inside(node: slicer.vtkMRMLNode) -> object:
    """What must not change: voxels as bytes."""
    if node.IsA("vtkMRMLScalarVolumeNode"):
        return slicer.util.arrayFromVolume(node).tobytes()
    if not node.IsA("vtkMRMLSegmentationNode"):
        return node.GetClassName()
    segments = []
    for name in node.GetSegmentation().GetSegmentIDs():
        segment = node.GetSegmentation().GetSegment(name)
        written = []
        for key in ("Segmentation.Status", "DICOM.SegmentAlgorithmType"):
            value = vtk.reference("")
            written.append(str(value) if segment.GetTag(key, value) else None)
        voxels = slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, name)
        segments.append((name, segment.GetName(), written, b"" if voxels is None else voxels.tobytes()))
    return segments


@pytest.mark.parametrize("phase", ["reading", "network", "masks", "measuring", "writing"])
def test_cancel_leaves_no_process_no_file_and_an_unchanged_scene(
    phase: str, panel: OpenModule, chest: object, world: SlicerWorld, temporary_folder: Path
) -> None:
    panel.until(lambda: panel.session.expectedSeconds.value is not None)
    if phase in AT_WORK:
        tell_and_settle(panel, chest, AT_WORK[phase])
    before, running = content(world.scene), children()
    until_reported(panel, phase, lambda: panel.ui.applyButton.click())
    assert panel.ui.statusLabel.text == "Stopped. Nothing was changed."
    assert children() == running
    assert list(temporary_folder.iterdir()) == []
    assert content(world.scene) == before
    assert panel.session.parameters.outputSegmentation is None
    tell(chest, -1000)
    finish(panel)
    assert panel.ui.outputSelector.currentNode() is not None


@pytest.mark.parametrize("phase", ["reading", "network", "masks", "measuring", "writing"])
def test_cancel_leaves_the_segmentation_that_was_to_be_updated_as_it_was(
    phase: str, panel: OpenModule, chest: object, world: SlicerWorld
) -> None:
    panel.until(lambda: panel.session.expectedSeconds.value is not None)
    finish(panel)
    first = panel.ui.outputSelector.currentNode()
    slicer.util.arrayFromVolume(chest)[:, ::2] = 0  # so that a run that is not cancelled changes what is there
    slicer.util.arrayFromVolumeModified(chest)
    value = TIDIES_FOR_EVER if phase == "masks" else int(slicer.util.arrayFromVolume(chest)[0, 0, 0])
    tell_and_settle(panel, chest, value)
    before = content(world.scene)
    until_reported(panel, phase, lambda: panel.ui.applyButton.click())
    assert panel.ui.statusLabel.text == "Stopped. Nothing was changed."
    assert content(world.scene) == before
    assert panel.ui.outputSelector.currentNode() is first
    tell(chest, -1000)
    finish(panel)
    assert content(world.scene) != before


def test_cancel_while_the_network_loads_ends_the_child_too(
    panel: OpenModule, chest: object, world: SlicerWorld, temporary_folder: Path
) -> None:
    from CovidSegLib.pipeline import Options

    panel.until(lambda: panel.session.expectedSeconds.value is not None)
    running, before = children(), content(world.scene)
    run = panel.file.CovidSegLogic().process(chest, options=Options(model="slow"), wait=False)
    panel.until(lambda: children() - running and list(temporary_folder.iterdir()))
    run.cancel()
    panel.until(lambda: run.done)
    assert children() == running
    assert list(temporary_folder.iterdir()) == []
    assert content(world.scene) == before


@pytest.mark.parametrize("phase", ["reading", "network", "writing"])
def test_closing_the_scene_in_the_middle_of_a_run_is_safe(
    phase: str, panel: OpenModule, chest: object, world: SlicerWorld, temporary_folder: Path
) -> None:
    panel.until(lambda: panel.session.expectedSeconds.value is not None)
    if phase in AT_WORK:
        tell(chest, AT_WORK[phase])
    running = children()
    until_reported(panel, phase, lambda: world.scene.Clear(False))
    assert list(temporary_folder.iterdir()) == []
    assert children() - running == set()
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert panel.session.parameters is not None  # the panel is in view: it took up the new scene
    assert panel.ui.inputSelector.currentNode() is None
    assert not panel.ui.applyButton.enabled


def test_a_scene_that_is_imported_during_a_run_does_not_hide_the_run(
    panel: OpenModule, world: SlicerWorld, tmp_path: Path
) -> None:
    ui = panel.ui
    finish(panel)
    world.save(tmp_path / "scene.mrb")
    world.scene.Clear(False)
    scan = world.logics.add_volume(small_phantom().volume)
    tell(scan, TAKES_A_SECOND)
    ui.inputSelector.setCurrentNode(scan)
    panel.click("applyButton")
    panel.until(lambda: "Looking for" in ui.statusLabel.text)
    assert world.scene.ReadFromMRB(str(tmp_path / "scene.mrb"), False)
    assert "left" in ui.statusLabel.text
    assert (ui.applyButton.text, ui.applyButton.enabled) == ("Cancel", True)
    assert sees(ui.progressBar)
    assert ui.inputSelector.currentNode() is scan
    panel.until(lambda: not panel.running)
    assert ui.inputSelector.currentNode() is scan
    assert ui.outputSelector.currentNode() is panel.session.result.segmentationNode
    assert panel.session.result.volumeNode is scan
    assert sees(ui.resultsTable)
    assert len(panel.file.CovidSegLogic().getAllParameterNodes()) == 2, "those of the scene are there to be chosen"


def test_a_scan_that_is_removed_during_the_run_is_told_and_nothing_is_added(
    panel: OpenModule, chest: object, world: SlicerWorld
) -> None:
    until_reported(panel, "reading", lambda: world.scene.RemoveNode(chest))
    assert "was removed from the scene" in panel.ui.messageLabel.text
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


def test_a_scan_that_moves_during_the_run_is_told_and_nothing_is_added(
    panel: OpenModule, chest: object, world: SlicerWorld
) -> None:
    until_reported(panel, "network", lambda: chest.SetOrigin(1000, 0, 0))
    assert "changed or moved" in panel.ui.messageLabel.text
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


def test_a_segmentation_that_is_removed_during_the_run_loses_no_result(
    panel: OpenModule, chest: object, world: SlicerWorld
) -> None:
    finish(panel)
    first = panel.ui.outputSelector.currentNode()
    until_reported(panel, "network", lambda: world.scene.RemoveNode(first))
    (second,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert panel.ui.outputSelector.currentNode() is second


def test_a_process_that_is_deaf_to_cancel_holds_up_nobody_and_is_killed(
    panel: OpenModule, chest: object, temporary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "PATIENCE_SECONDS", 2.0)
    panel.until(lambda: panel.session.expectedSeconds.value is not None)
    tell_and_settle(panel, chest, IS_DEAF)
    running = children()
    panel.click("applyButton")
    panel.until(lambda: "Looking for" in panel.ui.statusLabel.text)
    panel.until(lambda: any(_state(one) == "T" for one in children() - running))
    began, held_from = time.monotonic(), own_seconds()
    panel.click("applyButton")
    assert own_seconds() - held_from < 1.0
    assert panel.ui.statusLabel.text == "Stopping..."
    assert not panel.ui.applyButton.enabled
    assert_window_lives(panel, until=lambda: not panel.running)
    assert time.monotonic() - began >= processes.PATIENCE_SECONDS, "it ended by itself"
    assert panel.ui.statusLabel.text == "Stopped. Nothing was changed."
    assert panel.ui.applyButton.enabled
    assert children() == running
    assert list(temporary_folder.iterdir()) == []


def test_leaving_slicer_during_a_run_ends_its_process(panel: OpenModule, chest: object, temporary_folder: Path) -> None:
    tell(chest, NEVER_ENDS)
    running = children()
    panel.click("applyButton")
    panel.until(lambda: children() - running)
    panel.close()
    assert children() - running == set()
    assert list(temporary_folder.iterdir()) == []


def test_the_second_click_of_a_double_click_on_apply_does_nothing(panel: OpenModule, world: SlicerWorld) -> None:
    button = panel.ui.applyButton
    world.qt.setDoubleClickInterval(400)
    button.click()
    slicer.app.processEvents()
    run = panel.session.run
    button.click()
    assert panel.session.run is run
    assert not run.stopping
    panel.until(lambda: not panel.running)
    assert panel.ui.statusLabel.text.startswith("Done in")


def test_after_the_time_of_a_double_click_a_click_cancels(panel: OpenModule, chest: object, world: SlicerWorld) -> None:
    world.qt.setDoubleClickInterval(1)
    tell_and_settle(panel, chest, NEVER_ENDS)
    panel.ui.applyButton.click()
    assert not panel.ui.applyButton.enabled
    panel.until(lambda: panel.ui.applyButton.enabled)
    assert panel.ui.applyButton.text == "Cancel"
    stop(panel)
    assert panel.ui.statusLabel.text == "Stopped. Nothing was changed."


def test_a_time_that_is_estimated_after_the_end_of_a_run_hides_nothing_of_it(panel: OpenModule, chest: object) -> None:
    panel.until(lambda: panel.session.expectedSeconds.value is not None)
    panel.session.expectedSeconds.value = 600.0
    assert "10 min" in panel.ui.statusLabel.text
    tell_and_settle(panel, chest, NEVER_ENDS)
    panel.click("applyButton")
    stop(panel)
    panel.session.expectedSeconds.value = 1200.0
    assert panel.ui.statusLabel.text == "Stopped. Nothing was changed."
