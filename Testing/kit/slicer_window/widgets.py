"""Stand-ins for the widgets of CTK and MRML that the panel uses; names from the headers of Slicer 5.10 and 5.12."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal, Slot

from .pythonqt import CLASSES, ctk

QWidget, QPushButton, QComboBox = CLASSES["QWidget"], CLASSES["QPushButton"], CLASSES["QComboBox"]


class ctkCollapsibleButton(QWidget):  # noqa: N801
    """A title that folds what is below it."""

    contentsCollapsed = Signal(bool)  # noqa: N815
    _TITLE = 22

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._collapsed, self._flat = "", False, False
        QtWidgets.QWidget.setContentsMargins(self, 0, self._TITLE, 0, 0)

    def _set_text(self, text: str) -> None:
        self._text = text
        QtWidgets.QWidget.update(self)

    def _set_collapsed(self, collapsed: bool) -> None:
        changed, self._collapsed = collapsed != self._collapsed, collapsed
        for child in QtCore.QObject.children(self):
            if isinstance(child, QtWidgets.QWidget):
                QtWidgets.QWidget.setVisible(child, not collapsed)
        QtWidgets.QWidget.setMaximumHeight(self, self._TITLE if collapsed else 16777215)
        if changed:
            self.contentsCollapsed.emit(collapsed)

    def _set_flat(self, flat: bool) -> None:
        self._flat = flat

    text = Property(str, lambda self: self._text, _set_text)
    collapsed = Property(bool, lambda self: self._collapsed, _set_collapsed)
    flat = Property(bool, lambda self: self._flat, _set_flat)

    def childEvent(self, event: QtCore.QChildEvent) -> None:  # noqa: N802
        """A child that comes after the fold was closed is hidden as well."""
        if event.added() and self._collapsed and isinstance(event.child(), QtWidgets.QWidget):
            QtWidgets.QWidget.setVisible(event.child(), False)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802
        """A click on the title folds and unfolds."""
        if event.position().y() <= self._TITLE:
            self._set_collapsed(not self._collapsed)

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:  # noqa: N802
        """Arrow and title."""
        painter = QtGui.QPainter(self)
        palette = QtWidgets.QWidget.palette(self)
        width = QtWidgets.QWidget.width(self)
        if not self._flat:
            painter.fillRect(0, 0, width, self._TITLE - 1, palette.midlight())
        painter.setPen(palette.windowText().color())
        painter.drawText(8, 15, ("▸ " if self._collapsed else "▾ ") + self._text)
        painter.end()


class qMRMLWidget(QWidget):  # noqa: N801
    """The panel itself: tells its widgets which scene to show."""

    mrmlSceneChanged = Signal(object)  # noqa: N815

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = None

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:  # noqa: N802
        """Show this scene."""
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:  # noqa: N802
        """The scene shown."""
        return self._scene


def _stored(kind: object, name: str, then: str = "_fill") -> Property:
    """A Qt property that is kept in ``_values``."""

    def write(self: qMRMLNodeComboBox, value: object) -> None:
        self._values[name] = value
        getattr(self, then)()

    return Property(kind, lambda self: self._values[name], write)


class qMRMLNodeComboBox(QWidget):  # noqa: N801
    """The node selector. As in Slicer it is no QComboBox, but has one inside."""

    currentNodeChanged = Signal(object)  # noqa: N815
    currentNodeIDChanged = Signal(str)  # noqa: N815
    nodeAddedByUser = Signal(object)  # noqa: N815
    _FLAGS = ("noneEnabled", "addEnabled", "removeEnabled", "renameEnabled", "editEnabled", "showHidden")

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._values = dict.fromkeys(self._FLAGS, False)
        self._values.update(addEnabled=True, removeEnabled=True, selectNodeUponCreation=True, showChildNodeTypes=True)
        self._values.update(noneDisplay="None", baseName="", nodeTypes=[])
        self._scene, self._tags, self._nodes, self._attributes = None, [], [], []
        self._box = QtWidgets.QComboBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.currentIndexChanged.connect(self._tell)

    noneEnabled = _stored(bool, "noneEnabled")  # noqa: N815
    addEnabled = _stored(bool, "addEnabled")  # noqa: N815
    removeEnabled = _stored(bool, "removeEnabled")  # noqa: N815
    renameEnabled = _stored(bool, "renameEnabled")  # noqa: N815
    editEnabled = _stored(bool, "editEnabled")  # noqa: N815
    showHidden = _stored(bool, "showHidden")  # noqa: N815
    showChildNodeTypes = _stored(bool, "showChildNodeTypes")  # noqa: N815
    selectNodeUponCreation = _stored(bool, "selectNodeUponCreation")  # noqa: N815
    noneDisplay = _stored(str, "noneDisplay")  # noqa: N815
    baseName = _stored(str, "baseName")  # noqa: N815
    nodeTypes = _stored("QStringList", "nodeTypes")  # noqa: N815
    currentNodeID = Property(str, lambda self: self._current_id(), lambda self, text: self._select(text))  # noqa: N815

    @Slot(object)
    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:  # noqa: N802
        """List the nodes of this scene."""
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene = scene
        events = ("NodeAddedEvent", "NodeRemovedEvent", "EndBatchProcessEvent")
        refill: Callable[..., None] = lambda *_: self._fill()  # noqa: E731
        self._tags = [scene.AddObserver(getattr(scene, event), refill) for event in events] if scene else []
        self._fill()

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:  # noqa: N802
        """The scene whose nodes are listed."""
        return self._scene

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:  # noqa: N802
        """List only nodes with this attribute; new nodes get it."""
        self._attributes.append((node_type, name, value))
        self._fill()

    def currentNode(self) -> slicer.vtkMRMLNode | None:  # noqa: N802
        """The node that is selected."""
        return self._scene.GetNodeByID(self._current_id()) if self._scene and self._current_id() else None

    def setCurrentNode(self, node: slicer.vtkMRMLNode | None) -> None:  # noqa: N802
        """Select a node, or none."""
        self._select(node.GetID() if node else "")

    def setCurrentNodeID(self, node_id: str) -> None:  # noqa: N802
        """Select a node by its ID."""
        self._select(node_id or "")

    def nodeCount(self) -> int:  # noqa: N802
        """Number of nodes listed."""
        return len([node_id for node_id in self._nodes if node_id])

    def nodeFromIndex(self, index: int) -> slicer.vtkMRMLNode | None:  # noqa: N802
        """The node at a place of the list."""
        ids = [node_id for node_id in self._nodes if node_id]
        return self._scene.GetNodeByID(ids[index]) if 0 <= index < len(ids) else None

    def addNode(self) -> slicer.vtkMRMLNode:  # noqa: N802
        """What the entry "Create new ..." does."""
        node = self._scene.CreateNodeByClass(self._values["nodeTypes"][0])
        node.UnRegister(None)
        node.SetName(self._scene.GenerateUniqueName(self._values["baseName"]))
        for _kind, name, value in self._attributes:
            node.SetAttribute(name, value)
        node = self._scene.AddNode(node)
        self._fill()
        self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def _current_id(self) -> str:
        index = self._box.currentIndex()
        return self._nodes[index] if 0 <= index < len(self._nodes) else ""

    def _select(self, node_id: str) -> None:
        self._fill()
        self._box.setCurrentIndex(self._nodes.index(node_id) if node_id in self._nodes else self._nothing())

    def _nothing(self) -> int:
        return self._nodes.index("") if "" in self._nodes else -1

    def _lists(self, node: slicer.vtkMRMLNode) -> bool:
        types = self._values["nodeTypes"]
        fits = node.GetClassName() in types or (self._values["showChildNodeTypes"] and any(map(node.IsA, types)))
        attributes = all(node.GetAttribute(name) == value for _kind, name, value in self._attributes)
        return fits and attributes and (self._values["showHidden"] or not node.GetHideFromEditors())

    def _fill(self) -> None:
        if self._scene is not None and self._scene.IsBatchProcessing():
            return
        before = self._current_id()
        nodes = [node for node in self._scene.GetNodes() if self._lists(node)] if self._scene else []
        names = ([self._values["noneDisplay"]] if self._values["noneEnabled"] else []) + [n.GetName() for n in nodes]
        blocked = self._box.blockSignals(True)
        self._box.clear()
        self._box.addItems(names)
        self._nodes = ([""] if self._values["noneEnabled"] else []) + [node.GetID() for node in nodes]
        self._box.setCurrentIndex(self._nodes.index(before) if before in self._nodes else self._nothing())
        self._box.blockSignals(blocked)
        if self._current_id() != before:
            self._tell()

    def _tell(self) -> None:
        self.currentNodeChanged.emit(self.currentNode())
        self.currentNodeIDChanged.emit(self._current_id())


class qMRMLSegmentationShow3DButton(QPushButton):  # noqa: N801
    """Makes and removes the closed surfaces of a segmentation."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node = None
        QtWidgets.QPushButton.setText(self, "Show 3D")
        QtWidgets.QPushButton.setCheckable(self, True)
        self.toggled.connect(self._show)

    def setSegmentationNode(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:  # noqa: N802
        """The segmentation to show."""
        self._node = node
        blocked = QtCore.QObject.blockSignals(self, True)
        self.checked = node is not None and node.GetSegmentation().ContainsRepresentation("Closed surface")
        QtCore.QObject.blockSignals(self, blocked)

    def segmentationNode(self) -> slicer.vtkMRMLSegmentationNode | None:  # noqa: N802
        """The segmentation shown."""
        return self._node

    def _show(self, on: bool) -> None:
        if self._node is None:
            return
        if on:
            self._node.CreateClosedSurfaceRepresentation()
        else:
            self._node.RemoveClosedSurfaceRepresentation()


class _NeverMade:
    """A class that Slicer's own sources only name; nothing here makes one."""


def install() -> None:
    """Make the widgets known to .ui files, to ``ctk`` and to ``slicer``."""
    ctk.ctkCollapsibleButton = CLASSES["ctkCollapsibleButton"] = ctkCollapsibleButton
    for kind in (qMRMLWidget, qMRMLNodeComboBox, qMRMLSegmentationShow3DButton):
        CLASSES[kind.__name__] = kind
        setattr(slicer, kind.__name__, kind)
    named = "CheckBox CheckablePushButton ComboBox ColorPickerButton DirectoryButton DoubleSlider DoubleSpinBox"
    for name in (*named.split(), "PathLineEdit", "RangeWidget", "DoubleRangeSlider", "RangeSlider", "SliderWidget"):
        if not hasattr(ctk, f"ctk{name}"):
            setattr(ctk, f"ctk{name}", type(f"ctk{name}", (_NeverMade,), {}))
    for name in ("qMRMLSliderWidget", "qMRMLSpinBox", "qMRMLRangeWidget"):
        setattr(slicer, name, type(name, (_NeverMade,), {}))
