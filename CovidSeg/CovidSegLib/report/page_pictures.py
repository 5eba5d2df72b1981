"""The pictures of a report: slices by numpy and Pillow, and Slicer's 3-D view where it is installed."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import EngineError, OutputError
from ..geometry.volume import CtVolume
from ..progress import Progress
from ..segmentation import Segmentation
from ..system.unfinished import unfinished_folder
from .lobe_picture import CAPTION, lobe_picture
from .overlays import overlay_picture, projection_picture
from .pictures import draw_pictures
from .places import PLANES

if TYPE_CHECKING:
    from PIL import Image

_CAPTIONS = {
    "axial": "Axial",
    "coronal": "Coronal",
    "sagittal": "Sagittal",
    "3d": "3-D view from the front",
    "projection": "Seen through from the front",
    "lobes": CAPTION,
}
_SIZE = (720, 720)
_WIDE = (1200, 640)
_QUALITY = 88
_SURFACE_MM = 1.5
_ROOM = 1.08
"""How much larger a square is than what it shows."""


@dataclass(frozen=True)
class Picture:
    """An image file in memory and what stands under it."""

    data: bytes
    caption: str
    media_type: str = "image/jpeg"


def page_pictures(volume: CtVolume, segmentation: Segmentation, progress: Progress) -> tuple[dict[str, Picture], str]:
    """The three slices with most infection and a view of both lungs, and a note when Slicer's 3-D view is missing.

    The slices are the same wherever the report is made, cut out around the lungs. The 3-D view is Slicer's own; where
    it is not installed both lungs are seen through from the front instead. Raises Cancelled when the user stops.
    Nothing stays on the disk.
    """
    pictures = slice_pictures(volume, segmentation)
    try:
        with unfinished_folder() as folder:
            (path,) = draw_pictures(*_coarser(volume, segmentation), folder, "report", progress, ["3d"])
            return {**pictures, "3d": picture_of("3d", path.read_bytes())}, ""
    except (EngineError, OutputError, OSError):
        return {**pictures, "projection": projection(segmentation)}, (
            "The report has no 3-D view: it needs the Python package slicer-core and, on Linux, an OpenGL library."
        )


def _coarser(volume: CtVolume, segmentation: Segmentation) -> tuple[CtVolume, Segmentation]:
    """Every so many voxels: the surfaces of a large scan take long, and a picture shows no more than this."""
    steps = [max(1, round(_SURFACE_MM / mm)) for mm in volume.grid.spacing]
    if max(steps) == 1:
        return volume, segmentation
    part = tuple(slice(None, None, step) for step in reversed(steps))
    affine = volume.affine @ np.diag([*steps, 1.0])
    voxels, labels = (np.ascontiguousarray(array[part]) for array in (volume.voxels, segmentation.labels))
    return replace(volume, voxels=voxels, affine=affine), replace(segmentation, labels=labels, affine=affine)


def slice_pictures(volume: CtVolume, segmentation: Segmentation) -> dict[str, Picture]:
    """The axial, coronal and sagittal slice with most infection."""
    return {plane: _jpeg(plane, overlay_picture(volume, segmentation.labels, plane, _SIZE)) for plane in PLANES}


def lobe_pictures(volume: CtVolume, segmentation: Segmentation) -> dict[str, Picture]:
    """The estimated lobes with their infected shares; none where lobes cannot be estimated."""
    image = lobe_picture(volume, segmentation, _WIDE)
    return {} if image is None else {"lobes": _jpeg("lobes", image)}


def projection(segmentation: Segmentation) -> Picture:
    """What stands in for the 3-D view."""
    return _jpeg("projection", projection_picture(segmentation.labels, segmentation.grid, _SIZE))


def picture_of(name: str, data: bytes) -> Picture:
    """The image file ``data`` (PNG) as the picture called ``name``: a square around what is not background."""
    from PIL import Image, ImageChops

    image = Image.open(io.BytesIO(data)).convert("RGB")
    background = image.getpixel((0, 0))
    box = ImageChops.difference(image, Image.new("RGB", image.size, background)).getbbox() or (0, 0, *image.size)
    edge = round(max(box[2] - box[0], box[3] - box[1]) * _ROOM)
    canvas = Image.new("RGB", (edge, edge), background)
    canvas.paste(image.crop(box), ((edge - box[2] + box[0]) // 2, (edge - box[3] + box[1]) // 2))
    return _jpeg(name, canvas.resize(_SIZE))


def _jpeg(name: str, image: Image.Image) -> Picture:
    file = io.BytesIO()
    # Full colour resolution: outlines are one pixel wide.
    image.convert("RGB").save(file, "JPEG", quality=_QUALITY, subsampling=0)
    return Picture(file.getvalue(), _CAPTIONS[name])
