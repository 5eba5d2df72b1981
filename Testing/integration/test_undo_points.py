"""The module's own undo points, on real MRML: nothing that a reader did is out of reach of Undo and Redo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")

import slicer

from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.mrml import history
from CovidSegLib.mrml.history import UndoPoints
from CovidSegLib.mrml.scene_corrections import tag
from CovidSegLib.mrml.segment_display import SURFACE, looks_of
from CovidSegLib.mrml.segmentations import LUNG_OPACITY_3D, add_segmentation, write_segmentation
from CovidSegLib.report.views import SliceView, ThreeDView
from CovidSegLib.segmentation import SEGMENTS, Provenance, Segmentation
from Testing.kit.blocks import turned
from Testing.kit.segment_editor import Reader, voxels_of

if TYPE_CHECKING:
    from CovidSegLib.report.views import OffscreenSlicer

SHAPE = (4, 20, 24)
AFFINE = np.diag((-0.7, -0.8, 2.5, 1.0))
LEFT, RIGHT, INFECTION = (segment.id for segment in SEGMENTS)


class Desk:
    """A scan, its segments, a reader and the undo points. What there is to see is told by :meth:`seen`."""

    def __init__(self, mrml: OffscreenSlicer) -> None:
        self.volume = mrml.add_volume(CtVolume(np.zeros(SHAPE, np.int16), AFFINE))
        self.node = add_segmentation(mrml.scene, self.result(0), self.volume, "result")
        self.reader = Reader(mrml.scene, self.node, self.volume)
        self.points = UndoPoints()
        self._painted = 0

    @staticmethod
    def result(model: int) -> Segmentation:
        labels = np.zeros(SHAPE, np.uint8)
        labels[:, model : 10 + model, 13:22] = 1
        labels[:, 3:14, 2:11] = 2
        labels[1:3, 5 + model : 8 + model, 14:18] = 3
        return Segmentation(labels, AFFINE, Provenance(f"model {model}", "ab" * 32, "onnx", "CPU", "CovidSeg 1.0"))

    def run(self, model: int) -> None:
        """A run, with its undo point."""
        write_segmentation(self.result(model), self.volume, self.node, before_write=self.points.save)

    def paint(self) -> None:
        """An edit in a place of its own, without an undo point of the module."""
        self._painted += 1
        self.reader.paint(INFECTION, np.s_[0:1, 0:1, self._painted - 1 : self._painted])

    def step(self) -> None:
        """A smaller step with an undo point, as Accept and Delete in the review."""
        self.points.save(self.node, run=False)
        self.paint()

    def seen(self) -> tuple:
        """Voxels, names, colours and tags of all segments in their order."""
        content = self.node.GetSegmentation()
        segments = [(name, content.GetSegment(name)) for name in content.GetSegmentIDs()]
        keys = ("CovidSeg.Model", "CovidSeg.NetworkMask", "Segmentation.Status", "accepted")
        return tuple(
            (
                name,
                voxels_of(self.node, name, self.volume).tobytes(),
                (one.GetName(), one.GetColor(), *(tag(one, key) for key in keys)),
            )
            for name, one in segments
        )


@pytest.fixture
def desk(mrml: OffscreenSlicer) -> Desk:
    return Desk(mrml)


def test_a_run_can_be_taken_back_after_a_long_review(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_STATES", 6)
    before = desk.seen()
    desk.run(1)
    for _ in range(20):
        desk.step()
    after = desk.seen()
    steps = 0
    while desk.points.undo(desk.node):
        steps += 1
    assert steps == 6
    assert desk.seen() == before
    while desk.points.redo(desk.node):
        steps -= 1
    assert steps == 0
    assert desk.seen() == after


def test_the_memory_of_a_history_has_a_bound_and_tags_take_none_of_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = desk.node.GetSegmentation().GetSegment(LEFT).GetRepresentation("Binary labelmap")
    monkeypatch.setattr(history, "MAX_BYTES", 3 * 1024 * layer.GetActualMemorySize())
    desk.run(1)
    for _ in range(9):
        desk.points.save(desk.node, run=False)
        desk.node.GetSegmentation().GetSegment(INFECTION).SetTag("accepted", "more")
    steps = 0
    while desk.points.undo(desk.node):
        steps += 1
    assert steps == 10
    desk.run(1)
    for _ in range(9):
        desk.step()
    steps = 0
    while desk.points.undo(desk.node):
        steps += 1
    assert steps == 3


class Views:
    """Slicer's own displayable managers, as its slice and 3-D views have them; nothing is drawn."""

    def __init__(self, mrml: OffscreenSlicer, desk: Desk) -> None:
        self._desk = desk
        self._3d, self._2d = ThreeDView(mrml), SliceView(mrml, "Axial", desk.volume)

    def shown(self) -> list[int]:
        """The number of points of each surface that the 3-D view shows."""
        actors = [actor for actor in self._3d._renderer.GetActors() if actor.GetVisibility()]
        return sorted(actor.GetMapper().GetInput().GetNumberOfPoints() for actor in actors)

    def expected(self) -> list[int]:
        """The same of the voxels that there are: of surfaces that are made of them anew."""
        fresh = slicer.vtkSegmentation()
        fresh.DeepCopy(self._desk.node.GetSegmentation())
        fresh.RemoveRepresentation(SURFACE)
        assert fresh.CreateRepresentation(SURFACE)
        surfaces = [fresh.GetSegmentRepresentation(name, SURFACE) for name in fresh.GetSegmentIDs()]
        return sorted(surface.GetNumberOfPoints() for surface in surfaces)


