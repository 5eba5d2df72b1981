"""One run, in steps: read the scan, let a child process segment it, write the segments into the scene."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from slicer.i18n import tr as _

from ...errors import InputError
from ...geometry.volume import CtVolume
from ...measures import Measurements, measure
from ...measures.review import with_certainty
from ...mrml.scene_corrections import Update, plan_update
from ...mrml.segmentations import add_segmentation, check_same_transform, write_segmentation
from ...mrml.volumes import read_in_steps, voxels_time
from ...pipeline import Options
from ...progress import Progress, Report
from ...reading.verdict import judge_scan
from ...segmentation import Segmentation
from ...system.steps import mapped, silently
from ...worker.jobs import SegmentVoxels
from ...worker.parent import MakeJob, Worker
from .scan_match import belonging_steps
from .task import ended_by, in_thread

if TYPE_CHECKING:
    import slicer


class SegmentingProcess(Protocol):
    """What a run needs of :class:`CovidSegLib.worker.parent.Worker`."""

    def start(self) -> None:
        """Start the child."""

    def begin(self, make: MakeJob) -> None:
        """Hand it a scan."""

    def poll(self, progress: Progress, wait_seconds: float) -> Any:
        """Its result, or None."""

    def close_steps(self) -> Generator[None, None, None]:
        """End it in steps, and leave nothing behind."""


@dataclass(frozen=True)
class RunResult:
    """What a run brought.

    Attributes
    ----------
    volumeNode, segmentationNode
        The scan, and where its segments are.
    segmentation
        The labels with the reader's corrections kept, and how they were made.
    measurements
        All numbers: volumes in mL, shares in %, densities in HU.
    seconds
        What the whole run took.
    untouched
        Names of segments that were left as they were.
    """

    volumeNode: slicer.vtkMRMLScalarVolumeNode
    segmentationNode: slicer.vtkMRMLSegmentationNode
    segmentation: Segmentation
    measurements: Measurements
    seconds: float = 0.0
    untouched: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know about scan and result."""
        return (*self.segmentation.provenance.warnings, *self.measurements.flags)


def python_interpreter() -> str:
    """The Python that a child process runs in: Slicer's own, with its packages but without its window."""
    name, here = "PythonSlicer", os.path.dirname(sys.executable)
    return shutil.which(name) or shutil.which(name, path=here) or sys.executable


def worker_in_slicer(options: Options) -> Worker:
    """A child process of Slicer's Python that segments; it is not started yet."""
    return Worker(options, python=python_interpreter())


def run_steps(
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    segmentation_node: slicer.vtkMRMLSegmentationNode | None,
    options: Options,
    before_write: Callable[[slicer.vtkMRMLSegmentationNode], None] = lambda node: None,
    open_worker: Callable[[Options], SegmentingProcess] | None = None,
) -> Generator[Report | None, None, RunResult]:
    """The steps of one run; see :mod:`.task`. Until the last one nothing in the scene is touched.

    ``before_write`` is called with a segmentation that is about to be changed, or was just added and is empty: the
    place for an undo point.

    Raises what reading, the pipeline and writing raise, and InputError before anything runs where the segmentation
    belongs to another scan or is under a transform of its own; a child process is gone, with its files, however it
    ends.
    """
    began = time.monotonic()
    known: frozenset[str] = frozenset()
    if segmentation_node is not None:
        known = yield from belonging_steps(segmentation_node, volume_node)
        check_same_transform(volume_node, segmentation_node)
    read_at = voxels_time(volume_node)
    worker = (open_worker or worker_in_slicer)(options)
    volume, found = yield from ended_by(_segment(worker, volume_node), worker.close_steps)
    yield Report("measuring")
    segmentation = yield from in_thread(lambda: with_certainty(found))
    while True:
        node = _where(volume_node, segmentation_node)
        update = plan_update(segmentation, volume_node, node, known)
        joined = update.result
        compute = partial(_measured, joined, volume)
        measurements = yield from in_thread(compute)
        yield Report("writing")
        read_at = yield from _check_unchanged(volume_node, volume, read_at)
        # The reader may have gone on editing while this was computed.
        if update.is_current() and node is _where(volume_node, segmentation_node):
            break
    node, update = _write(segmentation, volume_node, node, update, before_write)
    seconds = time.monotonic() - began
    return RunResult(volume_node, node, update.result, measurements, seconds, update.untouched)


def _measured(joined: Segmentation, volume: CtVolume) -> Measurements:
    verdict = judge_scan(volume)
    return measure(joined.labels, joined.grid, voxels=volume.voxels, absent=joined.absent, verdict=verdict)


def _segment(
    worker: SegmentingProcess, volume_node: slicer.vtkMRMLScalarVolumeNode
) -> Generator[Report | None, None, tuple[CtVolume, Segmentation]]:
    worker.start()  # it loads the network while the scan is read
    yield Report("reading")
    volume = yield from mapped(read_in_steps(volume_node), partial(Report, "reading"))
    worker.begin(partial(SegmentVoxels.of, volume))
    return volume, (yield from _wait(worker))


def _check_unchanged(
    volume_node: slicer.vtkMRMLScalarVolumeNode, volume: CtVolume, read_at: int
) -> Generator[None, None, int]:
    """Raise InputError where the scan no longer has the voxels that were read at ``read_at``; returns their time."""
    while (now := voxels_time(volume_node)) != read_at:
        again = yield from silently(read_in_steps(volume_node))
        if not np.array_equal(again.voxels, volume.voxels):
            raise InputError(_("The scan was changed while it was segmented."), _("Segment it again."))
        read_at = now
    return read_at


def _wait(worker: SegmentingProcess) -> Generator[Report | None, None, Segmentation]:
    """Pass on what the child reports, until its result is there."""
    heard: list[Report] = []
    progress = Progress(heard.append)
    last: Report | None = None
    while True:
        heard.clear()
        segmentation = worker.poll(progress, 0.001)
        news = [report for report in heard if report.notice or report != last]
        for report in news:
            last = last if report.notice else report
            yield report
        if segmentation is not None:
            return segmentation
        if not news:
            yield None


def _where(
    volume_node: slicer.vtkMRMLScalarVolumeNode, segmentation_node: slicer.vtkMRMLSegmentationNode | None
) -> slicer.vtkMRMLSegmentationNode | None:
    """The segmentation that the result goes to, None for a new one."""
    if volume_node.GetScene() is None:
        raise InputError(_("The scan was removed from the scene while it was segmented."), _("Load it again."))
    if segmentation_node is not None and segmentation_node.GetScene() is None:
        return None  # removed meanwhile: the work of the run is not lost, it goes to a new one
    return segmentation_node


def _write(
    segmentation: Segmentation,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    node: slicer.vtkMRMLSegmentationNode | None,
    update: Update,
    before_write: Callable[[slicer.vtkMRMLSegmentationNode], None],
) -> tuple[slicer.vtkMRMLSegmentationNode, Update]:
    """The only call that changes the scene."""
    if node is None:
        scene = volume_node.GetScene()
        # Slicer names the files of a scene after its nodes: of two with one name the second would replace the first.
        name = scene.GenerateUniqueName(f"{volume_node.GetName()} CovidSeg")
        node = add_segmentation(scene, segmentation, volume_node, name, update, before_write)
    else:
        update = write_segmentation(segmentation, volume_node, node, update, before_write)
    return node, update
