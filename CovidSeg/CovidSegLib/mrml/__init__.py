"""Between Slicer's scene and our own values: volume node → CtVolume, Segmentation → segments.

``slicer`` and ``vtk`` are imported when a function is called, so that this package can be imported anywhere. Its parts
are imported when they are asked for: at Slicer's start :mod:`.segment_statistics` alone is,
and the rest would bring SciPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .history import UndoPoints
    from .lesion_review import Review, accept_lesion, delete_lesion, plan_review
    from .scene_corrections import Update, mark_edited, plan_update, read_state
    from .segmentations import add_segmentation, write_segmentation
    from .volume_resampling import needs_resampling, resample_steps
    from .volumes import read_in_steps, read_volume_node

_PLACES = {
    "Review": "lesion_review",
    "UndoPoints": "history",
    "Update": "scene_corrections",
    "accept_lesion": "lesion_review",
    "add_segmentation": "segmentations",
    "delete_lesion": "lesion_review",
    "mark_edited": "scene_corrections",
    "needs_resampling": "volume_resampling",
    "plan_review": "lesion_review",
    "plan_update": "scene_corrections",
    "read_in_steps": "volumes",
    "read_state": "scene_corrections",
    "read_volume_node": "volumes",
    "resample_steps": "volume_resampling",
    "write_segmentation": "segmentations",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)


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
