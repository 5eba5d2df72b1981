"""The modules ``qt`` and ``ctk`` as PythonQt shows them to Python, over PySide6.

PythonQt's manners: a Qt property is an attribute (``label.text``; so ``label.text()`` fails), ``name`` is objectName,
``widget.connect("clicked(bool)", function)`` checks the signal's signature and hands over as many arguments as the
function takes, file dialogs return one string, and what is neither property nor method is an AttributeError.
"""

from __future__ import annotations

import enum
import inspect
import os
import sys
import types
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtUiTools import QUiLoader

_loading: list[bool] = []
_reading: set[tuple[int, str]] = set()
_known: dict[tuple[str, type], dict[str, int]] = {}


def _properties(thing: QtCore.QObject) -> dict[str, int]:
    """Number of each Qt property of ``thing`` by name."""
    meta = QtCore.QObject.metaObject(thing)
    key = (meta.className(), type(thing))
    if key not in _known:
        names = {meta.property(number).name(): number for number in range(meta.propertyCount())}
        names["name"] = names["objectName"]
        _known[key] = names
    return _known[key]


class PythonQt:
    """The manners; stands before the PySide6 class in the bases."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        # PySide6 finds QObject.connect first, whatever the order of the bases.
        if name in ("connect", "disconnect"):
            return types.MethodType(getattr(PythonQt, f"_{name}"), self)
        key = (id(self), name)
        # While a property is read, PySide6 asks whether Python overrides its getter (QProgressBar::text is virtual).
        if name[:1] == "_" or name == "metaObject" or key in _reading or name not in _properties(self):
            return super().__getattribute__(name)
        _reading.add(key)
        try:
            return QtCore.QObject.property(self, "objectName" if name == "name" else name)
        finally:
            _reading.discard(key)

    def __setattr__(self, name: str, value: Any) -> None:
        if name[:1] == "_" or _loading:  # QUiLoader hangs every child on the top widget
            super().__setattr__(name, value)
            return
        number = _properties(self).get(name)
        if number is None:
            raise AttributeError(f"{type(self).__name__} has no Qt property {name!r} to set")
        known = QtCore.QObject.metaObject(self).property(number)
        if not known.isWritable():
            raise AttributeError(f"the property {name!r} of {type(self).__name__} is read only")
        if known.typeName() == "int" and isinstance(value, enum.Enum):  # enumerations are numbers for PythonQt
            value = value.value
        if known.typeName() == "QStringList":
            value = list(value)
        if not QtCore.QObject.setProperty(self, "objectName" if name == "name" else name, value):
            raise ValueError(f"the property {name!r} ({known.typeName()}) does not take {type(value).__name__}")

    def _connect(self, signal: str, function: Callable[..., object]) -> bool:
        wanted = _normalized(signal)
        meta = QtCore.QObject.metaObject(self)
        kinds = (meta.method(number) for number in range(meta.methodCount()))
        signals = {
            bytes(kind.methodSignature()).decode() for kind in kinds if kind.methodType() == kind.MethodType.Signal
        }
        if wanted not in signals:
            raise ValueError(f"{meta.className()} has no signal {signal!r}; it has {sorted(signals)}")
        name, _, arguments = wanted[:-1].partition("(")
        given = arguments.count(",") + 1 if arguments else 0
        bound = getattr(QtCore.QObject, name, None) or super().__getattribute__(name)
        if given or f"{name}(" in [text[: len(name) + 1] for text in signals - {wanted}]:
            bound = bound[tuple(_TYPES.get(text, object) for text in arguments.split(",") if text)] if given else bound
        slot = _trimmed(function, given)
        bound.connect(slot)
        self.__dict__.setdefault("_connections", []).append((wanted, function, bound, slot))
        return True

    def _disconnect(self, signal: str, function: Callable[..., object] | None = None) -> bool:
        wanted, keep = _normalized(signal), []
        for connection in self.__dict__.get("_connections", []):
            if connection[0] == wanted and function in (None, connection[1]):
                connection[2].disconnect(connection[3])
            else:
                keep.append(connection)
        self._connections = keep
        return True

    def className(self) -> str:  # noqa: N802 - Qt's name
        """The C++ class, as Qt knows it."""
        return QtCore.QObject.metaObject(self).className()

    def findChildren(self, kind: object, name: str = "") -> list[QtCore.QObject]:  # noqa: N802
        """As QObject::findChildren; ``kind`` may be a class of Slicer."""
        base = kind if isinstance(kind, type) and issubclass(kind, QtCore.QObject) else QtCore.QObject
        return (
            QtCore.QObject.findChildren(self, base, name or None) if name else QtCore.QObject.findChildren(self, base)
        )


_TYPES = {"bool": bool, "int": int, "QString": str, "double": float, "PyObject": object}


def _normalized(signal: str) -> str:
    """Qt's spelling of a signature; classes of VTK are plain Python objects here."""
    text = bytes(QtCore.QMetaObject.normalizedSignature(signal)).decode()
    name, _, arguments = text[:-1].partition("(")
    arguments = ",".join("PyObject" if part.startswith("vtk") else part for part in arguments.split(",") if part)
    return f"{name}({arguments})"


