"""The picture of estimated lobes: each lung from its side, with the infected share of each lobe and its range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from ..anatomy.lobe_shape import LEFT_LOBES, RIGHT_LOBES
from ..errors import CovidSegError
from ..geometry.volume import LUNG_LEVEL, LUNG_WINDOW, CtVolume
from ..measures.lobe_map import LobeMap, estimated_lobe_map
from ..measures.lobes import lobe_name
from ..measures.values import EstimatedLobe
from ..segfiles.lobe_files import LOBE_COLORS
from ..segmentation import Label, Lobe, Segmentation
from ..words import percent

if TYPE_CHECKING:
    from PIL import Image

CAPTION = "Lobes, estimated from the shape of the lungs: infected share and its 90 % range"
_MARGIN_MM = 8.0
_LETTERS_WIDE, _LETTERS_TALL = 28, 17
"""How many letters fit across and down: they can be read where the page is printed, in a column of it."""
_AS_GOOD = 0.02
"""Share of a label: places at which it sticks out by no more than that are alike."""
_FILL, _INFECTION = 0.22, np.array((230.0, 82.0, 59.0))


def lobe_picture(volume: CtVolume, segmentation: Segmentation, most: tuple[int, int]) -> Image.Image | None:
    """A sagittal slice of each lung, through the middle lobe on the right; None where lobes cannot be estimated.

    RGB, as large as the lungs need, ``most``: greatest width and height in pixels. The front is on the left;
    millimetres are as long in both lungs and both directions.
    """
    from PIL import Image

    try:
        found = estimated_lobe_map(segmentation.labels, segmentation.grid)
    except CovidSegError:
        return None
    slices = [_lung_slice(volume, segmentation.labels, found, lobes) for lobes in (RIGHT_LOBES, LEFT_LOBES)]
    wide = sum(one.size_mm[0] for one in slices)
    tall = max(one.size_mm[1] for one in slices)
    scale = min(most[0] / wide, most[1] / tall)
    drawn = [_lung(one, found, scale, round(tall * scale)) for one in slices]
    canvas = Image.new("RGB", (sum(one.width for one in drawn), drawn[0].height))
    canvas.paste(drawn[0], (0, 0))
    canvas.paste(drawn[1], (drawn[0].width, 0))
    letters = round(max(canvas.width / _LETTERS_WIDE, canvas.height / _LETTERS_TALL))
    left = 0
    for one, picture in zip(slices, drawn, strict=True):
        _label(canvas, (left, picture.width), one, found, scale, letters)
        left += picture.width
    return canvas


@dataclass(frozen=True)
class _LungSlice:
    """A sagittal slice (z from the head, y from the front) of the lung with ``lobes``, cut out around it.

    ``hounsfield``: grey values; ``infected``: bool; ``drawn``: uint8 of Lobe; ``pixel_mm``: width and height.
    """

    lobes: tuple[Lobe, ...]
    hounsfield: np.ndarray
    infected: np.ndarray
    drawn: np.ndarray
    pixel_mm: tuple[float, float]

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height."""
        return self.drawn.shape[1] * self.pixel_mm[0], self.drawn.shape[0] * self.pixel_mm[1]


def _lung_slice(volume: CtVolume, labels: np.ndarray, found: LobeMap, lobes: tuple[Lobe, ...]) -> _LungSlice:
    upright = volume.grid.to_upright
    column = _column(upright(found.lobes), lobes)
    hounsfield, labelled, drawn = (upright(array)[:, :, column][::-1] for array in (volume.voxels, labels, found.lobes))
    drawn = np.where(np.isin(drawn, lobes), drawn, 0)
    _across, wide_mm, tall_mm = volume.grid.upright.spacing
    whole = scipy.ndimage.find_objects((drawn > 0).astype(np.uint8))[0]
    part = tuple(
        slice(max(0, inside.start - round(_MARGIN_MM / mm)), inside.stop + round(_MARGIN_MM / mm))
        for inside, mm in zip(whole, (tall_mm, wide_mm), strict=True)
    )
    infected = (labelled == Label.INFECTION) & (drawn > 0)
    return _LungSlice(lobes, hounsfield[part], infected[part], drawn[part], (wide_mm, tall_mm))


