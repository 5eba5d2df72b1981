"""Draws the picture of the synthetic chest that Slicer's Sample Data module shows: a coronal slice in the lung window.

Run: ``.venv/bin/python Resources/draw_thumbnail.py``
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from CovidSegLib.phantom import make_phantom
from CovidSegLib.progress import Progress
from CovidSegLib.segmentation import Label

SIZE = (260, 280)
"""As Slicer's own thumbnails."""

BLACK_HU, WHITE_HU = -1350.0, 150.0
TARGET = Path(__file__).resolve().parents[1] / "CovidSeg/Resources/Icons/CovidSegPhantom.png"


def main() -> None:
    """Draw it."""
    phantom = make_phantom(seed=0, slices=120, progress=Progress())
    volume, order = phantom.volume, phantom.volume.grid.order
    infection = order.to_upright(phantom.truth) == Label.INFECTION
    most = int(infection.sum(axis=(0, 2)).argmax())
    plane = order.to_upright(volume.voxels)[::-1, most, :].astype(float)  # head on top, the patient's left on the right
    grey = np.clip((plane - BLACK_HU) / (WHITE_HU - BLACK_HU), 0, 1) * 255
    x, _y, z = volume.grid.spacing
    picture = Image.fromarray(grey.astype(np.uint8))
    width = SIZE[0]
    height = round(width * (plane.shape[0] * z) / (plane.shape[1] * x))
    canvas = Image.new("L", SIZE, 0)
    canvas.paste(picture.resize((width, height), Image.Resampling.LANCZOS), (0, (SIZE[1] - height) // 2))
    canvas.save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
