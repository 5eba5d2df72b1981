"""Stand-ins for the widgets of CTK and MRML that the panel uses; names from the headers of Slicer 5.10 and 5.12."""

from __future__ import annotations

import slicer
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from .node_selector import qMRMLNodeComboBox
from .pythonqt import CLASSES, ctk

QWidget, QPushButton = CLASSES["QWidget"], CLASSES["QPushButton"]


class ctkCollapsibleButton(QWidget):  # noqa: N801
    """A title that folds what is below it (CTK: Libs/Widgets/ctkCollapsibleButton.cpp)."""

    contentsCollapsed = Signal(bool)  # noqa: N815
    _TITLE = 22

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._collapsed, self._flat = "", False, False
        # As CTK's: it is never narrower than its content would like to be, not only than it must be.
        policy = QtWidgets.QSizePolicy.Policy
        QtWidgets.QWidget.setSizePolicy(self, policy.Minimum, policy.Preferred)
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


class qMRMLSegmentationShow3DButton(QPushButton):  # noqa: N801
    """Makes and removes the closed surfaces of a segmentation."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node = None
        QtWidgets.QPushButton.setText(self, "Show 3D")
        QtWidgets.QPushButton.setMenu(self, QtWidgets.QMenu(self))  # an arrow that takes its place
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
