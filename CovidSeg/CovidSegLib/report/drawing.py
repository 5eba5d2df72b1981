"""What is on the pictures, and the program that draws them (``python -m CovidSegLib.report.drawing FOLDER NAME …``).

The folder holds the scan and the labels as arrays: voxels.npy, labels.npy (z, y, x) and affine.npy (IJK→RAS).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..geometry.volume import CtVolume
from ..mrml.segmentations import add_segmentation
from ..segmentation import SEGMENTS, UNKNOWN_PROVENANCE, Segmentation
from .overlays import FILL_OPACITY
from .places import central_points
from .views import OffscreenSlicer, SliceView, ThreeDView


def draw(folder: Path, names: Sequence[str]) -> None:
    """Draw ``names`` of the pictures, one PNG after the other, into ``folder``, which holds the arrays."""
    volume = CtVolume(np.load(folder / "voxels.npy", mmap_mode="r"), np.load(folder / "affine.npy"))
    segmentation = Segmentation(np.load(folder / "labels.npy"), volume.affine, UNKNOWN_PROVENANCE)
    offscreen = OffscreenSlicer()
    volume_node = offscreen.add_volume(volume)
    node = add_segmentation(offscreen.scene, segmentation, volume_node, "CovidSeg")
    display = node.GetDisplayNode()
    display.SetOpacity2DFill(1.0)  # it is multiplied with each segment's own
    for segment in SEGMENTS:
        display.SetSegmentOpacity2DFill(segment.id, FILL_OPACITY[segment.label])
    for name, point in central_points(segmentation.labels, volume.grid).items():
        if name in names:
            SliceView(offscreen, name.capitalize(), volume_node).save(folder / f"{name}.png", point)
    if "3d" in names:
        node.CreateClosedSurfaceRepresentation()
        # On its own it is for a report, which says "from the front" under it and cuts the corners off.
        ThreeDView(offscreen, marker=len(names) > 1).save(folder / "3d.png")


if __name__ == "__main__":
    draw(Path(sys.argv[1]), sys.argv[2:])