@pytest.mark.parametrize("shown", ["before the run", "after the run", "after the first undo"])
def test_the_views_show_what_undo_and_redo_bring(mrml: OffscreenSlicer, desk: Desk, shown: str) -> None:
    """The fixture mrml fails where Slicer logs that it could not make a surface."""
    views = Views(mrml, desk)
    if shown == "before the run":
        desk.node.CreateClosedSurfaceRepresentation()
    desk.run(4)
    if shown == "after the run":
        desk.node.CreateClosedSurfaceRepresentation()
    desk.step()
    heard = []
    for step in (desk.points.undo, desk.points.undo, desk.points.redo, desk.points.undo, desk.points.redo):
        assert step(desk.node)
        if shown == "after the first undo":
            desk.node.CreateClosedSurfaceRepresentation()
        assert views.shown() == views.expected()
    content = desk.node.GetSegmentation()
    content.AddObserver(content.SegmentModified, lambda *_: heard.append(True))
    content.GetSegment(LEFT).SetName("Lunge links")
    assert heard  # Slicer still tells of changes


def test_segments_that_come_and_go_with_undo_and_redo_are_seen_in_3d(mrml: OffscreenSlicer, desk: Desk) -> None:
    views = Views(mrml, desk)
    desk.node.CreateClosedSurfaceRepresentation()
    desk.points.save(desk.node)
    desk.node.GetSegmentation().RemoveSegment(INFECTION)
    assert desk.points.undo(desk.node)
    assert views.shown() == views.expected()
    assert len(views.shown()) == 3
    assert desk.points.redo(desk.node)
    assert views.shown() == views.expected()
    assert len(views.shown()) == 2


def test_names_colours_order_and_segments_that_were_removed_come_back(desk: Desk) -> None:
    content = desk.node.GetSegmentation()
    before = desk.seen()
    desk.run(1)
    content.GetSegment(LEFT).SetName("Lunge links")
    content.GetSegment(INFECTION).SetColor(0, 1, 1)
    content.RemoveSegment(RIGHT)
    content.AddEmptySegment("Drain", "Drainage")
    content.SetSegmentIndex(INFECTION, 0)
    after = desk.seen()
    desk.points.undo(desk.node)
    assert desk.seen() == before
    desk.points.redo(desk.node)
    assert desk.seen() == after
    assert desk.points.undo(desk.node)
    # The segments still share one labelmap, and the editor still edits them.
    assert content.GetNumberOfLayers() == 1
    desk.reader.paint(INFECTION, np.s_[0:1, 0:2, 0:2])
    assert voxels_of(desk.node, INFECTION, desk.volume)[0, :2, :2].all()


def test_surfaces_come_back_with_the_voxels(desk: Desk) -> None:
    desk.node.CreateClosedSurfaceRepresentation()
    content = desk.node.GetSegmentation()
    points = content.GetSegment(INFECTION).GetRepresentation("Closed surface").GetNumberOfPoints()
    desk.points.save(desk.node)
    desk.reader.erase(INFECTION, np.s_[1:2, :, :])
    desk.points.undo(desk.node)
    assert content.GetSegment(INFECTION).GetRepresentation("Closed surface").GetNumberOfPoints() == points


def surfaces_of(desk: Desk) -> list[tuple | None]:
    """The bounds of every segment's surface, None without one."""
    content = desk.node.GetSegmentation()
    found = [content.GetSegment(name).GetRepresentation("Closed surface") for name in content.GetSegmentIDs()]
    return [None if one is None else one.GetBounds() for one in found]


def test_making_surfaces_is_no_step(desk: Desk) -> None:
    """What Redo could bring back, it still can; and the surfaces are those of the voxels that came back."""
    desk.run(1)
    after = desk.seen()
    desk.points.undo(desk.node)
    desk.node.CreateClosedSurfaceRepresentation()
    first = surfaces_of(desk)
    assert desk.points.can_redo(desk.node)
    assert not desk.points.can_undo(desk.node)
    assert desk.points.redo(desk.node)
    assert desk.seen() == after
    second = surfaces_of(desk)
    assert all(second)
    assert second != first
    desk.node.RemoveClosedSurfaceRepresentation()
    assert desk.points.undo(desk.node)
    assert surfaces_of(desk) == first


