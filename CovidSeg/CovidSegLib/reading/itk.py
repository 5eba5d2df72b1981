"""Calls of SimpleITK that fail in words for the user and keep the console clean, and where its images lie."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, TypeVar

import numpy as np

from ..errors import InputError
from .affine_checks import LPS_TO_RAS

if TYPE_CHECKING:
    import SimpleITK

Result = TypeVar("Result")

_one_at_a_time = threading.Lock()
"""Whether ITK's warnings are shown is a switch for the whole process, and so is where the console is."""

_STDERR = 2

_NATIVE_LINE = re.compile(
    rb"Corrupt JPEG|Premature end|Invalid|Unsupported|Unknown|Inconsistent|itk|ITK|gdcm|GDCM|JPEG|Marker handler"
    rb"|Failed to|Fail to|Cannot |Not enough|Stream |Expected |Tile |tile |read: "
    rb"|\[?(ERROR|WARNING|INFO|Warning|Error)\b|\S+\.(cxx|c|h|hxx):|\s*$"
)
"""How the lines begin that ITK's libraries (libjpeg, OpenJPEG, CharLS, GDCM) write past everybody."""

_DAMAGE = re.compile(
    rb"JPEG|JPG|ERROR|WARNING|[Pp]remature|extraneous|[Tt]runcated|[Cc]orrupt|Marker|Fail|segment too|Not enough"
)
"""Words of a library that went on where a packed picture was damaged."""


def run_itk(step: Callable[[], Result], *, strict: bool = False) -> Result:
    """``step()``, one call of SimpleITK; its RuntimeError becomes an InputError and its warnings stay silent.

    ITK's own errors name paths and lines of C++, which help nobody, and its warnings go to the console past Python.
    ``strict``: also raise InputError where a library complains of a damaged picture, though it made one.
    """
    import SimpleITK  # takes a while: a command that only looks at its call does without

    with _one_at_a_time:
        loud = SimpleITK.ProcessObject.GetGlobalWarningDisplay()
        SimpleITK.ProcessObject.GlobalWarningDisplayOff()
        said: list[bytes] = []
        try:
            with _console_kept_clean(said):
                result = step()
        except RuntimeError:
            raise unreadable() from None
        finally:
            SimpleITK.ProcessObject.SetGlobalWarningDisplay(loud)
        if strict and any(_DAMAGE.search(line) for line in said):
            raise unreadable()
        return result


@contextlib.contextmanager
def _console_kept_clean(said: list[bytes]) -> Iterator[None]:
    """Keep lines of native code off standard error and put them into ``said``; lines of others come out afterwards."""
    with contextlib.ExitStack() as stack:
        kept: IO[bytes] | None = None
        try:
            console = os.dup(_STDERR)
            stack.callback(os.close, console)
            kept = stack.enter_context(tempfile.TemporaryFile())
            os.dup2(kept.fileno(), _STDERR)
            stack.callback(os.dup2, console, _STDERR)
        except OSError:  # no console (a window's program), or no room for a file
            kept = None
        try:
            yield
        finally:
            if kept is not None:
                os.dup2(console, _STDERR)
                kept.seek(0)
                for line in kept:
                    if _NATIVE_LINE.match(line):
                        said.append(line)
                    else:
                        os.write(console, line)


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
