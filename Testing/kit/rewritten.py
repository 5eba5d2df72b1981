"""A ``.seg.nrrd`` that another program writes again, with its header kept and with a reader's edits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK


def rewrite(path: Path, change: Callable[[np.ndarray], None], tags: dict[str, str] | None = None) -> None:
    """Change a file's voxels (z, y, x) by a program that keeps the header, or replaces texts in it (``tags``)."""
    image = SimpleITK.ReadImage(str(path))
    array = SimpleITK.GetArrayFromImage(image)
    change(array)
    edited = SimpleITK.GetImageFromArray(array)
    edited.CopyInformation(image)
    for key in image.GetMetaDataKeys():
        text = image.GetMetaData(key)
        for old, new in (tags or {}).items():
            text = text.replace(old, new)
        edited.SetMetaData(key, text)
    SimpleITK.WriteImage(edited, str(path), useCompression=True)


def labels_of(path: Path) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def erase(array: np.ndarray) -> None:
    array[1, 10:14, 10:20] = 0  # 40 voxels of 45 mm³