@pytest.mark.parametrize("edit", ["tag", "name", "colour", "voxels", "order"])
def test_an_edit_beside_new_surfaces_is_not_overlooked(desk: Desk, edit: str) -> None:
    desk.run(1)
    desk.points.undo(desk.node)
    desk.node.CreateClosedSurfaceRepresentation()
    content = desk.node.GetSegmentation()
    if edit == "tag":
        content.GetSegment(LEFT).SetTag("accepted", "more")
    elif edit == "name":
        content.GetSegment(LEFT).SetName("Lunge links")
    elif edit == "colour":
        content.GetSegment(LEFT).SetColor(0, 1, 1)
    elif edit == "voxels":
        desk.paint()
    else:
        content.SetSegmentIndex(INFECTION, 0)
    assert not desk.points.can_redo(desk.node)
    edited = desk.seen()
    desk.points.undo(desk.node)
    desk.points.redo(desk.node)
    assert desk.seen() == edited


def test_segments_come_back_as_they_were_shown(desk: Desk) -> None:
    content, display = desk.node.GetSegmentation(), desk.node.GetDisplayNode()
    for name in (LEFT, RIGHT, INFECTION):
        content.RemoveSegment(name)
    desk.run(1)  # as the first one
    display.SetSegmentVisibility(LEFT, False)
    display.SetSegmentOpacity2DFill(RIGHT, 0.25)
    display.SetSegmentOverrideColor(INFECTION, 1.0, 1.0, 0.0)
    shown = looks_of(desk.node)
    assert shown[LEFT]["Opacity3D"] == LUNG_OPACITY_3D
    desk.points.undo(desk.node)
    assert not content.GetNumberOfSegments()
    desk.points.redo(desk.node)
    assert looks_of(desk.node) == shown


def test_what_a_reader_hid_since_stays_hidden(desk: Desk) -> None:
    desk.run(1)
    desk.node.GetDisplayNode().SetSegmentVisibility(LEFT, False)
    desk.points.undo(desk.node)
    assert not desk.node.GetDisplayNode().GetSegmentVisibility(LEFT)
    desk.points.redo(desk.node)
    assert not desk.node.GetDisplayNode().GetSegmentVisibility(LEFT)


def test_undo_does_not_go_back_to_where_the_scan_was_before_a_transform_was_hardened(desk: Desk) -> None:
    desk.step()
    desk.points.undo(desk.node)
    assert desk.points.can_redo(desk.node)
    desk.step()
    for angle in (5.0, -5.0):
        before = desk.seen()
        transform = desk.node.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode")
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(turned(np.eye(4), 2, angle)))
        for node in (desk.volume, desk.node):
            node.SetAndObserveTransformNodeID(transform.GetID())
            node.HardenTransform()
        assert desk.seen() == before
        can_undo = angle < 0  # all is where it was
        assert desk.points.can_undo(desk.node) == can_undo
        assert desk.points.undo(desk.node) == can_undo
        assert (desk.seen() == before) == (not can_undo)
        assert desk.points.can_redo(desk.node) == can_undo


def test_a_first_run_into_a_readers_segments_of_another_grid_can_be_taken_back(desk: Desk) -> None:
    node = desk.node.GetScene().AddNewNodeByClass("vtkMRMLSegmentationNode", "reader's")
    fine = desk.node.GetScene().AddNewNodeByClass("vtkMRMLScalarVolumeNode", "fine")
    slicer.util.updateVolumeFromArray(fine, np.zeros([2 * size for size in SHAPE], np.int16))
    fine.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(AFFINE @ np.diag((0.5, 0.5, 0.5, 1.0))))
    node.SetReferenceImageGeometryParameterFromVolumeNode(fine)
    node.GetSegmentation().AddEmptySegment("tumour", "Tumour")
    write_segmentation(desk.result(0), desk.volume, node, before_write=desk.points.save)
    assert set(node.GetSegmentation().GetSegmentIDs()) > {"tumour"}
    assert desk.points.undo(node)
    assert node.GetSegmentation().GetSegmentIDs() == ("tumour",)
    assert desk.points.redo(node)
    assert set(node.GetSegmentation().GetSegmentIDs()) == {"tumour", LEFT, RIGHT, INFECTION}


@pytest.mark.parametrize("seed", range(6))
def test_every_state_that_was_left_can_be_reached_again(desk: Desk, seed: int) -> None:
    """In whatever order: what was there when an undo point was set, or when Undo or Redo was pressed, is not gone."""
    choose = np.random.default_rng(seed)
    left = set()
    for _ in range(15):
        action = choose.choice(["run", "step", "paint", "undo", "undo", "redo"])
        before = desk.seen()
        if action == "run":
            desk.run(int(choose.integers(3)))
            left.add(before)
        elif action == "step":
            desk.step()
            left.add(before)
        elif action == "paint":
            desk.paint()
        elif getattr(desk.points, action)(desk.node):
            left.add(before)
    found = {desk.seen()}
    for go_on in (desk.points.redo, desk.points.undo):
        while go_on(desk.node):
            found.add(desk.seen())
    assert left <= found
