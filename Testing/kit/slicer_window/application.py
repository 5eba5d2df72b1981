"""A scene with its logics, and stand-ins for ``slicer.app``, ``slicer.modules`` and the window around the panel."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property

from CovidSegLib.report.views import OffscreenSlicer

from . import parameter_node, pythonqt, sample_data, scripted, widgets

MODULE_FILE = Path(__file__).resolve().parents[3] / "CovidSeg" / "CovidSeg.py"
SLICER_SOURCE = os.environ.get("COVIDSEG_SLICER_SOURCE", "")
"""A checkout of Slicer's sources whose base classes take the place of the stand-ins; "" for the stand-ins."""


def install_qt() -> QtWidgets.QApplication:
    """Make ``qt``, ``ctk``, the widgets and the base classes importable, once for the process."""
    application = pythonqt.install()
    widgets.install()
    for alias in ("vtkSegmentationCore", "vtkITK"):
        sys.modules.setdefault(f"{alias}Python", importlib.import_module(f"slicer_core.{alias}"))
    sys.modules.setdefault("vtkITK", sys.modules["vtkITKPython"])  # Segment Statistics asks for it by this name
    if SLICER_SOURCE:
        folder = str(Path(SLICER_SOURCE) / "Base/Python/slicer")
        if folder not in slicer.__path__:
            slicer.__path__.append(folder)
    else:
        scripted.install()
        parameter_node.install()
    return application


class Strict:
    """What it was given as attributes, and nothing else."""

    def __init__(self, /, **attributes: object) -> None:
        vars(self).update(attributes)


class Application:
    """``slicer.app``: settings, events, and the signal of the finished start."""

    majorVersion, minorVersion = 5, 12  # noqa: N815

    def __init__(self, world: SlicerWorld) -> None:
        self._world = world
        self._started: list[Callable[[], None]] = []

    @property
    def doubleClickInterval(self) -> int:  # noqa: N802
        """A property of Qt's application object, in ms. None here, so that tests need not wait for it."""
        return QtWidgets.QApplication.doubleClickInterval()

    def connect(self, signal: str, function: Callable[..., None]) -> None:
        """Only "startupCompleted()" exists here."""
        if signal not in ("startupCompleted()", "moduleAboutToBeUnloaded(QString)"):
            raise ValueError(f"this stand-in of slicer.app has no signal {signal!r}")
        if signal == "startupCompleted()":
            self._started.append(function)

    def disconnect(self, _signal: str, _function: Callable[..., None]) -> None:
        """Nothing here calls a module that was unloaded."""

    def start(self) -> None:
        """What Slicer does when all modules are there."""
        for function in self._started:
            function()

    def moduleManager(self) -> Application:  # noqa: N802
        """Its signals go nowhere here."""
        return self

    def applicationLogic(self) -> slicer.vtkSlicerApplicationLogic:  # noqa: N802
        """The real one."""
        return self._world.logics.application

    def processEvents(self) -> None:  # noqa: N802
        """Let Qt work."""
        QtWidgets.QApplication.processEvents()

    def userSettings(self) -> QtCore.QSettings:  # noqa: N802
        """The settings of this test alone."""
        return QtCore.QSettings()

    settings = userSettings

    def layoutManager(self) -> None:  # noqa: N802
        """There are no slice views; Slicer has none either with --no-main-window."""

    def topLevelWidgets(self) -> list[QtWidgets.QWidget]:  # noqa: N802
        """There is no main window."""
        return []

    def testingEnabled(self) -> bool:  # noqa: N802
        """As with ``Slicer --testing``."""
        return True

    def translate(self, context: str, text: str) -> str:
        """English, unless a test installed a translator."""
        return QtCore.QCoreApplication.translate(context, text)


class ModulePlace(pythonqt.CLASSES["QWidget"]):
    """The place of a module's panel in Slicer's window."""

    def __init__(self) -> None:
        super().__init__()
        self._entered = False
        layout = pythonqt.CLASSES["QVBoxLayout"](self)
        layout.setContentsMargins(0, 0, 0, 0)

    isEntered = Property(bool, lambda self: self._entered)  # noqa: N815

    def reload(self) -> None:
        """Build the panel anew from the code that is loaded now."""
        kind = sys.modules["CovidSeg"].CovidSegWidget
        slicer.modules.CovidSegWidget = widget = kind(self)
        widget.setup()  # and not enter(): Slicer does not call it after a reload


class ModulePanel(QtWidgets.QScrollArea):
    """The column that a module's panel stands in: it never scrolls sideways, and its window grows instead.

    Slicer: Base/QTGUI/qSlicerModulePanel.cxx (addModule, minimumSizeHint) and its .ui file.
    """

    def __init__(self, place: ModulePlace) -> None:
        super().__init__()
        policy = QtWidgets.QSizePolicy.Policy
        content = QtWidgets.QWidget()
        content.setSizePolicy(policy.Minimum, policy.Preferred)
        layout = QtWidgets.QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSizeConstraint(QtWidgets.QLayout.SizeConstraint.SetMinAndMaxSize)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        QtWidgets.QWidget.setSizePolicy(place, policy.Minimum, policy.Preferred)
        layout.addWidget(place, 1)
        self.setWidget(content)

    @property
    def asked_width(self) -> int:
        """The least width that the window has to give."""
        content = self.widget().minimumSizeHint().width()
        return max(content, self.widget().minimumSize().width()) + self.verticalScrollBar().sizeHint().width()


