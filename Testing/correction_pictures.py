"""Pictures of the README's tutorial on corrections: ``make screenshots``.

A synthetic chest goes through the real panel (in the stand-in for Slicer's window): Apply, corrections by Slicer's own
Segment Editor logic (the truth is known, so the reader is right), and Apply again with another network.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from panel_pictures import palette, save_small
from PIL import Image, ImageDraw, ImageFont
from PySide6 import QtWidgets
from scipy import ndimage

from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.mrml.readback import read_labels
from CovidSegLib.network import models
from CovidSegLib.phantom import Phantom, make_phantom
from CovidSegLib.progress import Progress
from CovidSegLib.report.overlays import overlay_picture
from CovidSegLib.segmentation import Label
from Testing.kit.segment_editor import Reader
from Testing.kit.slicer_window.application import SlicerWorld
from Testing.kit.slicer_window.module import OpenModule
from Testing.kit.stamps import save_stamped

SIZE = (460, 360)
CAPTION = 44
INFECTION = "Covid19Infection"


def largest(mask: np.ndarray, k: int) -> np.ndarray:
    """The piece of ``mask`` with most voxels in slice ``k``."""
    pieces, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    counts = np.bincount(pieces[k].ravel())
    counts[0] = 0
    return pieces == counts.argmax()


def other_network(folder: Path) -> None:
    """A network of another name that calls more of the lung infected."""
    default = models.find("default")
    folder.mkdir()
    for suffix in (".onnx", ".keras"):
        shutil.copy(default.folder / f"{default.name}{suffix}", folder / f"another{suffix}")
    card = {**default.card, "name": "another"}
    card["finish"] = {**card.get("finish", {}), "infection": 0.15}
    text = json.dumps(card)
    for suffix in ("onnx", "keras"):
        text = text.replace(f"{default.name}.{suffix}", f"another.{suffix}")
    (folder / "another.json").write_text(text)


def strip(made: Phantom, k: int, states: list[tuple[str, np.ndarray]]) -> Image.Image:
    """One slice in several states, side by side with captions."""
    canvas = Image.new("RGB", (len(states) * (SIZE[0] + 8) - 8, SIZE[1] + CAPTION), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(17)
    plane = CtVolume(made.volume.voxels[k : k + 1], made.volume.affine)
    for number, (caption, labels) in enumerate(states):
        left = number * (SIZE[0] + 8)
        canvas.paste(overlay_picture(plane, labels[k : k + 1], "axial", SIZE), (left, 0))
        draw.text((left + 4, SIZE[1] + 10), caption, "black", font)
    return canvas


def run(module: OpenModule) -> None:
    """Click Apply and wait."""
    module.click("applyButton")
    module.until(lambda: module.widget.panel.session.run is None, 300)


def main(folder: Path) -> None:
    """Write ``corrections.png`` and ``review.png`` into ``folder``."""
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["COVIDSEG_MODELS"] = str(Path(temporary, "models"))
        other_network(Path(temporary, "models"))
        world = SlicerWorld(Path(temporary))
        world.qt.setStyle("Fusion")
        QtWidgets.QApplication.setPalette(palette("light"))
        made = make_phantom(seed=0, slices=40, progress=Progress())
        scan = world.logics.add_volume(made.volume)
        module = OpenModule(world)
        module.place.resize(440, 900)
        module.place.show()
        run(module)
        session = module.widget.panel.session
        node = session.result.segmentationNode
        first = read_labels(node, scan)
        truth, drawn = made.truth == Label.INFECTION, first == Label.INFECTION
        k = int(((truth ^ drawn).sum(axis=(1, 2)) + 2 * (truth & ~drawn).sum(axis=(1, 2))).argmax())
        reader = Reader(world.scene, node, scan)
        reader.paint(INFECTION, largest(truth & ~drawn, k))
        wrong = largest(drawn & ~truth, k)
        reader.paint("LeftLung", wrong & (made.truth == Label.LEFT_LUNG))
        reader.paint("RightLung", wrong & (made.truth == Label.RIGHT_LUNG))
        corrected = read_labels(node, scan)
        section = module.section("ReviewSection")
        session.parameters.model = "another"
        run(module)
        module.until(lambda: section.review is not None and section.widgets.kept.text)
        states = [("1  What the network found", first), ("2  Corrected by a reader", corrected)]
        states.append(("3  After another network ran", read_labels(node, scan)))
        save_stamped(strip(made, k, states), folder / "corrections.png")
        section.widgets.table.selectRow(0)
        world.qt.processEvents()
        save_small(section.widgets.fold.grab(), folder / "review.png")
        module.close()
        world.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
