"""Pictures that stand for a scan among others: in a list of many, and in a follow-up."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ..geometry.volume import CtVolume
from ..segmentation import Segmentation
from .overlays import overlay_picture

if TYPE_CHECKING:
    from PIL import Image

WIDTH, HEIGHT = 280, 210
"""In pixels; a chest is about as much wider than deep."""

VISIT_SIZE = 480
"""Width and height, in pixels, of each of the two slices of a scan in a follow-up."""

_QUALITY = 88


def thumbnail(volume: CtVolume, segmentation: Segmentation) -> bytes:
    """The axial slice with the most infection and what was found on it, as a JPEG file (a fifth of a PNG's size)."""
    return _jpeg(overlay_picture(volume, segmentation.labels, "axial", (WIDTH, HEIGHT)))


def visit_picture(volume: CtVolume, segmentation: Segmentation) -> bytes:
    """The axial and the coronal slice with the most infection, side by side, as a JPEG file."""
    from PIL import Image

    canvas = Image.new("RGB", (2 * VISIT_SIZE, VISIT_SIZE))
    for number, plane in enumerate(("axial", "coronal")):
        picture = overlay_picture(volume, segmentation.labels, plane, (VISIT_SIZE, VISIT_SIZE))
        canvas.paste(picture, (number * VISIT_SIZE, 0))
    return _jpeg(canvas)


def _jpeg(image: Image.Image) -> bytes:
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=_QUALITY)
    return packed.getvalue()