class SegmentEditor:
    """The Segment Editor as far as another module reaches it: remembers what it was given.

    ``history``: keeps the undo points (a vtkSlicerSegmentEditorLogic, where a test has one).
    """

    def __init__(self) -> None:
        self.segmentation = self.volume = self.segment_id = None
        self.history: slicer.vtkSlicerSegmentEditorLogic | None = None

    def children(self) -> list[Strict]:
        """Of its widgets, the button for Redo."""
        can_redo = self.history is not None and self.history.CanRedo()
        return [Strict(name="RedoButton", enabled=can_redo, children=list)]

    def saveStateForUndo(self) -> None:  # noqa: N802
        """Keep the state before a change."""
        if self.history is not None:
            self.history.SaveStateForUndo()

    def setSegmentationNode(self, node: slicer.vtkMRMLSegmentationNode) -> None:  # noqa: N802
        """Edit this segmentation."""
        self.segmentation = node

    def setSourceVolumeNode(self, node: slicer.vtkMRMLScalarVolumeNode) -> None:  # noqa: N802
        """On this volume."""
        self.volume = node

    def setCurrentSegmentID(self, segment_id: str) -> None:  # noqa: N802
        """Start with this segment."""
        self.segment_id = segment_id


class SlicerWorld:
    """One Slicer for one test: ``scene``, ``logics``, ``editor``, ``selected_modules``, ``errors`` logged by VTK."""

    def __init__(self, folder: Path) -> None:
        self.qt = install_qt()
        QtWidgets.QApplication.setDoubleClickInterval(0)
        QtCore.QCoreApplication.setOrganizationName("CovidSeg-test")
        QtCore.QCoreApplication.setApplicationName("Slicer")
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
        QtCore.QSettings.setPath(QtCore.QSettings.Format.IniFormat, QtCore.QSettings.Scope.UserScope, str(folder))
        self.logics = OffscreenSlicer()
        self.scene = self.logics.scene
        self._io = self._add_input_output(folder)
        self._observe_subject_hierarchy()
        self.errors: list[str] = []
        self._watch()  # from here on: Slicer's colour files and terminologies are not in the package
        self.editor = SegmentEditor()
        self.selected_modules: list[str] = []
        slicer.app = Application(self)
        slicer.selfTests = {}
        editor = Strict(self=lambda: Strict(editor=self.editor))
        terminologies = slicer.vtkSlicerTerminologiesModuleLogic()
        slicer.modules = Strict(
            sampledata=Strict(path=str(folder / "SampleData.py")),
            segmenteditor=Strict(widgetRepresentation=lambda: editor),
            segmentations=Strict(logic=slicer.vtkSlicerSegmentationsModuleLogic),
            tables=Strict(logic=slicer.vtkSlicerTablesLogic),
            terminologies=Strict(logic=lambda: terminologies),
            volumes=Strict(logic=slicer.vtkSlicerVolumesLogic),
        )
        self.samples = sample_data.install()
        slicer.util.moduleSelector = lambda: Strict(selectModule=self.selected_modules.append)

    def _watch(self) -> None:
        @vtk.calldata_type(vtk.VTK_STRING)
        def note(_caller: object, _event: str, text: str) -> None:
            self.errors.append(text)

        # What an observer or a slot raises goes here, and no further: Slicer prints it and lives on.
        sys.excepthook = lambda kind, error, trace: self.errors.append("".join(traceback.format_exception(error)))
        self._output = vtk.vtkOutputWindow.GetInstance()
        self._tag = self._output.AddObserver("ErrorEvent", note)

    def _add_input_output(self, folder: Path) -> tuple:
        """What reading and writing a scene asks for."""
        logic, cache, manager = slicer.vtkDataIOManagerLogic(), slicer.vtkCacheManager(), slicer.vtkDataIOManager()
        cache.SetRemoteCacheDirectory(str(folder))
        manager.SetCacheManager(cache)
        self.scene.SetCacheManager(cache)
        self.scene.SetDataIOManager(manager)
        return logic, cache, manager

    def _observe_subject_hierarchy(self) -> None:
        """In Slicer a Qt class makes an item for every node."""
        scene = self.scene
        kinds = (slicer.vtkMRMLVolumeNode, slicer.vtkMRMLSegmentationNode, slicer.vtkMRMLTransformNode)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def added(_caller: object, _event: str, node: slicer.vtkMRMLNode) -> None:
            if not isinstance(node, kinds) or scene.IsImporting():  # what is imported brings its item along
                return
            hierarchy = scene.GetSubjectHierarchyNode()
            if hierarchy and not hierarchy.GetItemByDataNode(node):
                hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def removed(_caller: object, _event: str, node: slicer.vtkMRMLNode) -> None:
            if not isinstance(node, kinds) or scene.IsClosing():
                return
            hierarchy = scene.GetSubjectHierarchyNode()
            item = hierarchy.GetItemByDataNode(node) if hierarchy else 0
            if item:
                hierarchy.RemoveItem(item, False, False)

        self._scene_tags = [
            scene.AddObserver(scene.NodeAddedEvent, added),
            scene.AddObserver(scene.NodeAboutToBeRemovedEvent, removed),
        ]

    def save(self, file: Path) -> None:
        """Save the scene with all its data (.mrb)."""
        assert self.scene.WriteToMRB(str(file))

    def load(self, file: Path) -> None:
        """Close the scene and read another one (.mrb)."""
        self.scene.Clear(False)
        assert self.scene.ReadFromMRB(str(file), True)

    def close(self) -> None:
        """End of the test."""
        for tag in self._scene_tags:
            self.scene.RemoveObserver(tag)
        self._output.RemoveObserver(self._tag)
        sys.excepthook = sys.__excepthook__
