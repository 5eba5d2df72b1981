"""A segmentation and a scan that do not belong together: no numbers, no run, and the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer
import vtk

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.mrml.readback import measure_nodes
from CovidSegLib.mrml.segmentations import add_segmentation
from CovidSegLib.segmentation import SEGMENTS, Provenance, Segmentation
from Testing.kit.blocks import UPRIGHT, block_labels, block_scan, turned
from Testing.kit.panel_steps import finish, reading, scan_shown, sees, until_reported

if TYPE_CHECKING:
    from Testing.kit.slicer_window.application import SlicerWorld
    from Testing.kit.slicer_window.module import OpenModule

pytestmark = pytest.mark.usefixtures("stand_in_pipeline")


def add_scan(world: SlicerWorld, *, patient: int = 0, slices: int | None = None) -> object:
    """A scan in the scene; each ``patient`` has other voxels on the same grid."""
    voxels = block_scan(block_labels())
    voxels[0, 0, 0] += patient
    node = world.logics.add_volume(CtVolume(voxels[:slices].copy(), UPRIGHT))
    node.SetName(f"Patient {patient}")
    return node


def add_result(world: SlicerWorld, scan: object, *, recorded: bool = True) -> object:
    """A segmentation of ``scan``, with or without a record of the voxels that it was made from."""
    from CovidSegLib.mrml.volumes import read_volume_node

    text = f"volume node, SHA-256 of its voxels {read_volume_node(scan).fingerprint}" if recorded else ""
    made = Provenance("a-network", "ab" * 32, "onnx", "cpu", "CovidSeg 1.0", volume=text)
    return add_segmentation(world.scene, Segmentation(block_labels(), UPRIGHT, made), scan, "result")


def choose(panel: OpenModule, scan: object, node: object) -> None:
    """Choose a scan and then, deliberately, a segmentation."""
    panel.ui.inputSelector.setCurrentNode(scan)
    panel.ui.outputSelector.setCurrentNode(node)


def until_numbers(panel: OpenModule) -> None:
    panel.until(lambda: sees(panel.ui.resultsTable))


def until_refused(panel: OpenModule, words: str) -> None:
    """Wait for the reason, which stands where numbers would be."""
    panel.until(lambda: sees(panel.ui.resultsHint) and words in panel.ui.resultsHint.text)
    assert not sees(panel.ui.resultsTable)
    numbers = panel.section("NumbersSection")
    panel.until(lambda: not numbers.reportButton.enabled)
    assert panel.session.shown.value is None


def forget_scan(node: object) -> None:
    """As a segmentation that was loaded from a file: Slicer has not noted which scan its grid comes from."""
    node.SetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole(), None)


def move(world: SlicerWorld, matrix: np.ndarray, *nodes: object) -> object:
    """Put ``nodes`` under a new transform, and return that."""
    transform = world.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    for node in nodes:
        node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def refine(node: object) -> None:
    """Oversample the grid by two, as Specify geometry of the Segment Editor does."""
    content, converter = node.GetSegmentation(), slicer.vtkSegmentationConverter
    name, grid = converter.GetReferenceImageGeometryParameterName(), slicer.vtkOrientedImageData()
    converter.DeserializeImageGeometry(content.GetConversionParameter(name), grid, False)
    slicer.vtkCalculateOversamplingFactor.ApplyOversamplingOnImageGeometry(grid, 2.0)
    for segment in SEGMENTS:
        image = content.GetSegment(segment.id).GetRepresentation("Binary labelmap")
        slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
            image, grid, image, False, True
        )
    content.SetConversionParameter(name, converter.SerializeImageGeometry(grid))


@pytest.mark.parametrize("recorded", [True, False])
def test_the_segmentation_of_a_deleted_scan_is_not_the_output_of_the_next_one(
    panel: OpenModule, chest: object, world: SlicerWorld, recorded: bool
) -> None:
    world.scene.RemoveNode(chest)
    first = add_scan(world)
    choose(panel, first, add_result(world, first, recorded=recorded))
    until_numbers(panel)
    add_scan(world, patient=1)
    panel.exit()
    world.scene.RemoveNode(first)
    panel.enter()
    assert panel.ui.inputSelector.currentNode().GetName() == "Patient 1"
    assert panel.ui.outputSelector.currentNode() is None
    assert not sees(panel.ui.resultsTable)


def test_another_scan_than_the_recorded_one_takes_the_output_away_but_no_other_record_does(
    panel: OpenModule, world: SlicerWorld
) -> None:
    first, second = add_scan(world), add_scan(world, patient=1)
    for recorded in (True, False):  # after the second, the second scan has a segmentation of its own
        node = add_result(world, first, recorded=recorded)
        forget_scan(node)
        choose(panel, first, node)
        until_numbers(panel)
        panel.ui.inputSelector.setCurrentNode(second)
        if recorded:
            panel.until(lambda: panel.ui.outputSelector.currentNode() is None)
        else:
            panel.until(lambda: scan_shown(panel) is second)
            finish(panel)
            assert panel.session.result.segmentationNode is node


def test_masks_that_were_loaded_come_back_with_their_scan_and_a_new_one_stays_a_new_one(
    panel: OpenModule, world: SlicerWorld
) -> None:
    scans = [add_scan(world, patient=number) for number in (1, 2, 3)]
    nodes = [add_result(world, scan) for scan in scans[:2]]
    for scan, node in zip(scans, nodes, strict=False):
        forget_scan(node)
        choose(panel, scan, node)
        until_numbers(panel)
    nodes.append(None)  # nobody has segmented the third
    for number in (0, 2, 0, 1, 2, 1):
        panel.ui.inputSelector.setCurrentNode(scans[number])
        panel.until(lambda number=number: panel.ui.outputSelector.currentNode() is nodes[number])
        if number != 2:
            panel.until(lambda number=number: scan_shown(panel) is scans[number])
    panel.ui.outputSelector.setCurrentNode(None)
    for number in (0, 1):
        panel.ui.inputSelector.setCurrentNode(scans[number])
        panel.until(lambda number=number: panel.ui.outputSelector.currentNode() is (nodes[0], None)[number])


def test_the_segmentation_of_another_scan_that_is_chosen_all_the_same_is_refused_before_anything_runs(
    panel: OpenModule, world: SlicerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = add_scan(world), add_scan(world, patient=1)
    node = add_result(world, first)
    choose(panel, second, node)
    until_refused(panel, "was made from another scan")
    review = panel.section("ReviewSection")
    panel.until(lambda: not reading(panel).busy)
    assert review.widgets.frame.isHidden()  # nor can a training case be made of the two
    assert not panel.ui.applyButton.enabled
    assert "was made from another scan" in panel.ui.statusLabel.text
    monkeypatch.setattr("CovidSegLib.gui.core.run_steps.worker_in_slicer", lambda _: pytest.fail("something ran"))
    with pytest.raises(InputError, match="made from another scan"):
        panel.widget.logic.process(second, node)
    panel.ui.outputSelector.setCurrentNode(None)
    panel.until(lambda: panel.ui.applyButton.enabled)
    assert panel.ui.resultsHint.text == "The volumes will be shown here."


def test_a_segmentation_goes_on_with_its_scan_when_both_are_loaded_again(panel: OpenModule, world: SlicerWorld) -> None:
    first = add_scan(world)
    node = add_result(world, first)
    world.scene.RemoveNode(first)
    again = add_scan(world)
    choose(panel, again, node)
    until_numbers(panel)
    finish(panel)
    assert panel.session.result.segmentationNode is node


def test_a_segmentation_on_another_grid_has_no_numbers_and_no_run(panel: OpenModule, world: SlicerWorld) -> None:
    choose(panel, add_scan(world, slices=9), add_result(world, add_scan(world), recorded=False))
    until_refused(panel, "belongs to another scan")
    assert not panel.ui.applyButton.enabled


@pytest.mark.parametrize("loaded", [False, True])
def test_a_grid_that_was_refined_is_named_with_the_way_back(
    panel: OpenModule, world: SlicerWorld, loaded: bool
) -> None:
    scan = add_scan(world)
    node = add_result(world, scan)
    choose(panel, scan, node)
    until_numbers(panel)
    if loaded:
        forget_scan(node)
    refine(node)
    until_refused(panel, "Specify geometry")
    assert "Specify geometry" in panel.ui.statusLabel.text
    assert panel.ui.outputSelector.currentNode() is node


@pytest.mark.parametrize("way", ["origin", "a transform that is hardened", "both under a transform, it is hardened"])
def test_segments_that_a_scan_was_moved_away_from_are_named_and_can_be_moved_along(
    panel: OpenModule, world: SlicerWorld, way: str
) -> None:
    shifted = turned(np.eye(4), 2, 10.0)
    shifted[:3, 3] = 15.3, 0, 20.2
    scan = add_scan(world)
    node = add_result(world, scan)
    choose(panel, scan, node)
    until_numbers(panel)
    before = panel.session.shown.value.measurements.density.lung_mean_hu
    if way == "origin":
        shifted[:3, :3] = np.eye(3)
        scan.SetOrigin(*(np.array(scan.GetOrigin()) + shifted[:3, 3]))
    else:
        move(world, shifted, scan, *([node] if way.startswith("both") else []))
        scan.HardenTransform()
    until_refused(panel, "The scan and the chosen segmentation were moved against each other.")
    assert "Specify geometry" not in panel.ui.resultsHint.text
    assert not panel.ui.applyButton.enabled
    if node.GetTransformNodeID() is None:
        move(world, shifted, node)
    node.HardenTransform()
    until_numbers(panel)
    assert panel.session.shown.value.measurements.density.lung_mean_hu == before


def test_there_are_no_numbers_while_scan_and_segments_are_apart(
    panel: OpenModule, world: SlicerWorld, tmp_path: object
) -> None:
    from CovidSegLib.gui.report_steps import save_report

    scan = add_scan(world)
    node = add_result(world, scan)
    choose(panel, scan, node)
    until_numbers(panel)
    shifted = np.eye(4)
    shifted[:3, 3] = 40, 0, 30
    for apart in (scan, node):
        transform = move(world, shifted, apart)
        until_refused(panel, "under different transforms")
        with pytest.raises(InputError, match="under different transforms"):
            save_report(node, scan, tmp_path / "r.json")
        for one in (scan, node):
            one.SetAndObserveTransformNodeID(transform.GetID())
        until_numbers(panel)
        for one in (scan, node):
            one.SetAndObserveTransformNodeID(None)
        until_numbers(panel)


def test_masks_under_a_transform_of_their_own_are_refused_before_anything_runs(
    panel: OpenModule, world: SlicerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = add_scan(world)
    node = add_result(world, scan)
    move(world, np.diag((1.0, 1.0, 2.0, 1.0)), node)
    choose(panel, scan, node)
    until_refused(panel, "under different transforms")
    monkeypatch.setattr("CovidSegLib.gui.core.run_steps.worker_in_slicer", lambda _: pytest.fail("something ran"))
    finish(panel)
    assert "under another transform" in panel.ui.messageLabel.text


def test_numbers_follow_a_transform_of_both_and_the_voxels_of_the_scan(panel: OpenModule, world: SlicerWorld) -> None:
    scan = add_scan(world)
    node = add_result(world, scan, recorded=False)
    choose(panel, scan, node)
    until_numbers(panel)
    before = panel.session.shown.value.measurements
    outer = move(world, np.eye(4), move(world, np.eye(4), scan, node))

    def shown() -> object:
        return panel.session.shown.value and panel.session.shown.value.measurements

    outer.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag((1.0, 1.0, 2.0, 1.0))))
    panel.until(lambda: shown() and shown().total.lung_ml == pytest.approx(2 * before.total.lung_ml))
    slicer.util.arrayFromVolume(scan)[:] -= 50
    slicer.util.arrayFromVolumeModified(scan)
    panel.until(lambda: shown() and shown().density.lung_mean_hu == pytest.approx(before.density.lung_mean_hu - 50))
    matrix = vtk.vtkMatrix4x4()
    scan.GetIJKToRASMatrix(matrix)
    matrix.SetElement(2, 3, matrix.GetElement(2, 3) + 7)
    scan.SetIJKToRASMatrix(matrix)
    until_refused(panel, "were moved against each other")


@pytest.mark.parametrize("into", ["a new one", "one that is there"])
def test_a_scan_that_changes_while_it_is_segmented_ends_the_run_and_nothing_is_written(
    panel: OpenModule, chest: object, world: SlicerWorld, into: str
) -> None:
    if into == "one that is there":
        finish(panel)
    node = panel.ui.outputSelector.currentNode()
    before = node and node.GetSegmentation().GetSegment("LeftLung").GetMTime()
    values = slicer.util.arrayFromVolume(chest)

    def change() -> None:
        values[:] = np.roll(values, 20, axis=2)
        slicer.util.arrayFromVolumeModified(chest)

    until_reported(panel, "network", change)
    assert "was changed while it was segmented" in panel.ui.messageLabel.text
    assert panel.ui.outputSelector.currentNode() is node
    assert (node and node.GetSegmentation().GetSegment("LeftLung").GetMTime()) == before
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == (node is not None)


def test_a_scan_that_is_touched_but_keeps_its_voxels_does_not_end_the_run(panel: OpenModule, chest: object) -> None:
    until_reported(panel, "network", lambda: slicer.util.arrayFromVolumeModified(chest))
    assert panel.session.result is not None


HALF_TURN, MIRROR = np.diag((-1.0, -1.0, 1.0, 1.0)), np.diag((-1.0, 1.0, 1.0, 1.0))


@pytest.mark.parametrize("turn", [HALF_TURN, turned(np.eye(4), 1, 60), turned(np.eye(4), 0, -90), MIRROR])
def test_a_scan_that_was_turned_for_good_with_its_segmentation_is_still_the_same_but_not_a_mirrored_one(
    panel: OpenModule, world: SlicerWorld, turn: np.ndarray
) -> None:
    scan = add_scan(world)
    node = add_result(world, scan)
    move(world, turn, scan, node)
    scan.HardenTransform()
    node.HardenTransform()
    choose(panel, scan, node)
    until_refused(panel, "made from another scan") if turn is MIRROR else until_numbers(panel)
    flags = measure_nodes(node, scan).flags
    assert any("made from another scan" in flag for flag in flags) == (turn is MIRROR)
    assert panel.ui.applyButton.enabled == (turn is not MIRROR)


def test_a_scan_that_is_turned_upside_down_with_its_segmentation_is_still_the_same(
    panel: OpenModule, world: SlicerWorld
) -> None:
    scan = add_scan(world)
    node = add_result(world, scan)
    move(world, np.diag((-1.0, 1.0, -1.0, 1.0)), scan, node)
    choose(panel, scan, node)
    until_numbers(panel)
    assert panel.ui.applyButton.enabled
