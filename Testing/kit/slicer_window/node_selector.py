"""A stand-in for Slicer's node selector with its rows: what is selected when a node goes, and after an import.

As in Slicer the rows stand in a model below an item "Scene": an entry for no node, all nodes in the order of the scene,
then a line and the actions. A filter hides what does not fit, and a QComboBox shows what is left. So it is Qt that
chooses the neighbour of a row that goes. Read from Slicer 5.12: Libs/MRML/Widgets/qMRMLSceneModel.cxx (rows, events and
their priorities), qMRMLSortFilterProxyModel.cxx, qMRMLNodeComboBox.cxx (signals); CTK: Libs/Widgets/ctkComboBox.cpp.
"""

from __future__ import annotations

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal, Slot

from .pythonqt import CLASSES

_ID, _EXTRA = QtCore.Qt.ItemDataRole.UserRole + 1, QtCore.Qt.ItemDataRole.UserRole + 2


class ctkComboBox(QtWidgets.QComboBox):  # noqa: N801
    """A combo box that remembers the size it asked for first (ctkComboBox::recomputeSizeHint)."""

    def sizeHint(self) -> QtCore.QSize:  # noqa: N802
        """As wide as its longest entry was, unless its policy says otherwise."""
        if not hasattr(self, "_asked"):
            self._asked = QtWidgets.QComboBox.sizeHint(self)
        return self._asked

    def minimumSizeHint(self) -> QtCore.QSize:  # noqa: N802
        """The same: nothing shrinks an entry that is wide."""
        if not hasattr(self, "_least"):
            self._least = QtWidgets.QComboBox.sizeHint(self)
        return self._least


class _Rows(QtGui.QStandardItemModel):
    """All nodes of a scene (qMRMLSceneModel, which does not wait for the end of a batch)."""

    def __init__(self) -> None:
        super().__init__()
        self.scene: slicer.vtkMRMLScene | None = None
        self._tags: list[int] = []
        self._observed: dict[str, tuple[slicer.vtkMRMLNode, int]] = {}
        self._pre: list[str] = []
        self._post: list[str] = []

    def set_scene(self, scene: slicer.vtkMRMLScene | None) -> None:
        if scene is self.scene:
            return
        for tag in self._tags:
            self.scene.RemoveObserver(tag)
        self._tags, self.scene = [], scene
        self.fill()
        if scene is None:
            return

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def added(_caller: object, _event: str, node: slicer.vtkMRMLNode) -> None:
            if not scene.IsImporting():
                self._insert(node)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def goes(_caller: object, _event: str, node: slicer.vtkMRMLNode) -> None:
            row = -1 if scene.IsClosing() else self.row_of(node.GetID())
            if row >= 0:
                self._forget(node.GetID())
                self.removeRow(row, self.index(0, 0))

        fill = lambda *_: self.fill()  # noqa: E731
        self._tags = [
            scene.AddObserver(scene.NodeAddedEvent, added, 10.0),
            scene.AddObserver(scene.NodeAboutToBeRemovedEvent, goes, -10.0),
            scene.AddObserver(scene.EndCloseEvent, fill),
            scene.AddObserver(scene.EndImportEvent, fill),
        ]

    def fill(self) -> None:
        """Take all nodes out and put them in again; the entries around them stay (updateScene)."""
        for node_id in list(self._observed):
            self._forget(node_id)
        if self.scene is None:
            self.removeRows(0, self.rowCount())
            self._pre, self._post = [], []
            return
        if not self.rowCount():
            self._put(0, QtCore.QModelIndex(), "Scene", _ID, "scene")
        top = self.index(0, 0)
        self.removeRows(len(self._pre), self.rowCount(top) - len(self._pre) - len(self._post), top)
        for node in self.scene.GetNodes():
            self._insert(node)

    def set_extras(self, before: list[str], after: list[str]) -> None:
        """The entries around the nodes (setPreItems, setPostItems)."""
        if not self.rowCount():
            return
        top = self.index(0, 0)
        if before != self._pre:
            self.removeRows(0, len(self._pre), top)
            for row, text in enumerate(before):
                self._put(row, top, text, _EXTRA, text)
            self._pre = before
        if after != self._post:
            self.removeRows(self.rowCount(top) - len(self._post), len(self._post), top)
            for text in after:
                self._put(self.rowCount(top), top, text, _EXTRA, text)
            self._post = after

    def _put(self, row: int, parent: QtCore.QModelIndex, text: str, role: int, value: str) -> None:
        # The row is there before its data: the filter is asked again when they come.
        self.insertRow(row, parent)
        if not self.columnCount(parent):
            self.insertColumn(0, parent)
        index = self.index(row, 0, parent)
        self.setItemData(index, {QtCore.Qt.ItemDataRole.DisplayRole: text, role: value})

    def row_of(self, node_id: str) -> int:
        top = self.index(0, 0)
        rows = range(self.rowCount(top))
        return next((row for row in rows if self.data(self.index(row, 0, top), _ID) == node_id), -1)

    def _insert(self, node: slicer.vtkMRMLNode) -> None:
        if self.row_of(node.GetID()) >= 0:
            return
        top = self.index(0, 0)
        self._put(self.rowCount(top) - len(self._post), top, node.GetName() or "", _ID, node.GetID())
        tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._modified)
        self._observed[node.GetID()] = node, tag

    def _modified(self, node: slicer.vtkMRMLNode, _event: str) -> None:
        row = -1 if self.scene is None or self.scene.IsImporting() else self.row_of(node.GetID())
        if row >= 0:
            index = self.index(row, 0, self.index(0, 0))
            if self.data(index) != (node.GetName() or ""):
                self.setData(index, node.GetName() or "", QtCore.Qt.ItemDataRole.DisplayRole)
            else:
                self.dataChanged.emit(index, index)  # what hides it may have changed

    def _forget(self, node_id: str) -> None:
        node, tag = self._observed.pop(node_id, (None, 0))
        if node is not None:
            node.RemoveObserver(tag)


