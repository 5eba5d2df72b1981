"""The module as an extension: what it tells Slicer at the start, and what the Extensions Index asks for."""

from __future__ import annotations

import ast
import gc
import json
import os
import re
import runpy
import subprocess
import sys
import unittest
import weakref
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer
import vtk

from CovidSegLib.gui import startup
from CovidSegLib.gui.core import install, ticker
from CovidSegLib.gui.core.task import Task
from CovidSegLib.gui.core.ticker import QtTicker
from CovidSegLib.segmentation import SEGMENTS
from Testing.kit.panel_steps import finish

if TYPE_CHECKING:
    from Testing.kit.slicer_window.application import SlicerWorld
    from Testing.kit.slicer_window.module import OpenModule

REPOSITORY = Path(__file__).resolve().parents[2]
CODES = "Segmentation category and type: CovidSeg"


def test_slicer_learns_where_the_module_stands_and_that_it_is_for_research(empty_panel: OpenModule) -> None:
    info = empty_panel.info
    assert (info.title, info.categories) == ("CovidSeg", ["Segmentation"])
    assert "Segmentations" in info.dependencies
    assert "research only" in info.helpText


def test_the_codes_of_our_segments_are_known_after_the_start(empty_panel: OpenModule) -> None:
    logic = slicer.modules.terminologies.logic()
    for segment in SEGMENTS:
        entry = slicer.vtkSlicerTerminologyEntry()
        assert logic.FindTypeInTerminologyBy3dSlicerLabel(CODES, segment.name, entry)


def test_our_codes_stand_behind_those_of_slicer_which_are_found_first_where_none_are_named(
    empty_panel: OpenModule, tmp_path: Path
) -> None:
    """Slicer keeps lists of codes sorted by name, and looks through them in this order."""
    logic = slicer.modules.terminologies.logic()
    ours = json.loads((REPOSITORY / "CovidSeg/Resources/CovidSeg.term.json").read_text(encoding="utf-8"))
    slicers = [
        f"Segmentation category and type - {name}"
        for name in ("3D Slicer General Anatomy list", "DICOM master list", "Total Segmentator")
    ]
    for number, name in enumerate(slicers):
        file = tmp_path / f"{number}.term.json"
        file.write_text(json.dumps({**ours, "SegmentationCategoryTypeContextName": name}), encoding="utf-8")
        assert logic.LoadTerminologyFromFile(str(file)) == name
    names: list[str] = []
    logic.GetLoadedTerminologyNames(names)
    assert names == [*slicers, CODES]


