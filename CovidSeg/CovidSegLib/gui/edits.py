"""Tells when a reader has changed a segmentation, once the hand rests."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
from slicer.util import VTKObservationMixin

REST_MS = 400
"""How long nothing must change before it is told: a stroke of the brush is many changes."""


class EditFollower(VTKObservationMixin):
    """Calls ``changed`` after segments of the node that is followed were edited, added or removed."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(REST_MS)
        self._timer.connect("timeout()", changed)

    def follow(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        """Follow ``node`` from now on, or (None) nothing."""
        self._timer.stop()
        self.removeObservers()
        if node is None:
            return
        content = node.GetSegmentation()
        for event in (
            content.SourceRepresentationModified,
            content.SegmentModified,
            content.SegmentAdded,
            content.SegmentRemoved,
        ):
            self.addObserver(content, event, self._wait)

    def _wait(self, *_: object) -> None:
        self._timer.start()
