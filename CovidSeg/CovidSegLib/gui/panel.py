"""The panel: the .ui file, the sections that bring it to life, and its parameters in the scene."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import slicer
import vtk
from slicer.util import VTKObservationMixin

from .core.parameters import CovidSegParameterNode, is_untouched
from .core.run_steps import run_steps
from .core.selection import Selection, scans_in_scene
from .core.session import Session
from .sections.checks_section import ChecksSection
from .sections.hardware_section import HardwareSection
from .sections.input_section import InputSection
from .sections.install_section import InstallSection
from .sections.licence_section import LicenceSection
from .sections.message_section import MessageSection
from .sections.models_section import ModelsSection
from .sections.numbers_section import NumbersSection
from .sections.parameter_sets_section import ParameterSetsSection
from .sections.reading_section import ReadingSection
from .sections.results_section import ResultsSection
from .sections.review_section import ReviewSection
from .sections.run_section import RunSection
from .sections.window_section import WindowSection

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..mrml.history import UndoPoints


class Section(Protocol):
    """One part of the panel. ``ui``: the widgets by name; it listens to ``session`` and is not called by anyone."""

    def __init__(self, ui: Any, session: Session) -> None: ...


SECTIONS: tuple[type[Section], ...] = (
    ParameterSetsSection,
    InputSection,
    WindowSection,
    ModelsSection,
    ChecksSection,
    HardwareSection,
    InstallSection,
    LicenceSection,
    MessageSection,
    ResultsSection,
    NumbersSection,
    ReviewSection,
    RunSection,
    ReadingSection,
)
"""In the order in which they hear of changes. A new one is added here; its widgets go into ``ui.moreSections``
(``ui.moreSections.layout().addWidget(...)``), or into the .ui file. Tests find the
section by the name of its class (``OpenModule.section``)."""


class Logic(Protocol):
    """What the panel needs of ``CovidSegLogic``."""

    getParameterNode: Callable[[], CovidSegParameterNode]
    getAllParameterNodes: Callable[[], list[slicer.vtkMRMLScriptedModuleNode]]
    undoPoints: UndoPoints


class Panel(VTKObservationMixin):
    """The panel of the module. ``ui``: its widgets by name; ``widget``: what goes into Slicer's window.

    ``is_shown`` says whether the module is the one that the user has open: only then is anything added to the scene.
    """

    def __init__(self, ui_file: str, logic: Logic, is_shown: Callable[[], bool]) -> None:
        super().__init__()
        self._is_shown = is_shown
        self._logic = logic
        self._link: int | None = None
        self._imported = False
        self.widget = slicer.util.loadUI(ui_file)
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.session = Session(partial(run_steps, before_write=logic.undoPoints.save), logic.undoPoints)
        self.sections = [section(self.ui, self.session) for section in SECTIONS]
        # What a .ui file says of visibility holds only until the window is shown, so the sections decide it.
        self.widget.setMRMLScene(slicer.mrmlScene)
        self._selection = Selection(self.ui, self.session, is_shown)
        self.session.parameterSetChosen.connect(lambda node: self.setParameterNode(CovidSegParameterNode(node)))
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._scene_closes)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self._scene_closed)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self._scene_imported)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndBatchProcessEvent, self._batch_ended)
        if is_shown():  # after a reload, which does not enter the module again
            self.enter()

    def enter(self) -> None:
        """The panel comes into view: take up the parameters in the scene."""
        if self.session.parameters is None:
            self.setParameterNode(self._logic.getParameterNode())
        parameters = self.session.parametersInUse
        if parameters.inputVolume is None:
            parameters.inputVolume = next(iter(scans_in_scene()), None)

    def close(self) -> None:
        """The panel is taken away for good: stop a run, observe nothing any more."""
        self.session.close()
        self.setParameterNode(None)
        self._logic.undoPoints.clear()
        self.removeObservers()
        self.widget.setMRMLScene(None)

    def setParameterNode(self, parameters: CovidSegParameterNode | None) -> None:
        """Show and change this set of parameters."""
        old = self.session.parameters
        if old is not None:
            old.disconnectGui(self._link)
            self.removeObserver(old.parameterNode, vtk.vtkCommand.ModifiedEvent, self._parameters_changed)
        self.session.setResult(None)
        self.session.parameters = None  # what the selectors show now was chosen by nobody: it belongs to no other set
        if parameters is not None:
            self._link = parameters.connectGui(self.ui)
            self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._parameters_changed)
        self.session.setParameters(parameters)

    def _parameters_changed(self, *_: object) -> None:
        self.session.parametersModified()

    def _scene_closes(self, *_: object) -> None:
        self.session.cancel()
        self.setParameterNode(None)
        self._logic.undoPoints.clear()

    def _scene_closed(self, *_: object) -> None:
        """Begin anew in the empty scene."""
        if self._is_shown():
            self.enter()

    def _scene_imported(self, *_: object) -> None:
        # The selectors learn of the new nodes only when the whole batch has ended.
        self._imported = True
        if not slicer.mrmlScene.IsBatchProcessing():
            self._batch_ended()

    def _batch_ended(self, *_: object) -> None:
        if self._imported:
            self._imported = False
            self._take_up_imported()

    def _take_up_imported(self) -> None:
        """Prefer parameters that came with a scene to those that were made while it was still empty."""
        mine = self.session.parameters
        if mine is None and not self._is_shown():
            return  # entering the module will find them
        others = [node for node in self._logic.getAllParameterNodes() if mine is None or node is not mine.parameterNode]
        # Those of a run under way are wanted: its result goes to them.
        if others and (mine is None or (is_untouched(mine) and self.session.run is None)):
            self.setParameterNode(CovidSegParameterNode(others[0]))
            if mine is not None:
                slicer.mrmlScene.RemoveNode(mine.parameterNode)
        if self._is_shown():
            self.enter()
