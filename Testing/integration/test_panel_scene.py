"""Parameters live in the scene, and the result is at home in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer
import vtk

from CovidSegLib.errors import InputError
from CovidSegLib.mrml.volume_resampling import resample_steps
from CovidSegLib.segmentation import SEGMENTS
from Testing.kit.panel_steps import NEVER_ENDS, finish, sees, tell

if TYPE_CHECKING:
    from Testing.kit.slicer_window.application import SlicerWorld
    from Testing.kit.slicer_window.module import OpenModule

pytestmark = pytest.mark.usefixtures("stand_in_pipeline")


def shown(panel: OpenModule) -> list[str]:
    """The numbers in the results table."""
    return [panel.ui.resultsTable.item(row, column).text() for row in range(3) for column in range(3)]


def tag(segment: slicer.vtkSegment, key: str) -> str | None:
    value = vtk.reference("")
    return str(value) if segment.GetTag(key, value) else None


def test_parameters_and_result_survive_saving_and_loading_the_scene(
    panel: OpenModule, world: SlicerWorld, tmp_path: Path
) -> None:
    finish(panel)
    before = shown(panel)
    panel.ui.deviceSelector.setCurrentIndex(1)
    panel.ui.engineSelector.setCurrentIndex(1)
    world.save(tmp_path / "scene.mrb")
    world.load(tmp_path / "scene.mrb")
    parameters = panel.session.parameters
    assert parameters.device.name == "CPU"
    assert parameters.engine.name == "ONNX"
    assert parameters.inputVolume.GetName() == "Chest"
    node = parameters.outputSegmentation
    assert panel.ui.inputSelector.currentNode() is parameters.inputVolume
    assert panel.ui.outputSelector.currentNode() is node
    assert panel.ui.deviceSelector.currentText == "CPU"
    assert list(node.GetSegmentation().GetSegmentIDs()) == [segment.id for segment in SEGMENTS]
    assert panel.session.reason == ""
    panel.until(lambda: sees(panel.ui.resultsTable))
    assert shown(panel) == before
    finish(panel)
    assert panel.ui.outputSelector.currentNode() is node


def test_each_segmentation_of_a_scan_has_a_name_of_its_own(panel: OpenModule, chest: object) -> None:
    names = []
    for _ in range(3):
        panel.ui.outputSelector.setCurrentNode(None)
        panel.click("applyButton")
        panel.until(lambda: not panel.running)
        names.append(panel.ui.outputSelector.currentNode().GetName())
    assert names[0] == "Chest CovidSeg"
    assert len(set(names)) == 3
    assert all(name.startswith("Chest CovidSeg") for name in names)


def test_two_sets_of_parameters_work_side_by_side(panel: OpenModule, world: SlicerWorld, chest: object) -> None:
    ui = panel.ui
    first = ui.parameterSetSelector.currentNode()
    ui.deviceSelector.setCurrentIndex(1)
    second = ui.parameterSetSelector.addNode()
    assert panel.session.parameters.parameterNode is second
    assert ui.deviceSelector.currentText == "Automatic"
    assert ui.inputSelector.currentNode() is None
    ui.inputSelector.setCurrentNode(chest)
    finish(panel)
    assert ui.outputSelector.currentNode() is not None
    ui.parameterSetSelector.setCurrentNode(first)
    assert ui.deviceSelector.currentText == "CPU"
    assert ui.outputSelector.currentNode() is None
    ui.deviceSelector.setCurrentIndex(2)
    ui.parameterSetSelector.setCurrentNode(second)
    assert ui.deviceSelector.currentText == "Automatic"


def test_each_set_of_parameters_shows_its_own_results_when_you_come_back_to_it(
    panel: OpenModule, world: SlicerWorld, chest: object
) -> None:
    ui = panel.ui
    first = ui.parameterSetSelector.currentNode()
    finish(panel)
    whole = shown(panel)
    second = ui.parameterSetSelector.addNode()
    assert not sees(ui.resultsTable)
    assert not ui.resultsButtons.enabled
    half = slicer.modules.volumes.logic().CloneVolume(world.scene, chest, "Half")
    slicer.util.arrayFromVolume(half)[::2] = 0
    ui.inputSelector.setCurrentNode(half)
    finish(panel)
    assert shown(panel) != whole
    ui.parameterSetSelector.setCurrentNode(first)
    assert not sees(ui.resultsTable)  # nothing of another set, not even for a moment
    panel.until(lambda: sees(ui.resultsTable))
    assert shown(panel) == whole
    panel.click("editButton")
    assert world.editor.volume is chest
    ui.parameterSetSelector.setCurrentNode(second)
    panel.until(lambda: sees(ui.resultsTable))
    assert shown(panel) != whole
    ui.outputSelector.setCurrentNode(None)
    assert not sees(ui.resultsTable)


def test_a_second_set_of_parameters_for_the_same_scan_and_segmentation_shows_the_results_too(
    panel: OpenModule, chest: object
) -> None:
    ui = panel.ui
    first = ui.parameterSetSelector.currentNode()
    finish(panel)
    whole, node = shown(panel), ui.outputSelector.currentNode()
    second = ui.parameterSetSelector.addNode()
    ui.inputSelector.setCurrentNode(chest)
    ui.outputSelector.setCurrentNode(node)
    panel.until(lambda: sees(ui.resultsTable))
    for other in (first, second):
        ui.parameterSetSelector.setCurrentNode(other)
        panel.until(lambda: sees(ui.resultsTable))
        assert shown(panel) == whole


def test_a_run_writes_into_the_set_it_was_started_with(panel: OpenModule, chest: object) -> None:
    ui = panel.ui
    first = ui.parameterSetSelector.currentNode()
    panel.click("applyButton")
    ui.parameterSetSelector.addNode()
    panel.until(lambda: not panel.running)
    assert ui.outputSelector.currentNode() is None
    assert panel.session.result is None
    ui.parameterSetSelector.setCurrentNode(first)
    assert ui.outputSelector.currentNode() is not None


def test_closing_the_scene_brings_the_panel_back_to_its_beginning(panel: OpenModule, world: SlicerWorld) -> None:
    finish(panel)
    world.scene.Clear(False)
    assert panel.session.result is None
    assert not panel.ui.applyButton.enabled
    assert panel.ui.statusLabel.text.startswith("Load a chest CT first")


def test_while_another_module_is_open_nothing_is_added_to_the_scene(panel: OpenModule, world: SlicerWorld) -> None:
    panel.exit()
    world.scene.Clear(False)
    assert not slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
    panel.enter()
    assert len(slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")) == 1


def test_a_set_of_parameters_can_be_removed_but_not_the_last_one(panel: OpenModule, world: SlicerWorld) -> None:
    selector = panel.ui.parameterSetSelector
    assert not selector.removeEnabled
    first, second = selector.currentNode(), selector.addNode()
    assert selector.removeEnabled
    world.scene.RemoveNode(second)
    assert panel.session.parameters.parameterNode is first
    assert not selector.removeEnabled


def test_reload_takes_the_library_anew_and_ends_the_old_panel(
    panel: OpenModule, chest: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(chest, NEVER_ENDS)
    panel.click("applyButton")
    old, run = panel.widget, panel.session.run
    for name in [name for name in sys.modules if name.startswith("CovidSegLib")]:
        monkeypatch.setitem(sys.modules, name, sys.modules[name])  # put back for the tests that follow
    old.onReload()
    assert run.done
    assert panel.widget is not old
    assert type(panel.widget.panel) is not type(old.panel)
    tell(chest, -1000)
    finish(panel)
    assert panel.ui.outputSelector.currentNode() is not None
    assert old.panel.session.result is None


def test_the_result_is_at_home_in_the_scene(panel: OpenModule, chest: object, world: SlicerWorld) -> None:
    hierarchy = world.scene.GetSubjectHierarchyNode()
    study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient"), "Study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(chest), study)
    finish(panel)
    node = panel.ui.outputSelector.currentNode()
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert node.GetNodeReference(role) is chest
    for definition in SEGMENTS:
        segment = node.GetSegmentation().GetSegment(definition.id)
        assert segment.GetTerminology() == definition.terminology
        assert tag(segment, "Segmentation.Status") == "notstarted"
        assert tag(segment, "DICOM.SegmentAlgorithmType") == "AUTOMATIC"
        assert tag(segment, "DICOM.SegmentAlgorithmName") == "CovidSeg"
    infection = node.GetSegmentation().GetSegment("Covid19Infection")
    assert infection is not None  # the stand-in pipeline finds none: the segment is there, and empty
    assert not slicer.util.arrayFromSegmentBinaryLabelmap(node, "Covid19Infection", chest).any()


def test_a_linear_transform_is_carried_to_the_result_and_applied_once(
    panel: OpenModule, chest: object, world: SlicerWorld
) -> None:
    moved = np.eye(4)
    moved[:3, 3] = 10, 20, 30
    transform = world.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(moved))
    chest.SetAndObserveTransformNodeID(transform.GetID())
    finish(panel)
    node = panel.ui.outputSelector.currentNode()
    assert node.GetParentTransformNode() is transform
    found = slicer.util.arrayFromSegmentBinaryLabelmap(node, "LeftLung", chest) > 0
    np.testing.assert_array_equal(found, slicer.util.arrayFromVolume(chest) < -500)


def test_a_bent_scan_is_explained_and_resampled_at_the_push_of_a_button(
    panel: OpenModule, chest: object, world: SlicerWorld
) -> None:
    ui = panel.ui
    bent = world.scene.AddNewNodeByClass("vtkMRMLTransformNode", "Acquisition transform")
    spline = vtk.vtkThinPlateSplineTransform()
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for corner in np.ndindex(2, 2, 2):
        point = np.array(corner) * 300.0 - 150.0
        source.InsertNextPoint(point)
        target.InsertNextPoint(point + np.array((0, 20 * corner[2], 0)))  # as a tilted gantry shifts slices
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    spline.SetBasisToR()
    bent.SetAndObserveTransformToParent(spline)
    chest.SetAndObserveTransformNodeID(bent.GetID())
    panel.until(lambda: not ui.applyButton.enabled)
    assert "by a transform" in ui.checksLabel.text
    assert ui.statusLabel.text == "This scan cannot be segmented as it is: see above."
    panel.click("resampleButton")
    panel.until(lambda: ui.inputSelector.currentNode() is not chest)
    copy = ui.inputSelector.currentNode()
    assert copy.GetName() == "Chest resampled"
    assert copy.GetParentTransformNode() is None
    panel.until(lambda: ui.applyButton.enabled)
    assert_same_anatomy(chest, copy)
    finish(panel)
    assert panel.ui.outputSelector.currentNode() is not None


def assert_same_anatomy(bent: object, copy: object) -> None:
    """Where a voxel of ``bent`` is seen, ``copy`` has (nearly) its value."""
    values, to_ras, to_voxel = slicer.util.arrayFromVolume(bent), vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    copied = slicer.util.arrayFromVolume(copy)
    bent.GetIJKToRASMatrix(to_ras)
    copy.GetRASToIJKMatrix(to_voxel)
    differences = []
    for k, j, i in np.random.default_rng(1).integers((1, 20, 20), np.array(values.shape) - (1, 20, 20), (300, 3)):
        own = to_ras.MultiplyPoint((i, j, k, 1))[:3]
        world = bent.GetParentTransformNode().GetTransformToParent().TransformPoint(own)
        place = np.rint(to_voxel.MultiplyPoint((*world, 1))[:3]).astype(int)[::-1]
        assert (place >= 0).all()
        assert (place < copied.shape).all()
        differences.append(abs(int(copied[tuple(place)]) - int(values[k, j, i])))
    assert np.median(differences) < 40


def test_a_sheared_scan_can_be_resampled_too(panel: OpenModule, chest: object) -> None:
    matrix = vtk.vtkMatrix4x4()
    chest.GetIJKToRASMatrix(matrix)
    matrix.SetElement(1, 2, 5.0)
    chest.SetIJKToRASMatrix(matrix)
    panel.until(lambda: not panel.ui.applyButton.enabled)
    panel.click("resampleButton")
    panel.until(lambda: panel.ui.inputSelector.currentNode() is not chest)
    panel.until(lambda: panel.ui.applyButton.enabled)


def test_what_is_odd_about_a_scan_is_shown_before_the_run_and_not_popped_up(panel: OpenModule, chest: object) -> None:
    ui = panel.ui
    panel.until(lambda: "Looking" not in ui.allChecksLabel.text)
    values = slicer.util.arrayFromVolume(chest)
    for change, words in (
        (lambda: np.clip(values, 0, 255), "a grey picture, not Hounsfield units"),
        (lambda: np.full_like(values, 7), "same value"),
        (lambda: np.clip(values, -900, 40), "cut off at -900 HU"),
    ):
        before = values.copy()
        values[:] = change()
        slicer.util.arrayFromVolumeModified(chest)
        panel.until(lambda: "Looking" not in ui.allChecksLabel.text)
        assert words in ui.checksLabel.text
        assert ui.applyButton.enabled
        values[:] = before
    slicer.util.arrayFromVolumeModified(chest)
    panel.until(lambda: "Looking" not in ui.allChecksLabel.text)
    assert "cut off" not in ui.checksLabel.text


def test_a_picture_with_colours_is_refused_with_the_reason(panel: OpenModule, world: SlicerWorld) -> None:
    coloured = world.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Colours")
    image = vtk.vtkImageData()
    image.SetDimensions(4, 4, 4)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    coloured.SetAndObserveImageData(image)
    panel.ui.inputSelector.setCurrentNode(coloured)
    panel.until(lambda: not panel.ui.applyButton.enabled)
    assert "several values per voxel" in panel.ui.checksLabel.text
    assert panel.ui.resampleButton.isHidden()


@pytest.mark.parametrize("kind", ["without voxels", "flat", "without a place"])
def test_a_copy_is_not_offered_where_there_is_nothing_to_copy(
    panel: OpenModule, chest: object, world: SlicerWorld, kind: str
) -> None:
    node = world.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Odd")
    if kind == "without voxels":
        bent = world.scene.AddNewNodeByClass("vtkMRMLTransformNode", "Bent")
        bent.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
        node.SetAndObserveTransformNodeID(bent.GetID())
    else:
        node.SetAndObserveImageData(chest.GetImageData())
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(2, 2, 0.0 if kind == "flat" else float("nan"))
        node.SetIJKToRASMatrix(matrix)
    panel.ui.inputSelector.setCurrentNode(node)
    panel.until(lambda: not panel.ui.applyButton.enabled)
    assert panel.ui.checksLabel.text
    assert panel.ui.resampleButton.isHidden()
    with pytest.raises(InputError):
        list(resample_steps(node))
