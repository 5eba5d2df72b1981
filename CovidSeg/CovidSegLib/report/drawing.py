"""What is on the pictures, and the program that draws them (``python -m CovidSegLib.report.drawing FOLDER``).

The folder holds the scan and the labels as arrays: voxels.npy, labels.npy (z, y, x) and affine.npy (IJK→RAS).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ..mrml import add_segmentation
from ..segmentation import SEGMENTS, Provenance, Segmentation
from ..volume import CtVolume
from .overlays import FILL_OPACITY
from .places import central_points
from .views import OffscreenSlicer, SliceView, ThreeDView


def draw(folder: Path) -> None:
    """Draw the arrays in ``folder``, one PNG after the other, into the same folder: ``axial.png`` and so on."""
    volume = CtVolume(np.load(folder / "voxels.npy", mmap_mode="r"), np.load(folder / "affine.npy"))
    segmentation = Segmentation(np.load(folder / "labels.npy"), volume.affine, Provenance("", "", "", "", ""))
    offscreen = OffscreenSlicer()
    volume_node = offscreen.add_volume(volume)
    node = add_segmentation(offscreen.scene, segmentation, volume_node, "CovidSeg")
    display = node.GetDisplayNode()
    display.SetOpacity2DFill(1.0)  # it is multiplied with each segment's own
    for segment in SEGMENTS:
        display.SetSegmentOpacity2DFill(segment.id, FILL_OPACITY[segment.label])
    for name, point in central_points(segmentation.labels, volume.affine).items():
        SliceView(offscreen, name.capitalize(), volume_node).save(folder / f"{name}.png", point)
    node.CreateClosedSurfaceRepresentation()
    ThreeDView(offscreen).save(folder / "3d.png")


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
