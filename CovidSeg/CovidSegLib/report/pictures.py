"""Pictures of a result, drawn by Slicer's own views: three slices and a 3-D view, as PNG files.

An OpenGL library that is missing ends the whole process. So the drawing runs in a child process, whose program is
:mod:`CovidSegLib.report.drawing`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import EngineError, OutputError
from ..geometry.volume import CtVolume
from ..progress import Progress
from ..segmentation import Segmentation
from ..system.atomic_files import OutputSet
from ..system.file_states import states_of
from ..system.processes import library_environment, signal_group, start_child
from ..system.unfinished import unfinished_folder
from .places import PLANES

PICTURES = (*PLANES, "3d")
"""The pictures, in the order in which they are drawn; the files are called ``<stem>_<picture>.png``."""

_PROGRAM = f"{__package__}.drawing"
_POLL_SECONDS = 0.1
_PNG_END = b"IEND\xaeB`\x82"
"""The name of the last chunk of every PNG and its check sum."""


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
    paths = [folder / f"{stem}_{name}.png" for name in names]
    states = dict(states_of(paths))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished_folder(folder) as work:
            np.save(work / "voxels.npy", volume.voxels)
            np.save(work / "labels.npy", segmentation.labels)
            np.save(work / "affine.npy", volume.affine)
            _run_child(work, names, progress)
            drawn = [(work / f"{name}.png").read_bytes() for name in names]
        with OutputSet(states) as files:
            for path, picture in zip(paths, drawn, strict=True):
                _check_whole(picture)
                files.add_bytes(picture, path)
            files.publish()
        return paths
    except OSError as error:
        raise OutputError("The pictures could not be written.", "Is there space, and may you write there?") from error


def _check_whole(picture: bytes) -> None:
    """Raise OSError unless a PNG comes to its end: VTK does not notice a full disk."""
    if not (picture.startswith(b"\x89PNG") and picture.endswith(_PNG_END)):
        raise OSError("a picture is cut off")


def _run_child(work: Path, names: Sequence[str], progress: Progress) -> None:
    """Draw ``names`` of what is in the folder ``work`` in a child process, and end the child when the user stops."""
    environment = library_environment()
    if sys.platform == "linux":
        # Mesa would keep files in the user's home, and ask the system (through a socket) where that is.
        wanted = {"VTK_DEFAULT_OPENGL_WINDOW": "vtkEGLRenderWindow", "MESA_SHADER_CACHE_DISABLE": "true"}
        environment |= {name: os.environ.get(name, value) for name, value in wanted.items()}
    with (work / "log.txt").open("wb") as log:
        command = [sys.executable, "-m", _PROGRAM, str(work), *names]
        child = start_child(command, stderr=log, environment=environment)
        try:
            while child.poll() is None:
                progress.step("pictures", _count(work), len(names))
                time.sleep(_POLL_SECONDS)
        finally:
            signal_group(child, by_force=True)
            child.wait()
    if child.returncode != 0 or _count(work) < len(names):
        raise EngineError(
            f"The pictures could not be drawn (the drawing process ended with code {child.returncode}).",
            "On Linux they need OpenGL: install the packages libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri.",
        ) from RuntimeError((work / "log.txt").read_text("utf-8", errors="replace")[-4000:])
    progress.step("pictures", len(names), len(names))


def _count(work: Path) -> int:
    return len(list(work.glob("*.png")))