def test_at_the_start_of_slicer_nothing_is_imported_that_takes_time(tmp_path: Path) -> None:
    """In a Python of its own: what is new in it when the module was loaded and the start was told to it."""
    script = (
        "import sys, pathlib\n"
        "from Testing.kit import segment_statistics\n"
        "from Testing.kit.slicer_window import application, module\n"
        "segment_statistics.install()\n"
        "world = application.SlicerWorld(pathlib.Path(sys.argv[1]))\n"
        "for name in [n for n in sys.modules if n.split('.')[0] in ('CovidSegLib', 'scipy', 'SimpleITK')]:\n"
        "    del sys.modules[name]\n"
        "before = set(sys.modules)\n"
        "file = module.load_module_file()\n"
        "file.CovidSeg(application.Strict(path=str(module.MODULE_FILE), title='', icon=None))\n"
        "loaded = set(sys.modules) - before\n"
        "application.slicer.app.start()\n"
        "print(sorted(loaded), sorted(set(sys.modules) - before - loaded), sep='\\n')\n"
    )
    path = os.pathsep.join(map(str, (REPOSITORY / "CovidSeg", REPOSITORY / "Testing", REPOSITORY)))
    environment = {**os.environ, "PYTHONPATH": path, "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    loaded, started = map(ast.literal_eval, done.stdout.strip().splitlines()[-2:])
    assert loaded == ["CovidSeg"]
    ours = [name for name in started if name.startswith("CovidSegLib")]
    assert ours == [
        "CovidSegLib",
        "CovidSegLib.gui",
        "CovidSegLib.gui.startup",
        "CovidSegLib.measures",
        "CovidSegLib.measures.quantities",
        "CovidSegLib.mrml",
        "CovidSegLib.mrml.segment_statistics",
    ]
    assert {name.split(".")[0] for name in started} - set(sys.stdlib_module_names) == {"CovidSegLib"}


def test_as_many_timers_are_made_as_tasks_are_at_work_at_one_time(
    empty_panel: OpenModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PythonQt never lets go of one: see CovidSegLib.gui.core.ticker."""
    made = []
    monkeypatch.setattr(ticker, "_idle", [])
    monkeypatch.setattr(
        ticker.qt,
        "QTimer",
        type(
            "Counted",
            (ticker.qt.QTimer,),
            {"__init__": lambda self: (made.append(self), super(type(self), self).__init__())[1]},
        ),
    )

    def steps() -> Generator[None, None, int]:
        yield None
        return 1

    for _ in range(20):
        both = [Task(steps(), QtTicker()) for _ in range(2)]
        for task in both:
            task.start()
        empty_panel.until(lambda both=both: all(task.done for task in both))
    assert len(made) == 2


def test_two_sample_scans_are_registered_one_by_address_and_hash_with_a_picture_each(
    empty_panel: OpenModule, world: SlicerWorld
) -> None:
    phantom, chest = world.samples
    assert phantom["category"] == chest["category"] == "CovidSeg"
    assert chest["uris"].startswith("https://")
    assert re.fullmatch(r"SHA256:[0-9a-f]{64}", chest["checksums"])
    assert chest["checksums"].partition(":")[2] in chest["uris"]
    assert Path(phantom["thumbnailFileName"]).is_file()


def test_the_thumbnail_of_a_public_scan_is_slicers_own(world: SlicerWorld, tmp_path: Path) -> None:
    assert startup._slicers_own_thumbnail("CTChest.png") is None
    icons = Path(slicer.modules.sampledata.path).parent / "Resources" / "Icons"
    icons.mkdir(parents=True)
    (icons / "CTChest.png").touch()
    assert startup._slicers_own_thumbnail("CTChest.png") == str(icons / "CTChest.png")


def test_the_synthetic_chest_is_made_here_and_can_be_segmented(
    empty_panel: OpenModule, world: SlicerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "PHANTOM_SLICES", 12)
    node = world.samples[0]["customDownloader"](None)
    assert node.GetScene() is world.scene
    assert node.GetDisplayNode().GetWindow() == 1500
    empty_panel.ui.inputSelector.setCurrentNode(node)
    finish(empty_panel)
    assert empty_panel.session.result.measurements.total.infection_ml > 0


def test_the_synthetic_chest_comes_by_its_name_too_as_slicer_fetches_samples(
    empty_panel: OpenModule, world: SlicerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    import SampleData

    monkeypatch.setattr(startup, "PHANTOM_SLICES", 12)
    by_click = world.samples[0]["customDownloader"](None)
    by_name = SampleData.downloadSample("CovidSegPhantom")
    assert by_name.GetScene() is world.scene
    assert by_name.GetName().startswith(by_click.GetName())
    assert np.array_equal(slicer.util.arrayFromVolume(by_name), slicer.util.arrayFromVolume(by_click))
    matrices = [vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()]
    for node, matrix in zip((by_name, by_click), matrices, strict=True):
        node.GetIJKToRASMatrix(matrix)
    assert np.allclose(*map(slicer.util.arrayFromVTKMatrix, matrices), atol=1e-4)
    files = list(Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory()).glob("CovidSegPhantom*"))
    assert len(files) == 1
    monkeypatch.setattr(startup, "make_phantom_file", lambda _file: pytest.fail("it lies in Slicer's cache"))
    assert SampleData.downloadSample("CovidSegPhantom") is not by_name
    assert startup.phantom_address("https://elsewhere.org/a.nrrd") == "https://elsewhere.org/a.nrrd"


def test_what_a_task_brought_is_not_kept_by_qts_timer_after_its_end(world: SlicerWorld) -> None:
    class Numbers:
        """Stands for some hundred megabytes."""

    def steps() -> Generator[None, None, Numbers]:
        yield None
        return Numbers()

    task = Task(steps(), QtTicker())
    task.start()
    task.wait(slicer.app.processEvents)
    result = weakref.ref(task.result)
    del task
    gc.collect()
    assert result() is None


def test_the_modules_own_test_is_skipped_where_the_package_is_missing(
    empty_panel: OpenModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "is_installed", lambda package="onnxruntime": False)
    with pytest.raises(unittest.SkipTest, match="onnxruntime"):
        empty_panel.file.CovidSegTest().runTest()


def test_the_button_for_the_modules_own_test_says_what_is_missing_instead_of_an_error(
    empty_panel: OpenModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    monkeypatch.setattr(install, "is_installed", lambda package="onnxruntime": False)
    monkeypatch.setattr(type(slicer.app), "testingEnabled", lambda self: False)
    test = empty_panel.file.CovidSegTest()
    test.delayDisplay = said.append
    test.runTest()
    assert said == ["This Slicer has no onnxruntime; Apply in the panel installs it."]


@pytest.mark.parametrize(("there", "code"), [(True, 0), (False, 2)])
def test_the_script_for_a_real_slicer_ends_with_the_right_exit_code(
    there: bool, code: int, empty_panel: OpenModule, world: SlicerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []
    monkeypatch.setattr(slicer.util, "exit", ended.append)
    monkeypatch.setattr(install, "is_installed", lambda package="onnxruntime": there)
    slicer.selfTests = {"CovidSeg": lambda: None}
    runpy.run_path(str(REPOSITORY / "Testing/run_in_slicer.py"))
    assert ended == [code]
    assert world.selected_modules == ["CovidSeg"]


def test_the_script_fails_when_the_test_fails(
    empty_panel: OpenModule, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def broken() -> None:
        raise AssertionError("the lungs have a Dice of 0.1")

    ended = []
    monkeypatch.setattr(slicer.util, "exit", ended.append)
    monkeypatch.setattr(install, "is_installed", lambda package="onnxruntime": True)
    slicer.selfTests = {"CovidSeg": broken}
    runpy.run_path(str(REPOSITORY / "Testing/run_in_slicer.py"))
    assert ended == [1]
    assert "Dice of 0.1" in capsys.readouterr().err


def test_the_shell_script_says_when_there_is_no_slicer() -> None:
    command = ["sh", str(REPOSITORY / "Testing/run_in_slicer.sh"), "/no/such/Slicer"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("There is no /no/such/Slicer.")


def test_the_entry_for_the_extensions_index_keeps_its_rules() -> None:
    data = (REPOSITORY / "Resources/CovidSeg.json").read_bytes()
    assert b"\r" not in data
    entry = json.loads(data)
    assert {"$schema", "category", "scm_url"} <= set(entry)
    optional = {"scm_revision", "scm_type", "build_dependencies", "build_subdirectory", "enabled", "tier"}
    assert set(entry) <= {"$schema", "category", "scm_url"} | optional
    assert entry["category"] == "Segmentation"
    assert entry["scm_url"].startswith("https://")
    assert re.search(r"/Slicer[-_]?CovidSeg$", entry["scm_url"])  # the repository's name begins with Slicer
    assert entry["tier"] in range(1, 6)
    cmake = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
    assert entry["scm_url"] in cmake


def test_the_pictures_that_the_index_shows_are_in_the_repository() -> None:
    cmake = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
    addresses = re.search(r'EXTENSION_SCREENSHOTURLS "([^"]+)"', cmake)[1].split()
    addresses += re.search(r'EXTENSION_ICONURL "([^"]+)"', cmake)[1].split()
    assert len(addresses) > 2
    for address in addresses:
        # On GitHub these addresses are of another host than the homepage; what they end with is the same.
        parts = address.split("/")
        file = next(file for first in range(len(parts)) if (file := REPOSITORY.joinpath(*parts[first:])).is_file())
        assert file.read_bytes().startswith(b"\x89PNG")
