"""A stand-in for ``slicer.parameterNodeWrapper``: nodes, text, yes/no and enumerations; links to selectors and boxes.

Stricter than Slicer's: an attribute that is no parameter cannot be set.
"""

from __future__ import annotations

import enum
import sys
import types
import typing
from collections.abc import Callable

import slicer
import vtk

from .pythonqt import qt


class _Parameter:
    """One parameter as a Python property over the node."""

    def __init__(self, name: str, kind: type, default: object) -> None:
        self.name, self.kind, self.default = name, kind, default
        if self.is_node == (default is not None):
            raise TypeError(f"the parameter {name} needs a default, unless it is a node")

    @property
    def is_node(self) -> bool:
        return issubclass(self.kind, slicer.vtkMRMLNode)

    def read(self, node: slicer.vtkMRMLScriptedModuleNode) -> object:
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if issubclass(self.kind, enum.Enum):
            return self.kind[text]
        return text == "True" if self.kind is bool else self.kind(text)

    def write(self, node: slicer.vtkMRMLScriptedModuleNode, value: object) -> None:
        if not isinstance(value, self.kind) and not (self.is_node and value is None):
            raise TypeError(f"{self.name} takes {self.kind.__name__}, not {type(value).__name__}")
        if self.is_node:
            node.SetNodeReferenceID(self.name, value.GetID() if value else None)
        else:
            node.SetParameter(self.name, value.name if isinstance(value, enum.Enum) else str(value))


def _connector(widget: object, parameter: _Parameter) -> tuple[Callable[[], object], Callable[[object], None], str]:
    """How ``widget`` is read and written, and the signal that tells of a change; by exact type, as Slicer does."""
    if type(widget) is slicer.qMRMLNodeComboBox and parameter.is_node:
        return widget.currentNode, widget.setCurrentNode, "currentNodeChanged(vtkMRMLNode*)"
    if type(widget) is qt.QComboBox and issubclass(parameter.kind, enum.Enum):
        members = list(parameter.kind)
        label = getattr(parameter.kind, "label", lambda member: member.name)
        widget.clear()
        widget.addItems([label(member) for member in members])
        return (
            lambda: members[widget.currentIndex],
            lambda value: widget.setCurrentIndex(members.index(value)),
            "currentIndexChanged(int)",
        )
    if type(widget) is qt.QCheckBox and parameter.kind is bool:
        return lambda: widget.checked, widget.setChecked, "stateChanged(int)"
    raise RuntimeError(f"no connector between {parameter.kind} and {type(widget).__name__}")


class _Link:
    """A set of widgets that show, and change, the parameters of one wrapper."""

    def __init__(self, wrapper: object, widgets: dict[str, object]) -> None:
        self._wrapper, self._showing = wrapper, False
        self._parts = []
        for name, widget in widgets.items():
            read, write, signal = _connector(widget, wrapper.allParameters[name])
            write(getattr(wrapper, name))
            changed = self._changed(name, read)
            widget.connect(signal, changed)
            self._parts.append((name, widget, write, signal, changed))
        self._tag = wrapper.AddObserver(vtk.vtkCommand.ModifiedEvent, self._show)

    def _changed(self, name: str, read: Callable[[], object]) -> Callable[[], None]:
        def write() -> None:
            if not self._showing:
                setattr(self._wrapper, name, read())

        return write

    def _show(self, *_: object) -> None:
        if self._showing:
            return
        self._showing = True
        for name, _widget, write, _signal, _changed in self._parts:
            write(getattr(self._wrapper, name))
        self._showing = False

    def end(self) -> None:
        self._wrapper.RemoveObserver(self._tag)
        for _name, widget, _write, signal, changed in self._parts:
            widget.disconnect(signal, changed)


class _Wrapper:
    """What every wrapped class gets."""

    def __init__(self, node: slicer.vtkMRMLScriptedModuleNode) -> None:
        self.parameterNode, self._links = node, {}
        for parameter in self.allParameters.values():
            if not parameter.is_node and node.GetParameter(parameter.name) == "":
                parameter.write(node, parameter.default)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in ("parameterNode", "_links", *self.allParameters):
            raise AttributeError(f"there is no parameter {name!r}")
        super().__setattr__(name, value)

    def connectGui(self, gui: object) -> int:  # noqa: N802
        """Link every widget of ``gui`` that has the property SlicerParameterName."""
        named = [(widget.property("SlicerParameterName"), widget) for widget in vars(gui).values()]
        tag = len(self._links)
        self._links[tag] = _Link(self, {name: widget for name, widget in named if name})
        return tag

    def disconnectGui(self, tag: int) -> None:  # noqa: N802
        """End a link."""
        link = self._links.pop(tag, None)
        if link is not None:
            link.end()

    def AddObserver(self, event: object, function: Callable, priority: float = 0.0) -> int:  # noqa: N802
        """Observe the node."""
        return self.parameterNode.AddObserver(event, function, priority)

    def RemoveObserver(self, tag: int) -> None:  # noqa: N802
        """Observe no longer."""
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self) -> int:  # noqa: N802
        """Hold back events."""
        return self.parameterNode.StartModify()

    def EndModify(self, before: int) -> int:  # noqa: N802
        """Let events go."""
        return self.parameterNode.EndModify(before)


def parameterNodeWrapper(described: type) -> type:  # noqa: N802
    """The class decorator."""
    kinds = typing.get_type_hints(described)
    parameters = {name: _Parameter(name, kind, getattr(described, name, None)) for name, kind in kinds.items()}
    own = {
        name: property(
            lambda self, p=p: p.read(self.parameterNode), lambda self, v, p=p: p.write(self.parameterNode, v)
        )
        for name, p in parameters.items()
    }
    return type(described.__name__, (_Wrapper,), {**own, "allParameters": parameters, "__doc__": described.__doc__})


def install() -> None:
    """Put the module where ``import`` finds it."""
    module = types.ModuleType("slicer.parameterNodeWrapper")
    module.parameterNodeWrapper = parameterNodeWrapper
    sys.modules[module.__name__] = slicer.parameterNodeWrapper = module
