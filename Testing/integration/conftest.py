"""What tests of the Slicer module share: a Slicer of its own for each, a small chest in it, and the open panel."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import slicer

    from CovidSegLib.report.views import OffscreenSlicer
    from Testing.kit.command_line import CommandLine
    from Testing.kit.slicer_window.application import SlicerWorld
    from Testing.kit.slicer_window.module import OpenModule

if find_spec("slicer") and find_spec("PySide6"):
    # It stands in for what the panel's files import of Slicer's window, and so comes before they do.
    from Testing.kit.slicer_window.application import install_qt

    install_qt()


@pytest.fixture(scope="session", autouse=True)
def workers_are_forked() -> None:
    """Workers that this process starts need not load the libraries again (kit/forked)."""
    from Testing.kit import forked

    forked.ready()


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def mrml() -> Iterator[OffscreenSlicer]:
    """Slicer's scene and logics, without its window. An error that VTK logs meanwhile fails the test."""
    pytest.importorskip("slicer", reason="needs the pip package slicer-core")
    import vtk

    from CovidSegLib.report.views import OffscreenSlicer

    errors: list[str] = []

    @vtk.calldata_type(vtk.VTK_STRING)
    def note(_caller: object, _event: str, text: str) -> None:
        errors.append(text)

    offscreen = OffscreenSlicer()
    output = vtk.vtkOutputWindow.GetInstance()
    mark = output.AddObserver("ErrorEvent", note)
    yield offscreen
    output.RemoveObserver(mark)
    assert errors == []


@pytest.fixture
def world(tmp_path: Path, temporary_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlicerWorld]:
    """A Slicer of its own. In the end no error was logged, no observer failed, and no temporary file is left."""
    pytest.importorskip("slicer", reason="needs the pip package slicer-core")
    pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")
    from Testing.kit.slicer_window.application import SlicerWorld

    (tmp_path / "settings").mkdir()
    monkeypatch.setenv("COVIDSEG_MODELS", str(tmp_path / "models"))
    made = SlicerWorld(tmp_path / "settings")
    yield made
    made.close()
    if "CovidSegLib.gui.core.undo" in sys.modules:  # it outlives this Slicer
        sys.modules["CovidSegLib.gui.core.undo"].UNDO_POINTS.clear()
    assert made.errors == [], "\n".join(made.errors)
    assert list(temporary_folder.iterdir()) == []


@pytest.fixture
def chest(world: SlicerWorld) -> slicer.vtkMRMLScalarVolumeNode:
    """A small synthetic chest CT in the scene."""
    from Testing.kit.small_phantom import small_phantom

    node = world.logics.add_volume(small_phantom().volume)
    node.SetName("Chest")
    return node


@pytest.fixture
def panel(world: SlicerWorld, chest: slicer.vtkMRMLScalarVolumeNode) -> Iterator[OpenModule]:
    """The module, opened after the chest was loaded."""
    from Testing.kit.slicer_window.module import OpenModule

    opened = OpenModule(world)
    yield opened
    opened.close()


@pytest.fixture
def empty_panel(world: SlicerWorld) -> Iterator[OpenModule]:
    """The module in an empty scene."""
    from Testing.kit.slicer_window.module import OpenModule

    opened = OpenModule(world)
    yield opened
    opened.close()


@pytest.fixture
def told(tmp_path: Path) -> CommandLine:
    """The command line with a pipeline that does as it is told, and a folder ``scans``."""
    from Testing.kit.command_line import CommandLine

    (tmp_path / "scans").mkdir()
    return CommandLine(tmp_path, stand_in=True)


@pytest.fixture
def stand_in_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Child processes segment with a pipeline that does as the scan's first voxel says (kit/stand_in_pipeline)."""
    folder = Path(__file__).resolve().parents[1] / "kit" / "stand_in_pipeline"
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.fixture(scope="session")
def answers_of_the_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of these tests share."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "network"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def network_once(answers_of_the_network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network computes slices that it has seen in these tests no second time (kit/network_once)."""
    from Testing.kit.network_once import VARIABLE

    monkeypatch.setenv(VARIABLE, str(answers_of_the_network))


@pytest.fixture
def without_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that child processes make have no 3-D view of Slicer, which takes seconds (kit/without_views)."""
    folder = Path(__file__).resolve().parents[1] / "kit" / "without_views"
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)


@pytest.fixture
def blank_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that this process makes have a blank picture in the place of Slicer's 3-D view."""
    from PIL import Image

    from CovidSegLib.report import page_pictures

    def blank(_volume: object, _segmentation: object, folder: Path, *_: object) -> list[Path]:
        Image.new("RGB", (8, 8)).save(folder / "view.png")
        return [folder / "view.png"]

    monkeypatch.setattr(page_pictures, "draw_pictures", blank)


@pytest.fixture(scope="session")
def slicers_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with pip that stands for Slicer's (kit/slicers_python)."""
    from Testing.kit.slicers_python import make

    folder = tmp_path_factory.mktemp("slicers python")
    make(folder)
    return folder


@pytest.fixture
def slicers_python(slicers_environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The interpreter that packages are installed for; what a test installs is removed again."""
    from Testing.kit.slicers_python import in_its_place

    with in_its_place(slicers_environment, monkeypatch) as python:
        yield python


@pytest.fixture
def opened(world: SlicerWorld, panel: OpenModule):
    """The panel with a scan and its segments, as after a run or after a scene was loaded; its section of numbers."""
    from CovidSegLib.geometry.volume import CtVolume
    from CovidSegLib.mrml.segmentations import add_segmentation
    from CovidSegLib.segmentation import Provenance, Segmentation
    from Testing.kit.blocks import UPRIGHT, block_labels, block_scan

    made = Provenance("a-network", "ab" * 32, "onnx", "cpu", "CovidSeg 1.0")
    labels = block_labels()
    scan = world.logics.add_volume(CtVolume(block_scan(labels), UPRIGHT))
    node = add_segmentation(world.scene, Segmentation(labels, UPRIGHT, made), scan, "COVID-19")
    panel.session.parameters.inputVolume = scan
    panel.session.parameters.outputSegmentation = node
    section = panel.section("NumbersSection")
    panel.until(lambda: "infected" in section.line.text)
    return panel, section, node, scan
