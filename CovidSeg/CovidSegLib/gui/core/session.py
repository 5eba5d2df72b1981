"""What the sections of the panel share. They know this, and not each other."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...mrml.covidseg_segments import ids_in
from .observable import Observable, Signal
from .run_steps import RunResult
from .scene_memory import SceneMemory
from .scene_nodes import in_scene
from .task import Task
from .task_slot import qt_ticker

if TYPE_CHECKING:
    import slicer

    from ...measures import Measurements
    from ...mrml.history import UndoPoints
    from ...progress import Report
    from .parameters import CovidSegParameterNode


@dataclass(frozen=True)
class Shown:
    """The numbers on display, the nodes that they belong to, and what a reader should know about them."""

    segmentationNode: slicer.vtkMRMLSegmentationNode
    volumeNode: slicer.vtkMRMLScalarVolumeNode
    measurements: Measurements
    warnings: tuple[str, ...]


class Session:
    """The state of one panel, and signals that tell of its changes.

    ``parameters``: the set in use (None while a scene is closed); ``nodes``: the segmentation that it names, if it has
    segments of ours or had some, and the scan (each may be None); ``memory``: what is known of them; ``run``: the run
    under way, or None; ``result``: what the last run brought, or None; ``reason``: why Apply cannot be pressed, "" when
    it can.

    Observables: ``shown``, the numbers of ``nodes`` as they are in the scene, or None; ``expectedSeconds``, how long a
    run will take, None for not known; ``editedPercent``, the share of the infection that a reader edited.

    Signals: ``parametersChanged`` (another set, or another value in it), ``nodesChanged`` (or moved), ``runStarted``
    (Task), ``runReported`` (Report), ``runEnded``, ``resultChanged`` (RunResult or None), ``failed`` (exception),
    ``reasonsChanged``, ``packagesChanged`` (something was installed), ``gpuWanted`` (names of the graphics cards: the
    user wants to compute on them), ``readingChanged`` (:class:`..sections.reading_section.Reading`, None: there is
    nothing to read), ``readingFailed`` (exception), ``readingWanted`` (something was changed, and what follows from it
    is wanted at once), ``parameterSetChosen`` (vtkMRMLScriptedModuleNode), ``closing`` (the panel goes away).
    ``undoPoints``: of every run.
    """

    def __init__(
        self, run_steps: Callable[..., Generator[Report | None, None, RunResult]], undo_points: UndoPoints
    ) -> None:
        """``run_steps``: a run of a scan, a segmentation or None, and the pipeline's options."""
        self._run_steps = run_steps
        self.undoPoints = undo_points
        self.editedPercent: Observable[float | None] = Observable(None)
        self._foreign = False
        self._reasons: dict[str, str] = {}
        self._gates: list[Callable[[], bool]] = []
        self.parameters: CovidSegParameterNode | None = None
        self.run: Task[RunResult] | None = None
        self.result: RunResult | None = None
        self.nodes: tuple[slicer.vtkMRMLSegmentationNode | None, slicer.vtkMRMLScalarVolumeNode | None] = (None, None)
        self.memory = SceneMemory()
        self.shown: Observable[Shown | None] = Observable(None)
        self.parametersChanged: Signal[[]] = Signal()
        self.runStarted: Signal[[Task[RunResult]]] = Signal()
        self.runReported: Signal[[Report]] = Signal()
        self.runEnded: Signal[[]] = Signal()
        self.resultChanged: Signal[[RunResult | None]] = Signal()
        self.nodesChanged: Signal[[]] = Signal()
        self.failed: Signal[[BaseException]] = Signal()
        self.reasonsChanged: Signal[[]] = Signal()
        self.packagesChanged: Signal[[]] = Signal()
        self.gpuWanted: Signal[[tuple[str, ...]]] = Signal()
        self.parameterSetChosen: Signal[[slicer.vtkMRMLScriptedModuleNode]] = Signal()
        self.closing: Signal[[]] = Signal()
        self.readingWanted: Signal[[]] = Signal()
        self.readingChanged: Signal[[Any]] = Signal()
        self.readingFailed: Signal[[Exception]] = Signal()
        self.expectedSeconds: Observable[float | None] = Observable(None)

    @property
    def hasSegments(self) -> bool:
        """Whether ``nodes`` are in the scene and belong together, and there are segments of ours."""
        return in_scene(self.nodes) and not self._foreign and _has_segments(self.nodes[0])

    @property
    def reason(self) -> str:
        """Why Apply cannot be pressed, in words; "" when it can. The first section that objects is heard."""
        return next((reason for reason in self._reasons.values() if reason), "")

    def setReason(self, section: str, reason: str) -> None:
        """Object to Apply in the name of ``section``, or ("") no longer."""
        if self._reasons.get(section, "") != reason:
            self._reasons[section] = reason
            self.reasonsChanged.emit()

    def reasonOf(self, section: str) -> str:
        """What ``section`` has against Apply; "" for nothing."""
        return self._reasons.get(section, "")

    def addGate(self, gate: Callable[[], bool]) -> None:
        """Let ``gate`` be asked before each run.

        False: something must happen first, and whoever owns the gate calls :meth:`start` again afterwards.
        """
        self._gates.append(gate)

    def setParameters(self, parameters: CovidSegParameterNode | None) -> None:
        """Use another set of parameters."""
        self.parameters = parameters
        self.parametersChanged.emit()
        self._take_up_nodes(anew=True)

    def parametersModified(self) -> None:
        """Take up the parameters as they are now."""
        self.parametersChanged.emit()
        self._take_up_nodes()

    def setForeign(self, foreign: bool) -> None:
        """Whether the segmentation belongs to another scan: then it is neither measured nor reviewed on this one."""
        if foreign != self._foreign:
            self._foreign = foreign
            self.nodesChanged.emit()

    def _take_up_nodes(self, *, anew: bool = False) -> None:
        """``anew``: with another set nothing is shown yet, also where it names the same nodes as the one before."""
        parameters = self.parameters
        node = parameters.outputSegmentation if parameters is not None else None
        volume_node = parameters.inputVolume if parameters is not None else None
        if node is not None and not (_has_segments(node) or self._can_come_back(node)):
            node = None
        if anew or (node, volume_node) != self.nodes:
            self.nodes, self.memory = (node, volume_node), SceneMemory()
            self.nodesChanged.emit()

    def _can_come_back(self, node: slicer.vtkMRMLSegmentationNode) -> bool:
        return self.undoPoints.can_undo(node) or self.undoPoints.can_redo(node)

    @property
    def parametersInUse(self) -> CovidSegParameterNode:
        """The set in use, for what is done with one alone."""
        assert self.parameters is not None, "no scene is open"
        return self.parameters

    def setResult(self, result: RunResult | None) -> None:
        """What the last run brought; None: there was none with these parameters."""
        self.result = result
        self.shown.value = (
            None
            if result is None
            else Shown(result.segmentationNode, result.volumeNode, result.measurements, result.warnings)
        )
        self.resultChanged.emit(result)

    def setMeasurements(self, measurements: Measurements | None) -> None:
        """The numbers of ``nodes`` as they are by now in the scene, or None where there are none."""
        node, volume_node = self.nodes
        if measurements is None or node is None or volume_node is None:
            self.shown.value = None
            return
        warnings = measurements.flags
        if self.result is not None and self.result.segmentationNode is node:
            self.result = replace(self.result, measurements=measurements)
            warnings = self.result.warnings
        self.shown.value = Shown(node, volume_node, measurements, warnings)

    def start(self) -> None:
        """Begin a run with the parameters in use; does nothing while one is under way."""
        from .parameters import options_of

        if self.run is not None or self.parameters is None or self.reason:
            return
        if not all(gate() for gate in self._gates):
            return
        used = self.parameters
        steps = self._run_steps(used.inputVolume, used.outputSegmentation, options_of(used))
        self.run = run = Task(steps, qt_ticker())
        run.reported.connect(self.runReported.emit)
        run.finished.connect(lambda result: self._finished(result, used))
        run.failed.connect(self._failed)
        run.cancelled.connect(self._ended)
        run.start()
        self.runStarted.emit(run)

    def cancel(self) -> None:
        """Stop the run under way, if there is one; ``runEnded`` tells when it has cleaned up."""
        if self.run is not None:
            self.run.cancel()

    def close(self) -> None:
        """The panel goes away: stop the run under way at once."""
        if self.run is not None:
            self.run.close()
        self.closing.emit()

    def _ended(self) -> None:
        self.run = None
        self.runEnded.emit()
        self._take_up_nodes()

    def _finished(self, result: RunResult, used: CovidSegParameterNode) -> None:
        self._ended()
        # The set that the run was started with, also when the user looks at another one meanwhile.
        used.outputSegmentation = result.segmentationNode
        if self.parameters is not None and self.parameters.parameterNode is used.parameterNode:
            self.setResult(result)

    def _failed(self, error: BaseException) -> None:
        self._ended()
        self.failed.emit(error)


def _has_segments(node: slicer.vtkMRMLSegmentationNode) -> bool:
    return bool(ids_in(node))
