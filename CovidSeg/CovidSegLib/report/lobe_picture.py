"""The picture of estimated lobes: each lung from its side, with the infected share of each lobe and its range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from ..anatomy.lobe_shape import LEFT_LOBES, RIGHT_LOBES
from ..errors import CovidSegError
from ..geometry.volume import LUNG_LEVEL, LUNG_WINDOW, CtVolume
from ..measures.lobe_map import LobeMap, estimated_lobe_map
from ..measures.lobes import lobe_name
from ..segfiles.lobe_files import LOBE_COLORS
from ..segmentation import Label, Lobe, Segmentation
from ..words import percent

if TYPE_CHECKING:
    from PIL import Image

CAPTION = "Lobes, estimated from the shape of the lungs: infected share and its 90 % range"
_MARGIN_MM = 12.0
_FILL, _INFECTION = 0.22, np.array((230.0, 82.0, 59.0))


def lobe_picture(volume: CtVolume, segmentation: Segmentation, size: tuple[int, int]) -> Image.Image | None:
    """A sagittal slice of each lung, through the middle lobe on the right; None where lobes cannot be estimated.

    RGB, ``size``: width and height in pixels. The front is on the left; millimetres are as long in both directions.
    """
    from PIL import Image

    try:
        found = estimated_lobe_map(segmentation.labels, segmentation.grid)
    except CovidSegError:
        return None
    half = size[0] // 2, size[1]
    canvas = Image.new("RGB", size)
    for number, lobes in enumerate((RIGHT_LOBES, LEFT_LOBES)):
        canvas.paste(_lung(volume, segmentation.labels, found, lobes, half), (number * half[0], 0))
    return canvas


def _lung(
    volume: CtVolume, labels: np.ndarray, found: LobeMap, lobes: tuple[Lobe, ...], size: tuple[int, int]
) -> Image.Image:
    """One lung; ``lobes``: its lobes."""
    from PIL import Image

    upright = volume.grid.to_upright
    lobe_map = upright(found.lobes)
    column = _column(lobe_map, lobes)
    hounsfield, labelled, drawn = (upright(array)[:, :, column][::-1] for array in (volume.voxels, labels, found.lobes))
    drawn = np.where(np.isin(drawn, lobes), drawn, 0)
    _wide, high_mm, tall_mm = volume.grid.upright.spacing
    rows, columns = (
        slice(max(0, part.start - round(_MARGIN_MM / mm)), part.stop + round(_MARGIN_MM / mm))
        for part, mm in zip(
            scipy.ndimage.find_objects((drawn > 0).astype(np.uint8))[0], (tall_mm, high_mm), strict=True
        )
    )
    hounsfield, labelled, drawn = (array[rows, columns] for array in (hounsfield, labelled, drawn))
    scale = min(size[0] / (drawn.shape[1] * high_mm), size[1] / (drawn.shape[0] * tall_mm))
    shape = max(1, round(drawn.shape[1] * high_mm * scale)), max(1, round(drawn.shape[0] * tall_mm * scale))
    grey = (np.clip((hounsfield - LUNG_LEVEL) / LUNG_WINDOW + 0.5, 0, 1) * 255).astype(np.uint8)
    enlarged = np.asarray(Image.fromarray(grey).resize(shape, Image.Resampling.BICUBIC))
    parts, infection = (
        np.asarray(Image.fromarray(array.astype(np.uint8)).resize(shape, Image.Resampling.NEAREST))
        for array in (drawn, (labelled == Label.INFECTION) & (drawn > 0))
    )
    canvas = Image.new("RGB", size)
    corner = (size[0] - shape[0]) // 2, (size[1] - shape[1]) // 2
    canvas.paste(Image.fromarray(_painted(enlarged, parts, infection > 0, lobes)), corner)
    _label(canvas, parts, corner, found, lobes)
    return canvas


def _column(lobe_map: np.ndarray, lobes: tuple[Lobe, ...]) -> int:
    """The sagittal slice that shows most of the lobe of which there is least."""
    counts = np.stack([(lobe_map == lobe).sum(axis=(0, 1)) for lobe in lobes])
    return int((counts / np.maximum(counts.max(axis=1, keepdims=True), 1)).min(axis=0).argmax())


def _painted(grey: np.ndarray, parts: np.ndarray, infection: np.ndarray, lobes: tuple[Lobe, ...]) -> np.ndarray:
    picture = np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    for lobe in lobes:
        mask, color = parts == lobe, np.array(LOBE_COLORS[lobe]) * 255
        picture[mask] = (1 - _FILL) * picture[mask] + _FILL * color
        picture[mask & ~scipy.ndimage.binary_erosion(mask, iterations=2)] = color
    picture[infection] = 0.6 * picture[infection] + 0.4 * _INFECTION
    picture[infection & ~scipy.ndimage.binary_erosion(infection, iterations=1)] = _INFECTION
    return picture.astype(np.uint8)


def _label(
    canvas: Image.Image, parts: np.ndarray, corner: tuple[int, int], found: LobeMap, lobes: tuple[Lobe, ...]
) -> None:
    """Write each lobe's infected share, with its range, into it; and which lung it is, and where front and back are."""
    from PIL import ImageDraw, ImageFont

    draw = ImageDraw.Draw(canvas)
    width, height = canvas.size
    text: dict[str, Any] = {"stroke_width": max(1, height // 240), "stroke_fill": (0, 0, 0), "align": "center"}
    numbers = {lobe.name: lobe for lobe in found.severity.lobes}
    for lobe in lobes:
        rows, columns = np.nonzero(parts == lobe)
        if not rows.size:
            continue
        own = numbers[lobe_name(lobe)]
        share = "-" if own.infection_percent is None else f"{percent(own.infection_percent)} %"
        part = lobe.name.split("_")[1].lower()
        said = f"{part}\n{share}\n({percent(own.percent_low)} to {percent(own.percent_high)})"
        middle = (corner[0] + float(np.median(columns)), corner[1] + float(np.median(rows)))
        draw.multiline_text(
            middle, said, anchor="mm", fill=(255, 255, 255), font=ImageFont.load_default(height // 24), **text
        )
    font = ImageFont.load_default(height // 20)
    name = "right lung" if lobes == RIGHT_LOBES else "left lung"
    draw.text((width / 2, height * 0.03), name, anchor="mt", fill=(255, 220, 90), font=font, **text)
    draw.text((width * 0.02, height / 2), "A", anchor="lm", fill=(255, 220, 90), font=font, **text)
    draw.text((width * 0.98, height / 2), "P", anchor="rm", fill=(255, 220, 90), font=font, **text)
