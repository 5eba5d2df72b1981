"""A whole Slicer window around a real patient, as near as the kit can come (``make screenshots``).

The panel is the real one, run by clicks; slices and 3-D view are drawn by Slicer's own displayable managers. What is
around them (the list of modules, the bars over the views) is drawn here: the application itself does not run.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from panel_pictures import palette
from patient_pictures import TOP
from PIL import Image
from PySide6 import QtCore, QtGui, QtWidgets

from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.mrml.readback import read_labels
from CovidSegLib.progress import Progress
from CovidSegLib.report.pictures import draw_pictures
from CovidSegLib.report.places import central_points
from CovidSegLib.segmentation import UNKNOWN_PROVENANCE, Segmentation
from Testing.kit.patients import FOLDER, patients
from Testing.kit.slicer_window.application import SlicerWorld
from Testing.kit.slicer_window.module import OpenModule
from Testing.kit.stamps import save_stamped

PANEL, VIEW = 400, (514, 400)
COLORS = 200
VIEWS = (
    ("axial", "R", "#f34a33", "S", 2),
    ("3d", "1", "#8c8ce1", "", 0),
    ("coronal", "G", "#6eb04b", "A", 1),
    ("sagittal", "Y", "#edd54c", "R", 0),
)
"""Picture, letter and colour of each view of Slicer's layout "Four-Up", the axis that its slider runs along."""


def main(target: Path) -> None:
    """Draw ``slicer-window.png`` into ``target``, where the scans are there."""
    found = patients()
    if TOP not in found:
        print(f"There are no scans in {FOLDER}: slicer-window.png stays as it is.")
        return
    volume = found[TOP].volume()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["COVIDSEG_MODELS"] = str(folder / "no-models")
        world = SlicerWorld(folder)
        world.qt.setStyle("Fusion")
        QtWidgets.QApplication.setPalette(palette("light"))
        module = OpenModule(world)
        session = module.widget.panel.session
        scan = world.logics.add_volume(volume)
        scan.SetName("Chest CT")
        session.parameters.inputVolume = scan
        module.until(lambda: module.ui.applyButton.enabled and session.expectedSeconds.value is not None)
        heard: list[object] = []
        session.readingChanged.connect(heard.append)
        module.click("applyButton")
        module.until(lambda: session.run is None, 600)
        module.until(lambda: heard and heard[-1] is not None, 600)
        labels = read_labels(session.result.segmentationNode, scan)
        window = whole_window(module, volume, Segmentation(labels, volume.affine, UNKNOWN_PROVENANCE), folder)
        window.show()
        for _ in range(20):
            world.qt.processEvents()
        assert window.grab().save(str(folder / "window.png"))
        save_stamped(Image.open(folder / "window.png").convert("RGB").quantize(COLORS), target / "slicer-window.png")
        module.close()
        window.hide()
        world.close()


def whole_window(module: OpenModule, volume: CtVolume, found: Segmentation, folder: Path) -> QtWidgets.QWidget:
    """The panel on the left, four views on the right."""
    window = QtWidgets.QWidget()
    rows = QtWidgets.QVBoxLayout(window)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setSpacing(0)
    rows.addWidget(tool_bar())
    body = QtWidgets.QHBoxLayout()
    body.setSpacing(4)
    rows.addLayout(body)
    module.place.setFixedWidth(PANEL)
    module.place.show()
    body.addWidget(module.place)
    grid = QtWidgets.QGridLayout()
    grid.setSpacing(2)
    draw_pictures(volume, found, folder, "view", Progress())
    points = central_points(found.labels, found.grid)
    for number, (name, letter, color, letter_of_axis, axis) in enumerate(VIEWS):
        offset = f"{letter_of_axis}: {points[name][axis]:.1f} mm" if letter_of_axis else ""
        grid.addWidget(view(folder / f"view_{name}.png", letter, color, offset), number // 2, number % 2)
    body.addLayout(grid)
    return window


def tool_bar() -> QtWidgets.QWidget:
    """Slicer's row with the list of modules."""
    bar = QtWidgets.QWidget()
    bar.setAutoFillBackground(True)
    row = QtWidgets.QHBoxLayout(bar)
    row.setContentsMargins(6, 4, 6, 4)
    row.addWidget(QtWidgets.QLabel("Modules:"))
    modules = QtWidgets.QComboBox()
    modules.addItem("CovidSeg")
    modules.setMinimumWidth(220)
    row.addWidget(modules)
    row.addStretch(1)
    return bar


def view(picture: Path, letter: str, color: str, offset: str) -> QtWidgets.QWidget:
    """A view below its bar."""
    frame = QtWidgets.QWidget()
    rows = QtWidgets.QVBoxLayout(frame)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setSpacing(0)
    bar = QtWidgets.QLabel(f"  {letter}" + (f"      {offset}" if offset else ""))
    bar.setFixedHeight(20)
    bar.setStyleSheet(f"background: {color}; color: black;")
    image = QtWidgets.QLabel()
    smooth = QtCore.Qt.TransformationMode.SmoothTransformation
    keep = QtCore.Qt.AspectRatioMode.IgnoreAspectRatio
    image.setPixmap(QtGui.QPixmap(str(picture)).scaled(*VIEW, keep, smooth))
    image.setFixedSize(*VIEW)
    rows.addWidget(bar)
    rows.addWidget(image)
    return frame


if __name__ == "__main__":
    main(Path(sys.argv[1]))
