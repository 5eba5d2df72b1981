"""The module as an extension: what it tells Slicer at the start, and what the Extensions Index asks for."""

from __future__ import annotations

import gc
import json
import re
import runpy
import subprocess
import unittest
import weakref
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer
from kit.panel_steps import finish

from CovidSegLib.gui import install, startup
from CovidSegLib.gui.task import Task
from CovidSegLib.gui.ticker import QtTicker
from CovidSegLib.segmentation import SEGMENTS

if TYPE_CHECKING:
    from kit.slicer_window.application import SlicerWorld
    from kit.slicer_window.module import OpenModule

REPOSITORY = Path(__file__).resolve().parents[2]


def test_slicer_learns_where_the_module_stands_and_that_it_is_for_research(empty_panel: OpenModule) -> None:
    info = empty_panel.info
    assert (info.title, info.categories) == ("CovidSeg", ["Segmentation"])
    assert "Segmentations" in info.dependencies
    assert "research only" in info.helpText


def test_the_codes_of_our_segments_are_known_after_the_start(empty_panel: OpenModule) -> None:
    logic = slicer.modules.terminologies.logic()
    for segment in SEGMENTS:
        entry = slicer.vtkSlicerTerminologyEntry()
        assert logic.FindTypeInTerminologyBy3dSlicerLabel("CovidSeg", segment.name, entry)


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
