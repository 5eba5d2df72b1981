"""What tests of the Slicer module share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import slicer
    from kit.slicer_window.application import SlicerWorld
    from kit.slicer_window.module import OpenModule


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlicerWorld]:
    """A Slicer of its own: an empty scene, settings, a folder for temporary files that must be empty in the end."""
    from kit.slicer_window.application import SlicerWorld

    temporary = tmp_path / "temporary"
    (tmp_path / "settings").mkdir()
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("COVIDSEG_MODELS", str(tmp_path / "models"))
    made = SlicerWorld(tmp_path / "settings")
    yield made
    made.close()
    assert made.errors == []
    assert list(temporary.iterdir()) == []


@pytest.fixture
def chest(world: SlicerWorld) -> slicer.vtkMRMLScalarVolumeNode:
    """A small synthetic chest CT in the scene."""
    return world.logics.add_volume(phantom())


@pytest.fixture
def panel(world: SlicerWorld, chest: slicer.vtkMRMLScalarVolumeNode) -> Iterator[OpenModule]:
    """The module, opened after the scan was loaded."""
    from kit.slicer_window.module import OpenModule

    opened = OpenModule(world)
    yield opened
    opened.close()


def phantom():
    from CovidSegLib.phantom import make_phantom
    from CovidSegLib.progress import Progress

    global _phantom
    if _phantom is None:
        _phantom = make_phantom(seed=0, slices=20, progress=Progress()).volume
    return _phantom


_phantom = None
