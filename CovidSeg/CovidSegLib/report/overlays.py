"""Slices with the segments drawn over them, by numpy and Pillow alone: thumbnails, and pictures without Slicer's views.

Seen as radiologists look: the patient's right is on the left of the picture, front is up (axial) or left (sagittal).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from ..geometry.grid import Grid
from ..geometry.volume import LUNG_LEVEL, LUNG_WINDOW, CtVolume
from ..segmentation import SEGMENTS, Label
from .places import PLANES, central_slices

if TYPE_CHECKING:
    from PIL import Image

FILL_OPACITY = {Label.LEFT_LUNG: 0.12, Label.RIGHT_LUNG: 0.12, Label.INFECTION: 0.4}
_MARGIN_MM = 18.0
_SCALE_MM = 50.0
_SMALLEST_MARKED = 300
_COLORS = {segment.label: np.array(segment.color) * 255 for segment in SEGMENTS}


def overlay_picture(
    volume: CtVolume, labels: np.ndarray, plane: str, size: tuple[int, int] = (900, 700)
) -> Image.Image:
    """The slice of ``plane`` (axial, coronal, sagittal) with the most infection, cut out around the lungs.

    ``labels``: uint8 of :class:`Label` on the grid of ``volume``; ``size``: width and height in pixels. Millimetres are
    as long in both directions; a bar shows 50 mm. The picture is an RGB image of Pillow and holds no text about the
    patient.
    """
    from PIL import Image

    order = volume.grid.order
    axis = PLANES.index(plane)
    index = central_slices(labels, volume.grid)[plane]
    sizes = volume.grid.upright.spacing[::-1]
    hounsfield, segments = (
        _as_seen(np.take(order.to_upright(array), index, axis=axis), plane) for array in (volume.voxels, labels)
    )
    high, wide = (sizes[other] for other in range(3) if other != axis)
    part = _around_lungs(_as_seen(order.to_upright(labels).max(axis=axis) > 0, plane), high, wide)
    hounsfield, segments = hounsfield[part], segments[part]
    rows, columns = hounsfield.shape
    scale = min(size[0] / (columns * wide), size[1] / (rows * high))
    shape = max(1, round(rows * high * scale)), max(1, round(columns * wide * scale))
    grey = np.clip((hounsfield - LUNG_LEVEL) / LUNG_WINDOW + 0.5, 0, 1) * 255
    image = Image.fromarray(grey.astype(np.uint8)).resize(shape[::-1], Image.Resampling.BICUBIC)
    drawn = _painted(np.asarray(image), _enlarged(segments, shape))
    canvas = Image.new("RGB", size)
    canvas.paste(Image.fromarray(drawn), ((size[0] - shape[1]) // 2, (size[1] - shape[0]) // 2))
    _mark(canvas, plane, scale)
    return canvas


def projection_picture(labels: np.ndarray, grid: Grid, size: tuple[int, int] = (900, 700)) -> Image.Image:
    """Both lungs seen through from the front: the deeper the infection behind a point, the redder it is.

    Stands in for the 3-D view where Slicer's views are not installed.
    """
    from PIL import Image

    upright = grid.to_upright(labels)
    sizes = grid.upright.spacing[::-1]
    picture = np.full((*upright.shape[0::2], 3), 255.0)
    for label in (Label.LEFT_LUNG, Label.RIGHT_LUNG, Label.INFECTION):
        depth = np.count_nonzero(upright == label, axis=1) * sizes[1]
        share = (1 - np.exp(-depth / (60.0 if label == Label.INFECTION else 120.0)))[..., None]
        picture = (1 - share) * picture + share * (_COLORS[label] * (1.0 if label == Label.INFECTION else 0.8))
    picture = picture[::-1][_around_lungs((upright.max(axis=1) > 0)[::-1], sizes[0], sizes[2])]
    scale = min(size[0] / (picture.shape[1] * sizes[2]), size[1] / (picture.shape[0] * sizes[0]))
    shape = round(picture.shape[1] * sizes[2] * scale), round(picture.shape[0] * sizes[0] * scale)
    image = Image.fromarray(picture.astype(np.uint8)).resize((max(1, shape[0]), max(1, shape[1])))
    canvas = Image.new("RGB", size, (255, 255, 255))
    canvas.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return canvas


def _as_seen(plane: np.ndarray, name: str) -> np.ndarray:
    """Rows from front to back (axial) or from head to feet."""
    return plane if name == "axial" else plane[::-1]


def _around_lungs(lungs: np.ndarray, high: float, wide: float) -> tuple[slice, slice]:
    """The part of a plane that holds ``lungs`` (bool) and a margin; all of it without lung."""
    found = scipy.ndimage.find_objects(lungs.astype(np.uint8))
    if not found:
        return slice(None), slice(None)
    rows, columns = (
        slice(max(0, part.start - round(_MARGIN_MM / mm)), part.stop + round(_MARGIN_MM / mm))
        for part, mm in zip(found[0], (high, wide), strict=True)
    )
    return rows, columns


def _enlarged(segments: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """``segments`` on ``shape`` pixels: each label's edge is smoothed as the grey values are, no label is invented."""
    from PIL import Image

    best, result = np.full(shape, 127, np.uint8), np.zeros(shape, np.uint8)
    for label in (Label.LEFT_LUNG, Label.RIGHT_LUNG, Label.INFECTION):
        image = Image.fromarray((segments == label).astype(np.uint8) * 255).resize(
            shape[::-1], Image.Resampling.BILINEAR
        )
        share = np.asarray(image)
        nearer = share > best
        result[nearer], best[nearer] = label, share[nearer]
    return result


def _painted(grey: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Grey values with the segments filled lightly and outlined: uint8 (rows, columns, 3)."""
    picture = np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    for label, opacity in FILL_OPACITY.items():
        mask = segments == label
        picture[mask] = (1 - opacity) * picture[mask] + opacity * _COLORS[label]
        # Two pixels, so that a thumbnail of the picture still shows them.
        picture[mask & ~scipy.ndimage.binary_erosion(mask, iterations=2)] = _COLORS[label]
    return picture.astype(np.uint8)


def _mark(canvas: Image.Image, plane: str, scale: float) -> None:
    """Write the directions at the edges and draw the bar of 50 mm; a thumbnail is too small for them."""
    from PIL import ImageDraw, ImageFont

    width, height = canvas.size
    if height < _SMALLEST_MARKED:
        return
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(height // 18)
    colour = (255, 220, 90)
    text: dict[str, Any] = {"fill": colour, "font": font, "stroke_width": height // 230, "stroke_fill": (0, 0, 0)}
    first, last = ("A", "P") if plane == "sagittal" else ("R", "L")
    draw.text((width * 0.015, height / 2), first, anchor="lm", **text)
    draw.text((width * 0.985, height / 2), last, anchor="rm", **text)
    length, thick, y = _SCALE_MM * scale, height // 150, height * 0.965
    left = (width - length) / 2
    draw.rectangle([left - 2, y - 2, left + length + 2, y + thick + 2], (0, 0, 0))
    draw.rectangle([left, y, left + length, y + thick], colour)
    draw.text((width / 2, y - height * 0.012), "50 mm", anchor="mb", **text)
