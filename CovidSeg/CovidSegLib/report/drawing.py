"""What is on the pictures, and the program that draws them (``python -m CovidSegLib.report.drawing FOLDER``).

The folder holds the scan and the labels as arrays: voxels.npy, labels.npy (z, y, x) and affine.npy (IJK→RAS).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ..mrml import add_segmentation
from ..segmentation import SEGMENTS, Label, Provenance, Segmentation
from ..volume import CtVolume, axial_affine, axial_order
from .pictures import SLICES
from .views import OffscreenSlicer, SliceView, ThreeDView

_FILL_OPACITY = {Label.LEFT_LUNG: 0.12, Label.RIGHT_LUNG: 0.12, Label.INFECTION: 0.4}


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
        display.SetSegmentOpacity2DFill(segment.id, _FILL_OPACITY[segment.label])
    for name, point in central_points(segmentation.labels, volume.affine).items():
        SliceView(offscreen, name.capitalize(), volume_node).save(folder / f"{name}.png", point)
    node.CreateClosedSurfaceRepresentation()
    ThreeDView(offscreen).save(folder / "3d.png")


def central_points(labels: np.ndarray, affine: np.ndarray) -> dict[str, np.ndarray]:
    """Where the slices go: RAS (mm) of a point on the axial, coronal and sagittal slice with the most infection.

    ``labels`` (z, y, x), ``affine`` IJK→RAS. Without infection the most lung counts, without lung the middle.
    """
    upright = axial_order(affine).to_axial(labels)
    wanted = (Label.INFECTION,) if (upright == Label.INFECTION).any() else (Label.LEFT_LUNG, Label.RIGHT_LUNG)
    chosen = np.isin(upright, wanted)
    middle = [size // 2 for size in upright.shape]
    to_ras = axial_affine(affine, labels.shape)
    points = {}
    for axis, name in enumerate(SLICES):
        amounts = np.count_nonzero(chosen, axis=tuple(other for other in range(3) if other != axis))
        place = list(middle)
        if amounts.any():
            place[axis] = int(amounts.argmax())
        points[name] = (to_ras @ [*place[::-1], 1.0])[:3]
    return points


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
