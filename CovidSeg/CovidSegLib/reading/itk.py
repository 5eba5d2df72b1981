"""Calls of SimpleITK that fail in words for the user, and where its images lie."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import SimpleITK

from ..errors import InputError
from .geometry import LPS_TO_RAS

Result = TypeVar("Result")

_one_at_a_time = threading.Lock()
"""Whether ITK's warnings are shown is a switch for the whole process."""


def run_itk(step: Callable[[], Result]) -> Result:
    """``step()``, one call of SimpleITK; its RuntimeError becomes an InputError and its warnings stay silent.

    ITK's own errors name paths and lines of C++, which help nobody, and its warnings go to the console past Python.
    """
    with _one_at_a_time:
        loud = SimpleITK.ProcessObject.GetGlobalWarningDisplay()
        SimpleITK.ProcessObject.GlobalWarningDisplayOff()
        try:
            return step()
        except RuntimeError:
            raise unreadable() from None
        finally:
            SimpleITK.ProcessObject.SetGlobalWarningDisplay(loud)


def affine_of(image: SimpleITK.Image) -> np.ndarray:
    """IJK to RAS (4x4, mm) of a 3-D image, which itself says LPS."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return LPS_TO_RAS @ affine


def unreadable() -> InputError:
    """The error for a file that is not what its name says."""
    return InputError(
        "The file cannot be read: it is damaged, cut off or of another kind than its name says.",
        "Copy or export it again; do not rename files.",
    )