def _lung(one: _LungSlice, found: LobeMap, scale: float, height: int) -> Image.Image:
    """One lung, ``scale`` pixels a millimetre, in the middle of ``height`` pixels."""
    from PIL import Image

    shape = max(1, round(one.size_mm[0] * scale)), max(1, round(one.size_mm[1] * scale))
    grey = (np.clip((one.hounsfield - LUNG_LEVEL) / LUNG_WINDOW + 0.5, 0, 1) * 255).astype(np.uint8)
    enlarged = np.asarray(Image.fromarray(grey).resize(shape, Image.Resampling.BICUBIC))
    parts, infection = (
        np.asarray(Image.fromarray(array.astype(np.uint8)).resize(shape, Image.Resampling.NEAREST))
        for array in (one.drawn, one.infected)
    )
    canvas = Image.new("RGB", (shape[0], height))
    canvas.paste(Image.fromarray(_painted(enlarged, parts, infection > 0, one.lobes)), (0, (height - shape[1]) // 2))
    return canvas


def _column(lobe_map: np.ndarray, lobes: tuple[Lobe, ...]) -> int:
    """The sagittal slice that shows most of the lobe of which there is least."""
    counts = np.stack([(lobe_map == lobe).sum(axis=(0, 1)) for lobe in lobes])
    return int((counts / np.maximum(counts.max(axis=1, keepdims=True), 1)).min(axis=0).argmax())


def _painted(grey: np.ndarray, parts: np.ndarray, infection: np.ndarray, lobes: tuple[Lobe, ...]) -> np.ndarray:
    picture = np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    for lobe in lobes:
        picture[parts == lobe] = (1 - _FILL) * picture[parts == lobe] + _FILL * _color(lobe)
    picture[infection] = 0.6 * picture[infection] + 0.4 * _INFECTION
    picture[infection & ~scipy.ndimage.binary_erosion(infection, iterations=1)] = _INFECTION
    for lobe in lobes:  # last, so that infection hides no fissure
        picture[(parts == lobe) & ~scipy.ndimage.binary_erosion(parts == lobe, iterations=3)] = _color(lobe)
    return picture.astype(np.uint8)


def _color(lobe: Lobe) -> np.ndarray:
    return np.array(LOBE_COLORS[lobe]) * 255


def _label(
    canvas: Image.Image, across: tuple[int, int], one: _LungSlice, found: LobeMap, scale: float, letters: int
) -> None:
    """Write each lobe's infected share, with its range, into it; and which lung it is, and where front and back are.

    ``across``: first column and width of the lung's part of ``canvas``; ``letters``: height of the letters in pixels.
    """
    from PIL import ImageDraw, ImageFont

    draw = ImageDraw.Draw(canvas)
    left, width = across
    height = canvas.height
    text: dict[str, Any] = {"stroke_width": max(1, letters // 14), "stroke_fill": (0, 0, 0), "align": "center"}
    font = ImageFont.load_default(letters)
    top = (height - one.size_mm[1] * scale) / 2
    for lobe, said in zip(one.lobes, _shares(one, found), strict=True):
        if not (one.drawn == lobe).any():
            continue
        half = draw.multiline_textbbox((0, 0), said, font=font, anchor="mm", align="center")[2:]
        pixels = [max(1, round(2 * length / scale / mm)) for length, mm in zip(half, one.pixel_mm, strict=True)]
        row_column = place_of_label(one.drawn == lobe, (pixels[1], pixels[0]))
        y, x = ((at + 0.5) * mm * scale for at, mm in zip(row_column, one.pixel_mm[::-1], strict=True))
        middle = _within(x, half[0], width) + left, _within(y + top, half[1], height)
        draw.multiline_text(middle, said, anchor="mm", fill=(255, 255, 255), font=font, **text)
    name = "right lung" if one.lobes == RIGHT_LOBES else "left lung"
    for at, said, anchor in (((0.5, 0.01), name, "ma"), ((0.02, 0.01), "A", "la"), ((0.98, 0.01), "P", "ra")):
        place = left + at[0] * width, at[1] * height
        draw.text(place, said, anchor=anchor, fill=(255, 220, 90), font=font, **text)


def place_of_label(lobe: np.ndarray, size: tuple[int, int]) -> tuple[int, int]:
    """Row and column of the middle of a label of ``size`` (rows, columns) that sticks out of ``lobe`` (bool) least.

    Of several such places the one nearest to the middle of the lobe.
    """
    inside = scipy.ndimage.uniform_filter(lobe.astype(np.float64), size, mode="constant")
    places = np.argwhere(inside >= inside.max() - _AS_GOOD)
    middle = np.median(np.argwhere(lobe), axis=0)
    row, column = places[((places - middle) ** 2).sum(axis=1).argmin()]
    return int(row), int(column)


def _shares(one: _LungSlice, found: LobeMap) -> list[str]:
    numbers: dict[str, EstimatedLobe] = {lobe.name: lobe for lobe in found.severity.lobes}
    said = []
    for lobe in one.lobes:
        own = numbers[lobe_name(lobe)]
        share = "-" if own.infection_percent is None else f"{percent(own.infection_percent)} %"
        part = lobe.name.split("_")[1].lower()
        said.append(f"{part} {share}\n{percent(own.percent_low)} to {percent(own.percent_high)}")
    return said


def _within(middle: float, half: float, whole: float) -> float:
    """``middle`` of what is twice ``half`` long, moved so that it lies inside ``whole``."""
    return min(max(middle, half), max(half, whole - half))
