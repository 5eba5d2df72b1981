"""A Python with pip that stands for Slicer's, and what a test looks at in it."""

from __future__ import annotations

import shutil
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from .wheels import BREAKS, make_wheel

if TYPE_CHECKING:
    from CovidSegLib.gui.core import install


def make(folder: Path) -> None:
    """Build it in ``folder``: this Python's packages, but no onnxruntime of its own choosing."""
    here = Path(np.__file__).parents[1]
    has_pip = (here / "pip").is_dir()  # which is borrowed: to unpack another one takes seconds
    venv.create(folder, with_pip=not has_pip)
    packages = next(folder.glob("lib/python*/site-packages"))
    for entry in here.iterdir():
        is_pip = has_pip and (entry.name == "pip" or entry.name.startswith("pip-"))
        if is_pip or entry.name.lower().startswith(("numpy", "scipy", "simpleitk", "pydicom")):
            (packages / entry.name).symlink_to(entry)
    # PythonSlicer's launcher puts Slicer's packages before what is on PYTHONPATH.
    (packages / "slicers_order.pth").write_text(
        f"import sys; sys.path.insert(0, {str(packages)!r})\n", encoding="utf-8"
    )


@contextmanager
def in_its_place(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let it be Slicer's Python (the interpreter is handed out); what is installed meanwhile is removed again."""
    from CovidSegLib.gui.core import install, run_steps
    from CovidSegLib.gui.sections import hardware_section

    python = environment / "bin" / "python"
    for module in (run_steps, install, hardware_section):
        monkeypatch.setattr(module, "python_interpreter", lambda: str(python))
    monkeypatch.setattr(install, "is_installed", lambda package="onnxruntime": found_in(environment) is not None)
    monkeypatch.setattr(install, "found", lambda: found_in(environment))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CACHE_DIR", str(environment / "cache"))
    yield python
    for entry in [*own(environment)]:
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def own(environment: Path) -> Iterator[Path]:
    """What lies in the environment of onnxruntime and its plug-ins."""
    return environment.glob("lib/python*/site-packages/onnxruntime*")


def found_in(environment: Path) -> install.Installed | None:
    """As ``install.found``, of the environment."""
    from CovidSegLib.gui.core import install

    places = environment.glob("lib/python*/site-packages/onnxruntime-*.dist-info")
    versions = [entry.name.split("-")[1].removesuffix(".dist-info") for entry in places]
    return install.Installed("onnxruntime", versions[0]) if versions else None


def frozen(python: Path) -> str:
    """Name and version of each package in the environment itself."""
    folder = next(python.parents[1].glob("lib/python*/site-packages"))
    return "\n".join(sorted(entry.name for entry in folder.iterdir()))


def answer(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Choose ``folder`` in the next file dialog."""
    from Testing.kit.slicer_window.pythonqt import FileDialog

    monkeypatch.setattr(FileDialog, "answers", [str(folder)])


def put_in(place: Path, version: str) -> None:
    """An installed onnxruntime of this version."""
    with zipfile.ZipFile(make_wheel(place.parent / "old", "onnxruntime", version, BREAKS)) as wheel:
        wheel.extractall(place)
    shutil.rmtree(place.parent / "old")


def contents(place: Path) -> dict[str, bytes]:
    """Every file of onnxruntime, and the names of all else."""
    files = {str(file): file.read_bytes() for file in place.glob("onnxruntime*/**/*.*") if "pycache" not in str(file)}
    return files | {entry.name: b"" for entry in place.iterdir() if entry.name != "__pycache__"}
