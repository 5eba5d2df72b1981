"""A lesion of the review list is deleted: it becomes lung, and what the reader fixed does not change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")

import slicer

from CovidSegLib.corrections.merge import RECORD_TAG, bit
from CovidSegLib.errors import InputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.mrml.history import UndoPoints
from CovidSegLib.mrml.lesion_review import accept_lesion, delete_lesion, plan_review
from CovidSegLib.mrml.readback import read_labels
from CovidSegLib.mrml.scene_corrections import ALGORITHM_TAG, mark_edited, modified_time, read_state, tag
from CovidSegLib.mrml.segmentations import add_segmentation
from CovidSegLib.segmentation import SEGMENTS, Label, Provenance, Segmentation
from CovidSegLib.system.last_answer import LastAnswer
from Testing.kit.blocks import UPRIGHT, block_labels
from Testing.kit.segment_editor import Reader, voxels_of

if TYPE_CHECKING:
    from CovidSegLib.report.views import OffscreenSlicer

LEFT, RIGHT, INFECTION = (segment.id for segment in SEGMENTS)
IN_LEFT, IN_RIGHT = np.s_[4:8, 20:30, 65:85], np.s_[4:6, 20:30, 15:20]
"""Where the lesions of the blocks lie: the large one in the left lung, the small one in the right lung."""


@pytest.fixture
def nodes(mrml: OffscreenSlicer) -> tuple:
    """Segmentation and scan of the blocks."""
    labels = block_labels()
    scan = mrml.add_volume(CtVolume(np.zeros(labels.shape, np.int16), UPRIGHT))
    made = Provenance("one", "ab" * 32, "onnx", "CPU", "CovidSeg 1.0")
    return add_segmentation(mrml.scene, Segmentation(labels, UPRIGHT, made), scan, "result"), scan


def complete(node, *names: str) -> None:
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    for name in names:
        logic.SetSegmentStatus(node.GetSegmentation().GetSegment(name), logic.Completed)


def test_a_lesion_becomes_the_lung_that_it_lies_in(nodes) -> None:
    for _ in range(2):
        review = plan_review(*nodes)()
        delete_lesion(review, review.lesions.lesions[0])
    labels = block_labels()
    labels[IN_LEFT], labels[IN_RIGHT] = Label.LEFT_LUNG, Label.RIGHT_LUNG
    np.testing.assert_array_equal(read_labels(*nodes), labels)


def test_surfaces_stay_when_a_lesion_is_deleted_and_are_those_of_the_new_voxels(nodes) -> None:
    node = nodes[0]
    node.CreateClosedSurfaceRepresentation()
    review = plan_review(*nodes)()
    before = node.GetClosedSurfaceInternalRepresentation(INFECTION).GetNumberOfPoints()
    delete_lesion(review, review.lesions.lesions[0])
    surfaces = [node.GetClosedSurfaceInternalRepresentation(name) for name in (LEFT, RIGHT, INFECTION)]
    assert all(surface is not None for surface in surfaces)
    assert 0 < surfaces[-1].GetNumberOfPoints() < before


@pytest.mark.parametrize("completed", [(LEFT,), (LEFT, RIGHT)])
def test_a_lesion_of_a_completed_lung_is_not_deleted(nodes, completed: tuple[str, ...]) -> None:
    complete(nodes[0], *completed)
    review, undo = plan_review(*nodes)(), UndoPoints()
    before = modified_time(nodes[0])
    with pytest.raises(InputError, match="lies in the left lung, which is marked as completed"):
        delete_lesion(review, review.lesions.lesions[0], undo.save)
    assert modified_time(nodes[0]) == before
    assert not undo.can_undo(nodes[0])
    np.testing.assert_array_equal(read_labels(*nodes), block_labels())


def test_a_completed_lung_does_not_hold_the_lesions_of_the_other(nodes) -> None:
    complete(nodes[0], LEFT)
    review, undo = plan_review(*nodes)(), UndoPoints()
    delete_lesion(review, review.lesions.lesions[1], undo.save)
    labels = block_labels()
    labels[IN_RIGHT] = Label.RIGHT_LUNG
    np.testing.assert_array_equal(read_labels(*nodes), labels)
    assert undo.undo(nodes[0])
    np.testing.assert_array_equal(read_labels(*nodes), block_labels())


def test_a_lesion_of_a_lung_that_was_taken_out_does_not_become_the_other(nodes) -> None:
    nodes[0].GetSegmentation().RemoveSegment(RIGHT)
    review = plan_review(*nodes)()
    delete_lesion(review, review.lesions.lesions[1])
    labels = block_labels()
    labels[labels == Label.RIGHT_LUNG] = labels[IN_RIGHT] = 0
    np.testing.assert_array_equal(read_labels(*nodes), labels)


def test_records_are_unpacked_again_when_they_change_and_not_when_voxels_do(
    nodes: tuple, mrml: OffscreenSlicer
) -> None:
    node, scan = nodes
    records = LastAnswer()
    review, undo = plan_review(node, scan, read_state(node, scan, records))(), UndoPoints()
    before = review.reviewed
    delete_lesion(review, review.lesions.lesions[0])
    edited = read_state(node, scan, records)
    assert edited.last is before.last
    assert not (edited.current[IN_LEFT] & bit(Label.INFECTION)).any()
    review = plan_review(node, scan, read_state(node, scan, records))()
    accept_lesion(review, review.lesions.lesions[0], undo.save)
    accepted = read_state(node, scan, records).last
    assert (accepted.agreed[IN_RIGHT] == bit(Label.INFECTION)).all()
    assert undo.undo(node)
    assert not read_state(node, scan, records).last.agreed.any()
    nothing = Segmentation(np.zeros_like(block_labels()), UPRIGHT, Provenance("one", "ab" * 32, "onnx", "CPU", "1.0"))
    assert not read_state(add_segmentation(mrml.scene, nothing, scan, "other"), scan, records).last.drawn.any()
    node.GetSegmentation().GetSegment(INFECTION).RemoveTag(RECORD_TAG)
    assert not read_state(node, scan, records).last.known & bit(Label.INFECTION)


def test_segments_that_reach_over_a_part_of_the_scan_are_read_where_they_lie(nodes: tuple) -> None:
    """Slicer keeps the part of the grid that is filled; layers of their own are of another size each."""
    node, scan = nodes
    editor = Reader(node.GetScene(), node, scan)
    editor.editor_node.SetOverwriteMode(editor.editor_node.OverwriteNone)
    editor.paint(INFECTION, np.s_[0:2, 0:3, 95:100])
    state = read_state(node, scan)
    masks = [voxels_of(node, name, scan) for name in (LEFT, RIGHT, INFECTION)]
    for label, mask in enumerate(masks, 1):
        np.testing.assert_array_equal(state.current & bit(label) != 0, mask)
    assert state.current[0, 0, 99] == bit(Label.INFECTION)


def test_the_tags_after_a_delete_are_those_of_what_is_in_the_scene(nodes: tuple) -> None:
    review = plan_review(*nodes)()
    delete_lesion(review, review.lesions.lesions[0])
    tags = [tag(nodes[0].GetSegmentation().GetSegment(name), ALGORITHM_TAG) for name in (LEFT, RIGHT, INFECTION)]
    assert tags == ["SEMIAUTOMATIC", "AUTOMATIC", "SEMIAUTOMATIC"]
    assert not mark_edited(nodes[0], read_state(*nodes))
