"""The small picture that stands for a scan in a list of many."""

from __future__ import annotations

import io

from ..geometry.volume import CtVolume
from ..segmentation import Segmentation
from .overlays import overlay_picture

WIDTH, HEIGHT = 280, 210
"""In pixels; a chest is about as much wider than deep."""

_QUALITY = 88


def thumbnail(volume: CtVolume, segmentation: Segmentation) -> bytes:
    """The axial slice with the most infection and what was found on it, as a JPEG file (a fifth of a PNG's size)."""
    packed = io.BytesIO()
    overlay_picture(volume, segmentation.labels, "axial", (WIDTH, HEIGHT)).save(packed, "JPEG", quality=_QUALITY)
    return packed.getvalue()
