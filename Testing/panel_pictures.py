"""Pictures of the panel, light and dark, for the README and the Extensions Index: ``make screenshots``.

The panel is the real one, in the stand-in for Slicer's window (kit/slicer_window), with the palettes of Slicer's two
styles. Every state is reached as a user reaches it: a scan is loaded, Apply is clicked, the network runs.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from PySide6 import QtGui, QtWidgets

from CovidSegLib.errors import EngineError
from CovidSegLib.phantom import make_phantom
from CovidSegLib.progress import Progress
from Testing.kit.slicer_window.application import SlicerWorld
from Testing.kit.slicer_window.module import OpenModule
from Testing.kit.stamps import save_stamped

WIDTH, HEIGHT = 440, 480
STATES = ("empty", "ready", "running", "done", "error", "advanced", "install", "transform")

# Role, light, dark: what qSlicerStyle sets (Slicer 5.12). A third word names the colour of disabled widgets.
PALETTE = """
Window #ffffff #323232
WindowText #000000 #ffffff #bebebe #6d6d6d
Base #ffffff #1e1e1e
AlternateBase #e4e4fe #323232
ToolTipBase #ffffdc #ffffff
ToolTipText #000000 #323232
Text #000000 #ffffff #bebebe #6d6d6d
PlaceholderText #808080 #c0c0c0
Button #fcfcfc #323232
ButtonText #000000 #ffffff #bebebe #b4b4b4
BrightText #ff0000 #ff4444
Light #c8c8c8 #828284
Midlight #e6e6e6 #5a5a5b
Dark #aaaaaa #232323
Mid #c8c8c8 #2b2b2b
Shadow #5a5a5a #141414
Highlight #308cc6 #3ca4ff #919191 #505050
HighlightedText #ffffff #ffffff #ffffff #6d6d6d
Link #0000ff #3ca4ff
"""


def palette(theme: str) -> QtGui.QPalette:
    """Slicer's palette "light" or "dark"."""
    made = QtGui.QPalette()
    shade = ("light", "dark").index(theme)
    for line in PALETTE.split("\n"):
        words = line.split()
        if words:
            role = getattr(QtGui.QPalette.ColorRole, words[0])
            made.setColor(role, QtGui.QColor(words[1 + shade]))
            if len(words) > 3:
                made.setColor(QtGui.QPalette.ColorGroup.Disabled, role, QtGui.QColor(words[3 + shade]))
    return made


class Photographer:
    """Brings the panel into each state and takes its picture."""

    def __init__(self, theme: str, folder: Path) -> None:
        self._world = SlicerWorld(folder)
        self._world.qt.setStyle("Fusion")
        QtWidgets.QApplication.setPalette(palette(theme))
        self._module = OpenModule(self._world)
        self._module.place.resize(WIDTH, HEIGHT)
        self._module.place.show()

    def take(self) -> Iterator[tuple[str, QtGui.QImage]]:
        """Each state's name and picture."""
        module, ui = self._module, self._module.ui
        session = module.widget.panel.session
        yield "empty", self._picture()
        chest = make_phantom(seed=0, slices=60, progress=Progress()).volume
        scan = self._world.logics.add_volume(chest)
        scan.SetName("Chest CT")
        session.parameters.inputVolume = scan
        module.until(lambda: session.expectedSeconds.value is not None and "odd" in ui.allChecksLabel.text)
        yield "ready", self._picture()
        from CovidSegLib.gui.sections.install_section import _for_run  # needs the window's qt

        section = next(section for section in module.widget.panel.sections if hasattr(section, "_ask"))
        section._ask(_for_run(None))
        yield "install", self._picture()
        ui.installFrame.setVisible(False)
        module.click("applyButton")
        module.until(lambda: ui.progressBar.value > 450)
        yield "running", self._picture()
        module.until(lambda: session.run is None)
        self._settle()
        yield "done", self._picture()
        ui.advancedCollapsibleButton.collapsed = False
        yield "advanced", self._picture()
        ui.advancedCollapsibleButton.collapsed = True
        session.parameters.outputSegmentation = None
        session.setResult(None)
        ui.licenceLabel.setVisible(False)  # as in every later run
        try:
            raise EngineError(
                "The process that computes the network stopped in the middle of its work.",
                "Perhaps memory ran out: close other programs and try again.",
            ) from MemoryError("std::bad_alloc")
        except EngineError as error:
            session.failed.emit(error)
        yield "error", self._picture()
        ui.messageFrame.setVisible(False)
        bent = self._world.scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "Acquisition transform")
        scan.SetAndObserveTransformNodeID(bent.GetID())
        module.until(lambda: session.reason)
        yield "transform", self._picture()
        module.close()
        self._module.place.hide()
        self._world.close()

    def _settle(self) -> None:
        """Let the sections that follow a segmentation do their work."""
        heard: list[object] = []
        self._module.session.readingChanged.connect(heard.append)
        self._module.until(lambda: heard and heard[-1] is not None)

    def _picture(self) -> QtGui.QImage:
        place = self._module.place
        for _ in range(5):
            self._world.qt.processEvents()
            # As high as its content at this width, as in Slicer's scrolling column.
            needed = place.layout().heightForWidth(WIDTH)
            place.resize(WIDTH, max(HEIGHT, needed))
        return place.grab().toImage()


def save_small(image: QtGui.QImage | QtGui.QPixmap, file: Path) -> None:
    """Write a PNG of 64 colours, enough for widgets: every version of a picture stays in the repository for ever."""
    assert image.save(str(file))
    save_stamped(Image.open(file).convert("RGB").quantize(64), file)


def save_all(target: Path, themes: tuple[str, ...] = ("light", "dark")) -> list[Path]:
    """Write ``panel-STATE-THEME.png`` for every state into ``target``; returns the files."""
    files = []
    os.environ.setdefault("COVIDSEG_MODELS", str(target / "no-models"))
    for theme in themes:
        with tempfile.TemporaryDirectory() as folder:
            for state, image in Photographer(theme, Path(folder)).take():
                files.append(target / f"panel-{state}-{theme}.png")
                save_small(image, files[-1])
    return files


if __name__ == "__main__":
    for file in save_all(Path(sys.argv[1])):
        print(file)
