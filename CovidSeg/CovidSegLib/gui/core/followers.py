"""Tells when a reader has changed or moved a segmentation or its scan, once the hand rests."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

from ...mrml.readback import lobes_state
from ...mrml.volumes import grid_and_time

REST_MS = 200
"""How long nothing must change before it is told: a stroke of the brush is many changes."""


class _Follower(VTKObservationMixin):
    """Calls ``changed`` some time after what it observes."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(REST_MS)
        self._timer.connect("timeout()", changed)

    def _stop(self) -> None:
        self._timer.stop()
        self.removeObservers()

    def _wait(self, *_: object) -> None:
        self._timer.start()

    def _observe_segments(self, node: slicer.vtkMRMLSegmentationNode) -> None:
        content = node.GetSegmentation()
        for event in (
            content.SourceRepresentationModified,
            content.SegmentModified,
            content.SegmentAdded,
            content.SegmentRemoved,
        ):
            self.addObserver(content, event, self._wait)


class EditFollower(_Follower):
    """Calls ``changed`` after segments of the node that is followed were edited, added or removed."""

    def follow(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        """Follow ``node`` from now on, or (None) nothing."""
        self._stop()
        if node is not None:
            self._observe_segments(node)


class PlaceFollower(_Follower):
    """Calls ``changed`` after the segmentation or its scan was moved, or the scan got other voxels or another grid."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__(changed)
        self._scan: slicer.vtkMRMLScalarVolumeNode | None = None
        self._seen: tuple[float, ...] = ()

    def follow(self, node: slicer.vtkMRMLSegmentationNode | None, scan: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Follow these from now on, or (None) nothing."""
        self._stop()
        self._scan = scan
        for one in (node, scan):
            if one is not None:
                self.addObserver(one, slicer.vtkMRMLTransformableNode.TransformModifiedEvent, self._wait)
        if scan is not None:
            self._seen = grid_and_time(scan)
            # arrayFromVolumeModified and another matrix are told as a change of the node, as its name is, too.
            for event in (scan.ImageDataModifiedEvent, vtk.vtkCommand.ModifiedEvent):
                self.addObserver(scan, event, self._wait_if_changed)

    def _wait_if_changed(self, *_: object) -> None:
        seen = grid_and_time(self._scan)
        if seen != self._seen:
            self._seen = seen
            self._wait()


class LobeFollower(_Follower):
    """Calls ``changed`` after lobes came, went, were edited or moved, or segments became lobes by their codes.

    Any segmentation of the scene may hold them, unless it was made on another scan. While others are edited no more is
    done than to see that it was not the lobes.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__(self._look)
        self._changed = changed
        self._scan: slicer.vtkMRMLScalarVolumeNode | None = None
        self._seen: tuple[object, ...] = ()

    def follow(self, scan: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Follow the lobes of ``scan`` from now on, or (None) nothing."""
        self._stop()
        self._scan = scan
        if scan is None:
            return
        self._seen = lobes_state(slicer.mrmlScene, scan)
        self._observe()

    def stop(self) -> None:
        """Follow nothing any more."""
        self._stop()
        self._scan = None

    def _observe(self) -> None:
        self.removeObservers()
        scene = slicer.mrmlScene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent):
            self.addObserver(scene, event, self._node_came_or_went)
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
            self._observe_segments(node)
            for event in (
                node.TransformModifiedEvent,
                node.ReferenceAddedEvent,  # among them is the scan that it was made on
                node.ReferenceModifiedEvent,
                node.ReferenceRemovedEvent,
            ):
                self.addObserver(node, event, self._wait)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_came_or_went(self, _caller: object, _event: str, node: slicer.vtkMRMLNode) -> None:
        if node.IsA("vtkMRMLSegmentationNode"):
            self._wait()

    def _look(self) -> None:
        self._observe()  # also those that came
        state = lobes_state(slicer.mrmlScene, self._scan)
        if state != self._seen:
            self._seen = state
            self._changed()
