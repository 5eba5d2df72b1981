"""Pictures that stand for a scan among others: in a list of many, and in a follow-up."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ..geometry.volume import CtVolume
from ..segmentation import Segmentation
from ..system.checksums import complete_bytes, identity_of, mark_of
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
    return _jpeg(overlay_picture(volume, segmentation.labels, "axial", (WIDTH, HEIGHT)), volume)


def visit_picture(volume: CtVolume, segmentation: Segmentation) -> bytes:
    """The axial and the coronal slice with the most infection, side by side, as a JPEG file."""
    from PIL import Image

    canvas = Image.new("RGB", (2 * VISIT_SIZE, VISIT_SIZE))
    for number, plane in enumerate(("axial", "coronal")):
        picture = overlay_picture(volume, segmentation.labels, plane, (VISIT_SIZE, VISIT_SIZE))
        canvas.paste(picture, (number * VISIT_SIZE, 0))
    return _jpeg(canvas, volume)


def _jpeg(image: Image.Image, volume: CtVolume) -> bytes:
    """As a file with a checksum in its comment."""
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=_QUALITY, comment=mark_of(identity_of([volume.fingerprint])))
    return complete_bytes(packed.getvalue())
