"""Stand-ins for ``slicer.ScriptedLoadableModule`` and ``slicer.i18n``: what Slicer's base classes promise, no more."""

from __future__ import annotations

import os
import sys
import types
import unittest

import slicer

from .pythonqt import qt


class ScriptedLoadableModule:
    """Base of the class that tells Slicer what the module is."""

    def __init__(self, parent: object) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title, parent.categories, parent.dependencies, parent.contributors = "", [], [], []
        parent.helpText = parent.acknowledgementText = ""

    def resourcePath(self, filename: str) -> str:  # noqa: N802
        """Where a file of the module's folder Resources lies."""
        return os.path.join(os.path.dirname(self.parent.path), "Resources", filename)


class ScriptedLoadableModuleWidget:
    """Base of the module's panel; ``parent`` is the place in Slicer's window."""

    def __init__(self, parent: object) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent = parent
        self.layout = parent.layout()

    def resourcePath(self, filename: str) -> str:  # noqa: N802
        """Where a file of the module's folder Resources lies."""
        return os.path.join(os.path.dirname(slicer.util.modulePath(self.moduleName)), "Resources", filename)

    def setup(self) -> None:
        """Called once."""

    def cleanup(self) -> None:
        """Called before the module goes."""

    def onReload(self) -> None:  # noqa: N802
        """What the button Reload does."""
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    """Base of the module's logic: finds and makes its parameter nodes."""

    def __init__(self, parent: object = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:  # noqa: N802
        """The first parameter node of this module; made if there is none."""
        if self.isSingletonParameterNode:
            raise NotImplementedError("this stand-in knows only modules with several parameter nodes")
        nodes = self.getAllParameterNodes()
        return nodes[0] if nodes else slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list[slicer.vtkMRMLScriptedModuleNode]:  # noqa: N802
        """All parameter nodes of this module."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:  # noqa: N802
        """A new parameter node that is not in the scene yet."""
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base of the module's own test."""

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:  # noqa: N802, N803
        """Slicer shows the message; here it is enough that it could."""

    def runTest(self) -> None:  # noqa: N802
        """Run every method with "test" in its name, as Slicer does."""
        for name in [name for name in dir(self) if "test" in name and callable(getattr(self, name))]:
            self.setUp()
            getattr(self, name)()
            self.tearDown()


def _translate(context: str, text: str) -> str:
    """The user's language; English before there is a window."""
    return slicer.app.translate(context, text) if hasattr(slicer, "app") else text


def _tr(text: str) -> str:
    """As ``_translate``, with the context that Slicer makes of the file that calls."""
    file = sys._getframe(1).f_code.co_filename
    folder, name = os.path.split(os.path.splitext(file)[0])
    if os.path.isfile(os.path.join(folder, "__init__.py")):
        name = f"{os.path.basename(folder)}.{name}"
    return _translate(name, text)


def install() -> None:
    """Put both modules where ``import`` finds them."""
    base = types.ModuleType("slicer.ScriptedLoadableModule")
    names = ("", "Widget", "Logic", "Test")
    base.__all__ = [f"ScriptedLoadableModule{name}" for name in names]
    for name in base.__all__:
        setattr(base, name, globals()[name])
    i18n = types.ModuleType("slicer.i18n")
    i18n.tr, i18n.translate = _tr, _translate
    for module in (base, i18n):
        sys.modules[module.__name__] = module
        setattr(slicer, module.__name__.partition(".")[2], module)
    assert qt is sys.modules["qt"]