def _trimmed(function: Callable[..., object], given: int) -> Callable[..., None]:
    """``function`` with exactly ``given`` parameters; it gets as many of them as it takes."""
    parameters = inspect.signature(function).parameters.values()
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    takes = given if any(p.kind == p.VAR_POSITIONAL for p in parameters) else min(given, len(positional))

    def call(*arguments: object) -> None:
        function(*arguments[:takes])

    # PySide6 picks a signal's overload by the number of the slot's parameters.
    return {0: lambda: call(), 1: lambda a: call(a), 2: lambda a, b: call(a, b)}[given]


class UiLoader(QUiLoader):
    """Builds every widget of a .ui file with PythonQt's manners. An unknown class or connection is an error."""

    def __init__(self) -> None:
        super().__init__()
        self._made: list[QtCore.QObject] = []

    def createWidget(self, className: str, parent: object = None, name: str = "") -> object:  # noqa: N802, N803
        """What Qt calls for each widget."""
        if className not in CLASSES:
            raise RuntimeError(f"the .ui file asks for the class {className}, which has no stand-in")
        return self._named(CLASSES[className](parent), name)

    def createLayout(self, className: str, parent: object = None, name: str = "") -> object:  # noqa: N802, N803
        """What Qt calls for each layout."""
        return self._named(CLASSES[className](parent if isinstance(parent, QtWidgets.QWidget) else None), name)

    def _named(self, thing: QtCore.QObject, name: str) -> QtCore.QObject:
        QtCore.QObject.setObjectName(thing, name)
        self._made.append(thing)
        return thing

    def load(self, file: QtCore.QFile, parent: object = None) -> object:
        """As QUiLoader::load. Connections with classes of VTK are made here: Qt does not know them."""
        root = ET.fromstring(file.readAll().data())
        connections = root.find("connections")
        wanted = [[c.findtext(part) for part in ("sender", "signal", "receiver", "slot")] for c in connections]
        root.remove(connections)
        source = QtCore.QBuffer()
        source.setData(ET.tostring(root))
        source.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        _loading.append(True)
        try:
            top = super().load(source, parent)
        finally:
            _loading.pop()
        if top is None:
            raise RuntimeError(f"the .ui file cannot be loaded: {self.errorString()}")
        named = {QtCore.QObject.objectName(thing): thing for thing in self._made}
        for sender, signal, receiver, slot in wanted:
            named[sender].connect(signal, getattr(named[receiver], slot.partition("(")[0]))
        top._made = self._made  # the Python halves must outlive the loader
        return top


class FileDialog:
    """``qt.QFileDialog`` as far as the module uses it: each call returns the next of ``answers``, a string."""

    answers: list[str] = []  # noqa: RUF012

    @classmethod
    def _answer(cls, *_arguments: object) -> str:
        if not cls.answers:
            raise RuntimeError("a file dialog opened that the test did not expect")
        return cls.answers.pop(0)

    getOpenFileName = getSaveFileName = getExistingDirectory = _answer  # noqa: N815


def _with_manners(kind: type) -> type:
    return type(kind)(kind.__name__, (PythonQt, kind), {"__module__": "qt"})


qt, ctk = types.ModuleType("qt"), types.ModuleType("ctk")
CLASSES: dict[str, type] = {}
_MANNERED = (QtWidgets.QWidget, QtWidgets.QLayout, QtGui.QAction, QtCore.QTimer)
_LEFT_OUT = ("QApplication", "QWidgetItem", "QSizePolicy")

for _module in (QtCore, QtGui, QtWidgets):
    for _name in dir(_module):  # not vars(): PySide6 makes its classes when they are asked for
        if _name[:1] == "_":
            continue
        _kind = getattr(_module, _name)
        if isinstance(_kind, type) and issubclass(_kind, _MANNERED) and _name not in _LEFT_OUT:
            _kind = CLASSES[_name] = _with_manners(_kind)
        setattr(qt, _name, _kind)


class Table(CLASSES["QTableWidget"]):
    """A table whose headers have PythonQt's manners, too."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        for orientation, put in (
            (QtCore.Qt.Orientation.Horizontal, QtWidgets.QTableWidget.setHorizontalHeader),
            (QtCore.Qt.Orientation.Vertical, QtWidgets.QTableWidget.setVerticalHeader),
        ):
            header = CLASSES["QHeaderView"](orientation, self)
            header.setSectionsClickable(True)
            header.setHighlightSections(True)
            put(self, header)


CLASSES["QTableWidget"] = qt.QTableWidget = Table
qt.QUiLoader, qt.QFileDialog = UiLoader, FileDialog


def install() -> QtWidgets.QApplication:
    """Put ``qt`` and ``ctk`` where ``import`` finds them; returns the application object."""
    sys.modules["qt"], sys.modules["ctk"] = qt, ctk
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication(["slicer"])
