"""Corrections in Slicer's scene: real MRML, edits by Slicer's Segment Editor logic, saved and loaded by its storage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")

import slicer

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.mrml.history import UndoPoints
from CovidSegLib.mrml.scene_corrections import fingerprints_so_far, mark_edited, plan_update, read_state, tag
from CovidSegLib.mrml.segmentations import add_segmentation, write_segmentation
from CovidSegLib.mrml.volumes import read_volume_node
from CovidSegLib.report.views import OffscreenSlicer
from CovidSegLib.segfiles import read_reviewed, write, write_reviewed
from CovidSegLib.segmentation import SEGMENTS, Provenance, Segmentation
from Testing.kit.segment_editor import Reader, voxels_of

SHAPE = (12, 20, 24)
LEFT, RIGHT, INFECTION = (segment.id for segment in SEGMENTS)


@pytest.fixture(params=["axial", "oblique"])
def volume(request: pytest.FixtureRequest, mrml: OffscreenSlicer) -> slicer.vtkMRMLScalarVolumeNode:
    affine = np.eye(4)
    axes = {"axial": np.diag((-1.0, -1.0, 1.0)), "oblique": np.array(((-0.6, 0.8, 0), (-0.8, -0.6, 0), (0, 0, 1)))}
    affine[:3, :3] = axes[request.param] * (0.7, 0.8, 2.5)
    affine[:3, 3] = (100.25, -80.5, -200.125)
    voxels = np.random.default_rng(1).integers(-1024, 300, SHAPE, dtype=np.int16)
    node = mrml.add_volume(CtVolume(voxels, affine))
    node.affine = affine
    return node


def result(volume: slicer.vtkMRMLScalarVolumeNode, model: str = "one", *, shift: int = 0) -> Segmentation:
    """Two lungs and two lesions; another ``model`` sees all of it ``shift`` rows further down."""
    labels = np.zeros(SHAPE, np.uint8)
    rows = slice(3 + shift, 14 + shift)
    labels[1:11, rows, 13:22] = 1
    labels[1:11, rows, 2:11] = 2
    labels[3:6, 5 + shift : 9 + shift, 4:8] = 3
    labels[8:10, 10 + shift : 12 + shift, 16:19] = 3
    made = Provenance(model, ("ab" if model == "one" else "cd") * 32, "onnx", "CPU", "CovidSeg 1.0", created="now")
    return Segmentation(labels, volume.affine, made)


def labels_of(node: slicer.vtkMRMLSegmentationNode, volume: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    """What Slicer exports, segment by segment, as labels."""
    labels = np.zeros(SHAPE, np.uint8)
    for segment in SEGMENTS:
        if node.GetSegmentation().GetSegment(segment.id) is not None:
            labels[voxels_of(node, segment.id, volume)] = segment.label
    return labels


def tags_of(node: slicer.vtkMRMLSegmentationNode) -> list[tuple]:
    """Names, colours and all tags that matter, by segment."""
    keys = ("CovidSeg.Model", "CovidSeg.ModelSha256", "CovidSeg.NetworkMask", "DICOM.SegmentAlgorithmType")
    content = node.GetSegmentation()
    segments = [(id_, content.GetSegment(id_)) for id_ in content.GetSegmentIDs()]
    return [(id_, one.GetName(), one.GetColor(), *(tag(one, key) for key in keys)) for id_, one in segments]


def save_and_load(mrml: OffscreenSlicer, node: slicer.vtkMRMLSegmentationNode, path: Path):
    storage = slicer.vtkMRMLSegmentationStorageNode()
    mrml.scene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.WriteData(node) == 1
    loaded = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "loaded")
    loaded.CreateDefaultDisplayNodes()
    assert storage.ReadData(loaded) == 1
    return loaded


def test_edit_run_with_another_model_save_reload_run_undo(
    mrml: OffscreenSlicer, volume: slicer.vtkMRMLScalarVolumeNode, tmp_path: Path
) -> None:
    node = add_segmentation(mrml.scene, result(volume), volume, "result")
    reader = Reader(mrml.scene, node, volume)
    expected = result(volume).labels.copy()
    reader.paint(INFECTION, np.s_[6:8, 4:7, 14:18])
    expected[6:8, 4:7, 14:18] = 3
    reader.erase(INFECTION, np.s_[3:6, 5:7, 4:8])
    expected[3:6, 5:7, 4:8] = 0
    reader.cut_inside(INFECTION, np.s_[10:12, 12:16, 0:12], RIGHT)
    inside = np.zeros(SHAPE, bool)
    inside[10:12, 12:16, 0:12] = True
    expected[inside & (expected == 2)] = 3
    before_noise = labels_of(node, volume)
    reader.paint(LEFT, np.s_[0:2, 0:2, 0:2])
    reader.undo()
    np.testing.assert_array_equal(labels_of(node, volume), before_noise)
    np.testing.assert_array_equal(before_noise, expected)
    readers = expected != result(volume).labels

    statuses = slicer.vtkSlicerSegmentationsModuleLogic
    infection = node.GetSegmentation().GetSegment(INFECTION)
    assert statuses.GetSegmentStatus(infection) == statuses.InProgress  # set by the editor at the first edit
    second = result(volume, "two", shift=2)
    written = write_segmentation(second, volume, node, before_write=lambda node: reader.logic.SaveStateForUndo())
    after_second = np.where(readers, expected, second.labels)
    np.testing.assert_array_equal(labels_of(node, volume), after_second)
    assert written.result.provenance.kept_ml == pytest.approx(np.count_nonzero(readers) * 0.7 * 0.8 * 2.5 / 1000)
    np.testing.assert_array_equal(written.result.labels, after_second)
    assert statuses.GetSegmentStatus(infection) == statuses.InProgress

    loaded = save_and_load(mrml, node, tmp_path / "a.seg.nrrd")
    third = result(volume, "three", shift=1)
    states = tags_of(loaded)
    undo = UndoPoints()
    write_segmentation(third, volume, loaded, before_write=undo.save)
    np.testing.assert_array_equal(labels_of(loaded, volume), np.where(readers, expected, third.labels))
    assert tags_of(loaded) != states
    segment = loaded.GetSegmentation().GetSegment(INFECTION)
    segment.SetName("Ground glass")
    segment.SetColor(0, 1, 1)
    assert undo.undo(loaded)
    np.testing.assert_array_equal(labels_of(loaded, volume), after_second)
    assert tags_of(loaded) == states
    assert undo.redo(loaded)
    np.testing.assert_array_equal(labels_of(loaded, volume), np.where(readers, expected, third.labels))

    # And one Undo of the Segment Editor takes its whole run back.
    states = [(row[0], row[3]) for row in tags_of(node)]
    assert {model for _, model in states} == {"two"}
    reader.undo()
    np.testing.assert_array_equal(labels_of(node, volume), expected)
    assert {row[3] for row in tags_of(node)} == {"one"}


def test_the_command_line_goes_on_where_slicer_saved_and_slicer_where_it_wrote(
    mrml: OffscreenSlicer, volume: slicer.vtkMRMLScalarVolumeNode, tmp_path: Path
) -> None:
    path = tmp_path / "a.seg.nrrd"
    write(result(volume), path)
    node = add_segmentation(mrml.scene, result(volume), volume, "result")
    node.GetSegmentation().AddEmptySegment("Tumor", "Tumour")
    reader = Reader(mrml.scene, node, volume)
    reader.editor_node.SetOverwriteMode(reader.editor_node.OverwriteNone)
    reader.paint("Tumor", np.s_[2:5, 6:10, 3:7])
    reader.editor_node.SetOverwriteMode(reader.editor_node.OverwriteAllSegments)
    reader.paint(INFECTION, np.s_[6:8, 4:7, 14:18])
    node.GetSegmentation().GetSegment(LEFT).SetName("Lunge links")
    expected = labels_of(node, volume)
    save_and_load(mrml, node, path)
    review = read_reviewed(path, Grid(volume.affine, SHAPE))
    second = result(volume, "two", shift=2)
    merged, joined = review.reviewed.join(second)
    write_reviewed(review, merged, joined, path)
    loaded = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "loaded")
    storage = slicer.vtkMRMLSegmentationStorageNode()
    mrml.scene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.ReadData(loaded) == 1
    readers = expected != result(volume).labels
    np.testing.assert_array_equal(labels_of(loaded, volume), np.where(readers, expected, second.labels))
    tumor = np.zeros(SHAPE, bool)
    tumor[2:5, 6:10, 3:7] = True
    np.testing.assert_array_equal(voxels_of(loaded, "Tumor", volume), tumor)
    assert loaded.GetSegmentation().GetSegment(LEFT).GetName() == "Lunge links"
    # In Slicer the next run keeps the same voxels.
    write_segmentation(result(volume), volume, loaded)
    np.testing.assert_array_equal(labels_of(loaded, volume), np.where(readers, expected, result(volume).labels))


def test_completed_removed_and_foreign_segments_are_never_touched(
    mrml: OffscreenSlicer, volume: slicer.vtkMRMLScalarVolumeNode
) -> None:
    node = add_segmentation(mrml.scene, result(volume), volume, "result")
    content = node.GetSegmentation()
    content.AddEmptySegment("Drain", "Drainage")
    Reader(mrml.scene, node, volume).paint("Drain", np.s_[1:3, 0:3, 0:3])
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(content.GetSegment(LEFT), logic.Completed)
    content.RemoveSegment(RIGHT)
    before = {id_: voxels_of(node, id_, volume) for id_ in (LEFT, "Drain")}
    tags = [row for row in tags_of(node) if row[0] != INFECTION]
    written = write_segmentation(result(volume, "two", shift=2), volume, node)
    assert written.untouched == ("Left lung", "Right lung")
    assert list(content.GetSegmentIDs()) == [LEFT, INFECTION, "Drain"]
    for id_, mask in before.items():
        np.testing.assert_array_equal(voxels_of(node, id_, volume), mask)
    assert [row for row in tags_of(node) if row[0] != INFECTION] == tags
    # Infection is found anew also inside the completed lung, over which it is drawn.
    infection = voxels_of(node, INFECTION, volume)
    np.testing.assert_array_equal(infection, result(volume, "two", shift=2).labels == 3)
    assert (infection & before[LEFT]).any()


def test_a_foreign_segment_keeps_its_voxels_where_the_network_draws_later(
    mrml: OffscreenSlicer, volume: slicer.vtkMRMLScalarVolumeNode
) -> None:
    node = add_segmentation(mrml.scene, result(volume), volume, "result")
    node.GetSegmentation().AddEmptySegment("Drain", "Drainage")
    place = np.s_[2:5, 14:18, 13:17]  # outside of the lungs now, inside of them when the other model has run
    Reader(mrml.scene, node, volume).paint("Drain", place)
    drain = np.zeros(SHAPE, bool)
    drain[place] = True
    np.testing.assert_array_equal(voxels_of(node, "Drain", volume), drain)
    second = result(volume, "two", shift=3)
    assert (second.labels[drain] != 0).any()
    write_segmentation(second, volume, node)
    np.testing.assert_array_equal(voxels_of(node, "Drain", volume), drain)
    np.testing.assert_array_equal(labels_of(node, volume), second.labels)


def test_overlapping_segments_of_the_reader_stay_overlapping(
    mrml: OffscreenSlicer, volume: slicer.vtkMRMLScalarVolumeNode
) -> None:
    node = add_segmentation(mrml.scene, result(volume), volume, "result")
    reader = Reader(mrml.scene, node, volume)
    reader.editor_node.SetOverwriteMode(reader.editor_node.OverwriteNone)
    reader.paint(INFECTION, np.s_[1:3, 4:8, 14:17])
    both = voxels_of(node, INFECTION, volume) & voxels_of(node, LEFT, volume)
    assert both.any()
    write_segmentation(result(volume, "two", shift=2), volume, node)
    np.testing.assert_array_equal(voxels_of(node, INFECTION, volume) & voxels_of(node, LEFT, volume), both)


def test_the_algorithm_is_semiautomatic_once_a_reader_edited(
    mrml: OffscreenSlicer, volume: slicer.vtkMRMLScalarVolumeNode
) -> None:
    node = add_segmentation(mrml.scene, result(volume), volume, "result")
    assert not mark_edited(node, read_state(node, volume))
    reader = Reader(mrml.scene, node, volume)
    reader.erase(INFECTION, np.s_[3:6, 5:9, 4:8])
    state = read_state(node, volume)
    assert state.edited_percent() == pytest.approx(100 * 48 / 60)
    assert mark_edited(node, state)
    kinds = {row[0]: row[-1] for row in tags_of(node)}
    assert kinds == {LEFT: "AUTOMATIC", RIGHT: "AUTOMATIC", INFECTION: "SEMIAUTOMATIC"}
    reader.undo()
    assert {row[-1] for row in tags_of(node)} == {"AUTOMATIC"}


def test_a_result_that_was_joined_before_the_last_edit_is_joined_again(
    mrml: OffscreenSlicer, volume: slicer.vtkMRMLScalarVolumeNode
) -> None:
    node = add_segmentation(mrml.scene, result(volume), volume, "result")
    second = result(volume, "two", shift=2)
    planned = plan_update(second, volume, node)
    assert write_segmentation(second, volume, add_segmentation(mrml.scene, second, volume, "b"), planned) is not planned
    Reader(mrml.scene, node, volume).paint(INFECTION, np.s_[6:8, 4:7, 14:18])
    assert not planned.is_current()
    write_segmentation(second, volume, node, planned)
    assert voxels_of(node, INFECTION, volume)[6:8, 4:7, 14:18].all()


def test_a_segmentation_of_another_scan_is_refused_untouched(
    mrml: OffscreenSlicer, volume: slicer.vtkMRMLScalarVolumeNode
) -> None:
    node = add_segmentation(mrml.scene, result(volume), volume, "result")
    moved = volume.affine.copy()
    moved[:3, 3] += 1.3
    other = mrml.add_volume(CtVolume(np.zeros(SHAPE, np.int16), moved))
    other.affine = moved
    before, undo = tags_of(node), UndoPoints()
    with pytest.raises(InputError, match="another scan"):
        write_segmentation(result(other), other, node, before_write=undo.save)
    assert tags_of(node) == before
    assert not undo.can_undo(node)


def test_under_a_transform_the_readers_voxels_stay_in_their_place(
    mrml: OffscreenSlicer, volume: slicer.vtkMRMLScalarVolumeNode
) -> None:
    node = add_segmentation(mrml.scene, result(volume), volume, "result")
    Reader(mrml.scene, node, volume).paint(INFECTION, np.s_[6:8, 4:7, 14:18])
    expected = labels_of(node, volume)
    matrix = np.eye(4)
    matrix[:3, 3] = (10, 20, 30)
    transform = mrml.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    moved = result(volume)
    moved = Segmentation(moved.labels, matrix @ volume.affine, moved.provenance)
    write_segmentation(moved, volume, node)
    np.testing.assert_array_equal(labels_of(node, volume), expected)


def test_a_transform_that_a_reader_gave_to_the_segmentation_alone_is_not_taken_away(
    mrml: OffscreenSlicer, volume: slicer.vtkMRMLScalarVolumeNode
) -> None:
    node = add_segmentation(mrml.scene, result(volume), volume, "result")
    transform = mrml.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetAndObserveTransformNodeID(transform.GetID())
    before, undo = tags_of(node), UndoPoints()
    with pytest.raises(InputError, match="another transform"):
        write_segmentation(result(volume, "two", shift=2), volume, node, before_write=undo.save)
    assert node.GetTransformNodeID() == transform.GetID()
    assert tags_of(node) == before
    assert not undo.can_undo(node)


def test_a_segmentation_of_another_scan_with_the_same_grid_is_pointed_out(
    mrml: OffscreenSlicer, volume: slicer.vtkMRMLScalarVolumeNode
) -> None:
    first, second = (
        replace(result(volume), provenance=replace(result(volume).provenance, volume=f"scan, SHA-256 {name}"))
        for name in ("aa", "bb")
    )
    node = add_segmentation(mrml.scene, first, volume, "result")
    assert write_segmentation(first, volume, node).result.provenance.warnings == ()
    (warning,) = write_segmentation(second, volume, node).result.provenance.warnings
    assert "made from another scan" in warning


def test_a_scan_that_was_turned_with_its_segmentation_is_no_other_scan_for_the_next_run(
    mrml: OffscreenSlicer, volume: slicer.vtkMRMLScalarVolumeNode
) -> None:
    scan = read_volume_node(volume)
    half_turn = scan.grid.order.turned((0, 1, 2))[-1]
    before, now = (
        replace(result(volume), provenance=replace(result(volume).provenance, volume=f"scan, SHA-256 {name}"))
        for name in (scan.fingerprint_in(half_turn), scan.fingerprint)
    )
    assert before.provenance.volume != now.provenance.volume
    node = add_segmentation(mrml.scene, before, volume, "result")
    assert plan_update(now, volume, node).result.provenance.warnings
    known = fingerprints_so_far(scan, volume, {scan.fingerprint_in(half_turn)})
    assert plan_update(now, volume, node, known).result.provenance.warnings == ()


def test_a_new_segmentation_is_ready_for_slicers_dicom_export(
    mrml: OffscreenSlicer, volume: slicer.vtkMRMLScalarVolumeNode
) -> None:
    hierarchy = mrml.scene.GetSubjectHierarchyNode()
    study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "S"), "Study")
    hierarchy.CreateItem(study, volume)
    node = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "result")
    hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    write_segmentation(result(volume), volume, node)
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is volume
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study
    for segment in SEGMENTS:
        one = node.GetSegmentation().GetSegment(segment.id)
        assert tag(one, "DICOM.SegmentAlgorithmName") == "CovidSeg"
        assert tag(one, "TerminologyEntry").split("~")[2].startswith("SCT^")