class _Fitting(QtCore.QSortFilterProxyModel):
    """The rows that a selector shows (qMRMLSortFilterProxyModel)."""

    def __init__(self, rows: _Rows, fits: object) -> None:
        super().__init__()
        self._rows, self._fits = rows, fits
        self.setSourceModel(rows)

    def filterAcceptsRow(self, row: int, parent: QtCore.QModelIndex) -> bool:  # noqa: N802
        """The scene, all entries that are no node, and the nodes that fit."""
        index = self._rows.index(row, 0, parent)
        if not parent.isValid() or self._rows.data(index, _EXTRA):
            return True
        node_id = self._rows.data(index, _ID)
        node = self._rows.scene.GetNodeByID(node_id) if node_id else None
        return node is not None and self._fits(node)


def _stored(kind: object, name: str) -> Property:
    """A Qt property that is kept in ``_values``."""

    def write(self: qMRMLNodeComboBox, value: object) -> None:
        self._values[name] = value
        self._settings_changed()

    return Property(kind, lambda self: self._values[name], write)


class qMRMLNodeComboBox(CLASSES["QWidget"]):  # noqa: N801
    """The node selector. As in Slicer it is no QComboBox, but has one inside."""

    currentNodeChanged = Signal(object)  # noqa: N815
    currentNodeIDChanged = Signal(str)  # noqa: N815
    nodeActivated = Signal(object)  # noqa: N815
    nodeAddedByUser = Signal(object)  # noqa: N815
    _FLAGS = ("noneEnabled", "addEnabled", "removeEnabled", "renameEnabled", "editEnabled", "showHidden")

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._values = dict.fromkeys(self._FLAGS, False)
        self._values.update(addEnabled=True, removeEnabled=True, selectNodeUponCreation=True, showChildNodeTypes=True)
        self._values.update(noneDisplay="None", baseName="", nodeTypes=[])
        self._attributes: list[tuple[str, str, str | None]] = []
        self._switching = False
        self._rows = _Rows()
        self._model = _Fitting(self._rows, self._lists)
        self._box = ctkComboBox(self)
        self._box.view()  # as in Slicer before the model: Qt connects the box anew when it makes the view
        self._box.setModel(self._model)
        policy, size = QtWidgets.QSizePolicy, QtWidgets.QSizePolicy.Policy
        self._box.setSizePolicy(policy(size.Expanding, size.Expanding))
        QtWidgets.QWidget.setSizePolicy(self, policy(size.Preferred, size.Fixed))
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._settings_changed()
        for signal in (self._model.rowsRemoved, self._model.modelReset, self._model.layoutChanged):
            signal.connect(self._refresh_if_hidden)
        self._box.currentTextChanged.connect(self._text_changed)  # of two nodes with one name nothing is heard
        self._box.activated.connect(lambda _row: self.nodeActivated.emit(self.currentNode()))
        QtWidgets.QWidget.setEnabled(self, False)

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
    sizeAdjustPolicy = Property(  # noqa: N815
        int,
        lambda self: self._box.sizeAdjustPolicy().value,
        lambda self, policy: self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy(policy)),
    )

    @Slot(object)
    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:  # noqa: N802
        """List the nodes of this scene."""
        if scene is self._rows.scene:
            return
        before, had_nodes = self._current_id(), self.nodeCount() > 0
        self._switching = True
        self._rows.set_scene(scene)
        self._switching = False
        self._settings_changed()
        self._box.setRootModelIndex(self._model.index(0, 0))
        self._select(before if had_nodes else self._current_id())
        QtWidgets.QWidget.setEnabled(self, scene is not None)

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:  # noqa: N802
        """The scene whose nodes are listed."""
        return self._rows.scene

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:  # noqa: N802
        """List only nodes with this attribute; new nodes get it."""
        self._attributes.append((node_type, name, value))
        self._settings_changed()

    def currentNode(self) -> slicer.vtkMRMLNode | None:  # noqa: N802
        """The node that is selected."""
        return self._node(self._box.currentIndex())

    def setCurrentNode(self, node: slicer.vtkMRMLNode | None) -> None:  # noqa: N802
        """Select a node, or none."""
        self._select((node.GetID() or "") if node else "")

    def setCurrentNodeID(self, node_id: str) -> None:  # noqa: N802
        """Select a node by its ID."""
        self._select(node_id or "")

    def nodeCount(self) -> int:  # noqa: N802
        """Number of nodes listed."""
        return self._box.count() - len(self._before()) - len(self._after()) if self._rows.scene is not None else 0

    def nodeFromIndex(self, index: int) -> slicer.vtkMRMLNode | None:  # noqa: N802
        """The node at a place of the list."""
        return self._node(index + 1 if self._values["noneEnabled"] else index)

    def addNode(self) -> slicer.vtkMRMLNode:  # noqa: N802
        """What the entry "Create new ..." does."""
        scene = self._rows.scene
        node = scene.CreateNodeByClass(self._values["nodeTypes"][0])
        node.UnRegister(None)
        node.SetName(scene.GenerateUniqueName(self._values["baseName"]))
        for _kind, name, value in self._attributes:
            node.SetAttribute(name, value)
        node = scene.AddNode(node)
        self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def _node(self, row: int) -> slicer.vtkMRMLNode | None:
        node_id = self._model.data(self._model.index(row, 0, self._box.rootModelIndex()), _ID) if row >= 0 else None
        return self._rows.scene.GetNodeByID(node_id) if node_id and self._rows.scene is not None else None

    def _current_id(self) -> str:
        node = self.currentNode()
        return node.GetID() if node is not None else ""

    def _select(self, node_id: str) -> None:
        """Select a row as a user would, by the key Enter: also two nodes of one name are told to be activated."""
        top, view = self._model.index(0, 0), self._box.view()
        indexes = [self._model.index(row, 0, top) for row in range(self._model.rowCount(top))]
        index = next((one for one in indexes if node_id and self._model.data(one, _ID) == node_id), None)
        if index is None:
            self._box.setRootModelIndex(top)
            view.setCurrentIndex(self._model.index(0, 0, top) if self._values["noneEnabled"] else top)
            self._box.setCurrentIndex(0 if self._values["noneEnabled"] else -1)
        elif view.currentIndex() != index:
            view.setCurrentIndex(index)
            kind, key = QtCore.QEvent.Type.ShortcutOverride, QtCore.Qt.Key.Key_Enter
            QtWidgets.QApplication.sendEvent(view, QtGui.QKeyEvent(kind, key, QtCore.Qt.KeyboardModifier.NoModifier))

    def _before(self) -> list[str]:
        return [self._values["noneDisplay"]] if self._values["noneEnabled"] else []

    def _after(self) -> list[str]:
        # Slicer's own words for them are not ours to translate.
        signs = {"renameEnabled": "~", "editEnabled": "*", "addEnabled": "+", "removeEnabled": "-"}
        actions = [sign for flag, sign in signs.items() if self._values[flag]]
        return ["---", *actions] if actions else []

    def _settings_changed(self) -> None:
        current = self._box.currentIndex()
        self._rows.set_extras(self._before(), self._after())
        self._model.invalidate()
        self._box.setCurrentIndex(current)  # rows that come select one where none was

    def _lists(self, node: slicer.vtkMRMLNode) -> bool:
        types = self._values["nodeTypes"]
        fits = node.GetClassName() in types or (self._values["showChildNodeTypes"] and any(map(node.IsA, types)))
        attributes = all(node.GetAttribute(name) == value for _kind, name, value in self._attributes)
        return fits and attributes and (self._values["showHidden"] or not node.GetHideFromEditors())

    def _refresh_if_hidden(self, *_: object) -> None:
        if self.currentNode() is None:
            self.setCurrentNode(None)

    def _text_changed(self, _text: str) -> None:
        """Tell the node; where an action came to be selected, take the last node (emitCurrentNodeChanged)."""
        if self._switching:
            return
        node, row = self.currentNode(), self._box.currentIndex()
        if node is None and row != (0 if self._values["noneEnabled"] else -1):
            last = self.nodeFromIndex(self.nodeCount() - 1)
            if last is not None:
                self.setCurrentNode(last)
            return
        self.currentNodeChanged.emit(node)
        self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")
