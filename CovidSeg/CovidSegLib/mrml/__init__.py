"""Between Slicer's scene and our own values: volume node → CtVolume, Segmentation → segments.

``slicer`` and ``vtk`` are imported when a function is called, so that this package can be imported anywhere.
"""

from .resampling import needs_resampling, resample_steps
from .segmentations import add_segmentation, write_segmentation
from .volumes import read_in_steps, read_volume_node

__all__ = [
    "add_segmentation",
    "needs_resampling",
    "read_in_steps",
    "read_volume_node",
    "resample_steps",
    "write_segmentation",
]
