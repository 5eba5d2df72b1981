"""Calls of SimpleITK that fail in words for the user."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import SimpleITK

from ..errors import InputError

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


def unreadable() -> InputError:
    """The error for a file that is not what its name says."""
    return InputError(
        "The file cannot be read: it is damaged, cut off or of another kind than its name says.",
        "Copy or export it again; do not rename files.",
    )
