"""Pictures of a result, drawn by Slicer's own views: three slices and a 3-D view, as PNG files.

An OpenGL library that is missing ends the whole process. So the drawing runs in a child process, whose program is
:mod:`CovidSegLib.report.drawing`.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import EngineError, OutputError
from ..processes import library_environment
from ..progress import Progress
from ..segmentation import Segmentation
from ..volume import CtVolume
from ..writing.unfinished import sweep, unfinished_prefix
from .places import PLANES

PICTURES = (*PLANES, "3d")
"""The pictures, in the order in which they are drawn; the files are called ``<stem>_<picture>.png``."""

_PROGRAM = f"{__package__}.drawing"
_POLL_SECONDS = 0.1


def draw_pictures(
    volume: CtVolume,
    segmentation: Segmentation,
    folder: Path,
    stem: str,
    progress: Progress,
    names: Sequence[str] = PICTURES,
) -> list[Path]:
    """Draw ``names`` of :data:`PICTURES` of ``segmentation`` over ``volume`` and return their paths.

    The slices are those with the most infection (without any: the most lung), in the lung window. The pictures carry
    no name, date or number of the patient. ``folder`` is made when it does not exist; pictures of the same ``stem``
    are replaced. Raises EngineError when Slicer's views or OpenGL are missing, OutputError when nothing can be
    written, Cancelled when the user stops; then no picture is left behind.
    """
    if volume.voxels.shape != segmentation.labels.shape:
        raise ValueError("volume and segmentation must have the same grid")
    if importlib.util.find_spec("slicer") is None:
        raise EngineError("Pictures need Slicer's views.", "Install the Python package slicer-core (pip).")
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        with tempfile.TemporaryDirectory(prefix=unfinished_prefix(), dir=folder) as unfinished:
            work = Path(unfinished)
            np.save(work / "voxels.npy", volume.voxels)
            np.save(work / "labels.npy", segmentation.labels)
            np.save(work / "affine.npy", volume.affine)
            _run_child(work, names, progress)
            return [(work / f"{name}.png").replace(folder / f"{stem}_{name}.png") for name in names]
    except OSError as error:
        raise OutputError("The pictures could not be written.", "Is there space, and may you write there?") from error


def _run_child(work: Path, names: Sequence[str], progress: Progress) -> None:
    """Draw ``names`` of what is in the folder ``work`` in a child process, and end the child when the user stops."""
    environment = {**os.environ, **library_environment()}
    if sys.platform == "linux":
        environment.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
        # Mesa would keep files in the user's home, and ask the system (through a socket) where that is.
        environment.setdefault("MESA_SHADER_CACHE_DISABLE", "true")
    with (work / "log.txt").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", _PROGRAM, str(work), *names],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            while child.poll() is None:
                progress.step("pictures", _count(work), len(names))
                time.sleep(_POLL_SECONDS)
        finally:
            child.kill()
            child.wait()
    if child.returncode != 0 or _count(work) < len(names):
        raise EngineError(
            f"The pictures could not be drawn (the drawing process ended with code {child.returncode}).",
            "On Linux they need OpenGL: install the packages libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri.",
        ) from RuntimeError((work / "log.txt").read_text("utf-8", errors="replace")[-4000:])
    progress.step("pictures", len(names), len(names))


def _count(work: Path) -> int:
    return len(list(work.glob("*.png")))
