"""The module CovidSeg, loaded as Slicer loads it, and what a test needs to look and click."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from types import ModuleType

import slicer

from .application import MODULE_FILE, ModulePlace, SlicerWorld, Strict


def load_module_file() -> ModuleType:
    """Run CovidSeg.py as the module ``CovidSeg``."""
    spec = importlib.util.spec_from_file_location("CovidSeg", MODULE_FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["CovidSeg"] = module
    spec.loader.exec_module(module)
    return module


class OpenModule:
    """The panel of CovidSeg in a :class:`SlicerWorld`: ``widget`` (the module's), ``ui`` (the widgets by name)."""

    def __init__(self, world: SlicerWorld) -> None:
        self.world = world
        self.file = load_module_file()
        self.place = ModulePlace()
        self.info = Strict(path=str(MODULE_FILE), title="", icon=None)
        slicer.modules.covidseg = Strict(path=str(MODULE_FILE), widgetRepresentation=lambda: self.place)
        self.module = self.file.CovidSeg(self.info)
        slicer.app.start()
        self.place.reload()
        self.enter()

    @property
    def widget(self) -> object:
        """The module's widget that is alive (another one after a reload)."""
        return slicer.modules.CovidSegWidget

    @property
    def ui(self) -> object:
        """The widgets of the panel by name."""
        return self.widget.panel.ui

    @property
    def session(self) -> object:
        """What the sections of the panel share."""
        return self.widget.panel.session

    def section(self, name: str) -> object:
        """The section of the panel whose class is called ``name``."""
        (found,) = (one for one in self.widget.panel.sections if type(one).__name__ == name)
        return found

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self.session.run is not None

    def enter(self) -> None:
        """The user opens the module."""
        self.place._entered = True
        self.widget.enter()

    def exit(self) -> None:
        """The user opens another module; Slicer calls ``exit`` where a module has it."""
        self.place._entered = False
        if hasattr(self.widget, "exit"):
            self.widget.exit()

    def close(self) -> None:
        """Slicer ends."""
        self.widget.cleanup()

    def until(self, condition: Callable[[], object], seconds: float = 180.0) -> None:
        """Let the window live until ``condition``; fails after ``seconds``."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (
                f"it did not happen in {seconds} s; the panel says: {self.ui.statusLabel.text!r}"
            )
            slicer.app.processEvents()
            time.sleep(0.005)

    def click(self, name: str) -> None:
        """Click a button of the panel; it must be there and enabled, as for a user."""
        button = getattr(self.ui, name)
        assert button.enabled, f"{name} is disabled"
        assert not button.isHidden(), f"{name} is hidden"
        button.click()
