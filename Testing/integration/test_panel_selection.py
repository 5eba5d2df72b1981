"""What is chosen stays chosen: nodes come and go, scenes are imported, two scans have one name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer
import vtk

from CovidSegLib.segmentation import SEGMENTS
from Testing.kit.panel_steps import finish
from Testing.kit.small_phantom import small_phantom

if TYPE_CHECKING:
    from Testing.kit.slicer_window.application import SlicerWorld
    from Testing.kit.slicer_window.module import OpenModule

pytestmark = pytest.mark.usefixtures("stand_in_pipeline")


def own_segmentation(world: SlicerWorld, scan: object, name: str = "mine") -> object:
    """A segmentation that a reader made, with one segment."""
    node = world.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(scan)
    node.GetSegmentation().AddEmptySegment("tumor", "Tumour")
    return node


def another_scan(world: SlicerWorld, name: str) -> object:
    node = world.logics.add_volume(small_phantom().volume)
    node.SetName(name)
    return node


@pytest.mark.parametrize("mine_first", [True, False])
def test_after_the_result_is_deleted_the_next_run_leaves_the_segmentation_of_a_reader_alone(
    panel: OpenModule, world: SlicerWorld, chest: object, mine_first: bool
) -> None:
    mine = own_segmentation(world, chest) if mine_first else None
    finish(panel)
    mine = mine or own_segmentation(world, chest)
    world.scene.RemoveNode(panel.ui.outputSelector.currentNode())
    assert panel.ui.outputSelector.currentNode() is None
    assert panel.session.parameters.outputSegmentation is None
    finish(panel)
    assert list(mine.GetSegmentation().GetSegmentIDs()) == ["tumor"]
    made = panel.ui.outputSelector.currentNode()
    assert made is not mine
    assert list(made.GetSegmentation().GetSegmentIDs()) == [segment.id for segment in SEGMENTS]


def test_a_result_that_is_deleted_while_it_is_computed_goes_to_a_new_segmentation(
    panel: OpenModule, world: SlicerWorld, chest: object
) -> None:
    mine = own_segmentation(world, chest)
    finish(panel)
    panel.click("applyButton")
    world.scene.RemoveNode(panel.ui.outputSelector.currentNode())
    panel.until(lambda: not panel.running)
    assert list(mine.GetSegmentation().GetSegmentIDs()) == ["tumor"]
    assert panel.ui.outputSelector.currentNode() not in (None, mine)


def test_no_other_scan_takes_the_place_of_one_that_is_deleted(
    panel: OpenModule, world: SlicerWorld, chest: object
) -> None:
    another_scan(world, "Of somebody else")
    world.scene.RemoveNode(chest)
    assert panel.ui.inputSelector.currentNode() is None
    assert panel.session.parameters.inputVolume is None
    assert not panel.ui.applyButton.enabled
    assert panel.ui.statusLabel.text == "Choose a CT scan."


def test_after_the_last_scan_is_deleted_one_is_asked_to_load_one(
    panel: OpenModule, world: SlicerWorld, chest: object
) -> None:
    world.scene.RemoveNode(chest)
    assert panel.ui.statusLabel.text.startswith("Load a chest CT first")


def test_an_imported_scene_changes_nothing_of_what_was_chosen(
    panel: OpenModule, world: SlicerWorld, chest: object, tmp_path: Path
) -> None:
    world.save(tmp_path / "other.mrb")
    second = another_scan(world, "Second")
    panel.ui.inputSelector.setCurrentNode(second)
    panel.ui.deviceSelector.setCurrentIndex(1)
    finish(panel)
    mine, made = panel.session.parameters.parameterNode, panel.ui.outputSelector.currentNode()
    result = panel.session.result
    heard = []
    panel.session.nodesChanged.connect(lambda: heard.append(panel.session.nodes))
    assert world.scene.ReadFromMRB(str(tmp_path / "other.mrb"), False)
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 3
    assert panel.session.parameters.parameterNode is mine
    assert panel.ui.parameterSetSelector.currentNode() is mine
    assert panel.ui.inputSelector.currentNode() is panel.session.parameters.inputVolume is second
    assert panel.ui.outputSelector.currentNode() is panel.session.parameters.outputSegmentation is made
    assert panel.session.result is result
    assert heard == []


def test_a_scan_that_is_loaded_while_the_panel_is_open_is_taken_up(empty_panel: OpenModule, world: SlicerWorld) -> None:
    panel = empty_panel
    assert panel.ui.statusLabel.text.startswith("Load a chest CT first")
    scan = another_scan(world, "Loaded")
    panel.until(lambda: panel.ui.applyButton.enabled)
    assert panel.ui.inputSelector.currentNode() is panel.session.parameters.inputVolume is scan
    another_scan(world, "Another")
    slicer.app.processEvents()
    slicer.app.processEvents()
    assert panel.session.parameters.inputVolume is scan  # what is chosen is not taken away


@pytest.mark.parametrize("how", ["by a batch", "in a scene", "without voxels first"])
def test_a_scan_is_taken_up_however_it_is_loaded(
    empty_panel: OpenModule, world: SlicerWorld, how: str, tmp_path: Path
) -> None:
    panel, scene = empty_panel, world.scene
    if how == "in a scene":
        scan = another_scan(world, "Loaded")
        world.save(tmp_path / "scene.mrb")
        scene.RemoveNode(scan)
        assert panel.session.parameters.inputVolume is None
        assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"), False)
    else:
        scene.StartState(scene.BatchProcessState)
        if how == "without voxels first":
            scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Of some other module")
        another_scan(world, "Loaded")
        slicer.app.processEvents()
        scene.EndState(scene.BatchProcessState)
    panel.until(lambda: panel.ui.applyButton.enabled)
    assert panel.session.parameters.inputVolume.GetName() == "Loaded"


def test_label_maps_and_hidden_volumes_are_not_taken_up(empty_panel: OpenModule, world: SlicerWorld) -> None:
    image = small_phantom().volume
    for name, class_name in (("labels", "vtkMRMLLabelMapVolumeNode"), ("hidden", "vtkMRMLScalarVolumeNode")):
        node = world.scene.CreateNodeByClass(class_name)
        node.UnRegister(None)
        node.SetName(name)
        node.SetHideFromEditors(name == "hidden")
        world.scene.AddNode(node)
        slicer.util.updateVolumeFromArray(node, image.voxels)
    for _ in range(3):
        slicer.app.processEvents()
    assert empty_panel.session.parameters.inputVolume is None


def test_while_another_module_is_open_no_scan_is_taken_up(empty_panel: OpenModule, world: SlicerWorld) -> None:
    empty_panel.exit()
    another_scan(world, "Loaded")
    for _ in range(3):
        slicer.app.processEvents()
    assert empty_panel.session.parameters.inputVolume is None
    empty_panel.enter()
    assert empty_panel.session.parameters.inputVolume.GetName() == "Loaded"


@pytest.mark.parametrize("told", [True, False])
def test_of_two_scans_with_one_name_the_run_takes_the_one_that_is_shown(
    panel: OpenModule, world: SlicerWorld, chest: object, told: bool
) -> None:
    twin, selector = another_scan(world, chest.GetName()), panel.ui.inputSelector
    heard = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", heard.append)
    selector.blockSignals(not told)
    selector.setCurrentNode(twin)
    selector.blockSignals(False)
    assert heard == []  # Qt compares the texts
    assert panel.session.parameters.inputVolume is (twin if told else chest)
    finish(panel)
    assert panel.session.result.volumeNode is twin
    assert panel.session.parameters.inputVolume is twin


def test_once_the_scan_was_moved_nothing_says_any_more_that_the_segments_are_in_their_place(
    panel: OpenModule, world: SlicerWorld, chest: object
) -> None:
    finish(panel)
    ui = panel.ui
    assert ui.statusLabel.text.startswith("Done in")
    shift = world.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 30.0)
    shift.SetMatrixTransformToParent(matrix)
    chest.SetAndObserveTransformNodeID(shift.GetID())
    panel.until(lambda: "under different transforms" in ui.resultsHint.text)
    panel.until(lambda: ui.statusLabel.text.startswith("Ready."))
