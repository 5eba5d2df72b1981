"""Between Slicer's scene and our own values: volume node → CtVolume, Segmentation → segments.

``slicer`` and ``vtk`` are imported when a function is called, so that this package can be imported anywhere.
"""

from .corrections import Update, mark_edited, plan_update, read_state
from .history import UndoPoints
from .lesions import Review, accept_lesion, delete_lesion, plan_review
from .resampling import needs_resampling, resample_steps
from .segmentations import add_segmentation, write_segmentation
from .volumes import read_in_steps, read_volume_node

__all__ = [
    "Review",
    "UndoPoints",
    "Update",
    "accept_lesion",
    "add_segmentation",
    "delete_lesion",
    "mark_edited",
    "needs_resampling",
    "plan_review",
    "plan_update",
    "read_in_steps",
    "read_state",
    "read_volume_node",
    "resample_steps",
    "write_segmentation",
]
