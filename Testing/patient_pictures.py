"""Pictures of real patients: the first one of the README, a report, and failures (``make screenshots``).

The scans lie beside the checkout, or nowhere: then these pictures stay as they are. Failures are those of the networks
that had not seen the patient; the slices are found by counting, so that another network shows its own.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from report_pictures import draw_page

import covidseg
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.network import models
from CovidSegLib.progress import Progress
from CovidSegLib.report.overlays import overlay_picture
from CovidSegLib.report.page_pictures import picture_of
from CovidSegLib.report.pictures import draw_pictures
from CovidSegLib.segmentation import SEGMENTS, Label, Segmentation
from Testing.kit.patients import FOLDER, UNKNOWN, Patient, patients
from Testing.kit.stamps import save_stamped

TOP, REPORTED = "coronacases_008", "coronacases_010"
TILE, BAR = 480, 44
CELL, LINE = (380, 290), 30
COLORS = 160


def main(target: Path) -> None:
    """Draw ``demo.png``, ``report.png`` and ``failures.png`` into ``target``, where the scans are there."""
    found = patients()
    if not found:
        print(f"There are no scans in {FOLDER}: demo.png, report.png and failures.png stay as they are.")
        return
    with covidseg.Segmenter(device="cpu") as segmenter, tempfile.TemporaryDirectory() as name:
        volume = found[TOP].volume()
        draw_top(volume, segmenter(volume), Path(name), target / "demo.png")
        segmenter(found[REPORTED].scan).report(Path(name, "report.html"))
        draw_page(Path(name, "report.html"), target / "report.png")
    draw_failures(found, target / "failures.png")


def draw_top(volume: CtVolume, result: covidseg.Result, folder: Path, target: Path) -> None:
    """Axial, coronal and 3-D, with a legend below."""
    segmentation = Segmentation(result.labels, result.affine, result.provenance)
    (surface,) = draw_pictures(volume, segmentation, folder, "top", Progress(), ["3d"])
    square = folder / "square.jpg"
    square.write_bytes(picture_of("3d", surface.read_bytes()).data)
    tiles = [overlay_picture(volume, result.labels, plane, (TILE, TILE)) for plane in ("axial", "coronal")]
    tiles.append(Image.open(square).resize((TILE, TILE), Image.Resampling.LANCZOS))
    canvas = Image.new("RGB", (len(tiles) * (TILE + 4) - 4, TILE + BAR), "white")
    for number, tile in enumerate(tiles):
        canvas.paste(tile, (number * (TILE + 4), 0))
    draw_legend(canvas, TILE + BAR // 2)
    save_stamped(canvas.quantize(COLORS), target)


def draw_legend(canvas: Image.Image, y: int) -> None:
    """Colour and name of each segment, in the middle of the line ``y``."""
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(19)
    names = [(tuple(round(255 * part) for part in segment.color), segment.name) for segment in SEGMENTS]
    x = (canvas.width - sum(draw.textlength(name, font) + 70 for _, name in names) + 30) / 2
    for color, name in names:
        draw.rectangle((x, y - 9, x + 18, y + 9), color, (90, 90, 90))
        draw.text((x + 28, y), name, "black", font, anchor="lm")
        x += draw.textlength(name, font) + 70


@dataclass(frozen=True)
class Slice:
    """A slice of a patient: HU, what the network and what the reader drew on it (y, x), voxels counted on it."""

    volume: CtVolume
    network: np.ndarray
    reader: np.ndarray

    @property
    def drawn(self) -> int:
        """Infection of the reader."""
        return int(np.count_nonzero(self.reader == Label.INFECTION))

    @property
    def found(self) -> int:
        """Of it, what the network calls infection, too."""
        return int(np.count_nonzero((self.reader == Label.INFECTION) & (self.network == Label.INFECTION)))

    @property
    def false(self) -> int:
        """Infection of the network alone."""
        return int(np.count_nonzero(self.network == Label.INFECTION)) - self.found


def slices(found: dict[str, Patient]) -> Iterator[Slice]:
    """Every slice of every patient, by the network that did not learn from the patient."""
    name = models.find("default").name
    for fold in sorted({patient.fold for patient in found.values()}):
        card = Path(__file__).resolve().parents[1] / f"CovidSegTraining/folds/{name}-fold{fold}.json"
        with covidseg.Segmenter(device="cpu", model=str(card)) as segmenter:
            for patient in (one for one in found.values() if one.fold == fold):
                volume, drawn = patient.volume(), patient.drawn()
                labels = segmenter(volume).labels
                # Where nobody drew lungs, the network's frame the picture.
                reader = np.where((drawn >= UNKNOWN) & (labels != Label.INFECTION), labels, drawn)
                reader[reader >= UNKNOWN] = 0
                for k in range(len(labels)):
                    yield Slice(CtVolume(volume.voxels[k : k + 1], volume.affine), labels[k], reader[k])


def draw_failures(found: dict[str, Patient], target: Path) -> None:
    """Where most was missed, where most was added, and where most was called infection on a slice free of it."""
    every = list(slices(found))
    missed = max(every, key=lambda one: one.drawn - one.found)
    added = max(every, key=lambda one: one.false * (one.drawn > 0))
    invented = max(every, key=lambda one: one.false * (one.drawn == 0))
    rows = {
        f"Most missed: of what the reader drew, {100 * missed.found / missed.drawn:.0f} % was found": missed,
        f"Most added: {(added.false + added.found) / added.drawn:.1f} times what the reader drew": added,
        "Most invented: the reader saw no infection on this slice": invented,
    }
    width, high = CELL
    canvas = Image.new("RGB", (3 * (width + 4) - 4, LINE + len(rows) * (high + LINE)), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(17)
    for column, title in enumerate(("The scan", "A network that had not seen the patient", "Reader 1")):
        draw.text((column * (width + 4) + 4, LINE // 2), title, "black", font, anchor="lm")
    for row, (caption, one) in enumerate(rows.items()):
        top = LINE + row * (high + LINE)
        for column, cell in enumerate(cells(one)):
            canvas.paste(cell, (column * (width + 4), top))
        draw.text((4, top + high + LINE // 2), f"{row + 1}  {caption}", "black", font, anchor="lm")
    save_stamped(canvas.quantize(COLORS), target)


def cells(one: Slice) -> Iterator[Image.Image]:
    """The scan, the network's drawing and the reader's, of one part of the slice."""
    rows, columns = np.nonzero((one.network > 0) | (one.reader > 0))
    part = np.s_[max(0, rows.min() - 12) : rows.max() + 12, max(0, columns.min() - 12) : columns.max() + 12]
    volume = CtVolume(one.volume.voxels[:, part[0], part[1]], one.volume.affine)
    for labels in (np.zeros_like(one.network), one.network, one.reader):
        yield overlay_picture(volume, labels[part][None], "axial", CELL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
