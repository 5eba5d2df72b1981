"""The one package that Slicer lacks: asked for when needed, installed after Yes, or refused with nothing changed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer

from CovidSegLib.gui.core import install
from CovidSegLib.gui.core.child_steps import child_steps
from Testing.kit.panel_steps import assert_window_lives, sees
from Testing.kit.slicers_python import answer, frozen
from Testing.kit.wheels import BREAKS, WORKS, make_wheel

if TYPE_CHECKING:
    from Testing.kit.slicer_window.module import OpenModule

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the environment's layout is that of Unix")


def test_nothing_is_asked_before_apply_and_the_question_names_package_and_size(
    panel: OpenModule, slicers_python: Path
) -> None:
    assert not sees(panel.ui.installFrame)
    assert panel.ui.applyButton.enabled
    panel.click("applyButton")
    assert not panel.running
    assert sees(panel.ui.installFrame)
    assert "onnxruntime" in panel.ui.installLabel.text
    assert re.search(r"\d+ MB to download, \d+ MB on disk", panel.ui.installLabel.text)
    assert "Nothing that Slicer brings is changed" in panel.ui.installLabel.text


def test_not_now_changes_nothing_and_it_can_be_asked_again(panel: OpenModule, slicers_python: Path) -> None:
    before = frozen(slicers_python)
    panel.click("applyButton")
    panel.click("installNoButton")
    assert not sees(panel.ui.installFrame)
    assert frozen(slicers_python) == before
    panel.click("applyButton")
    assert sees(panel.ui.installFrame)


def test_another_scan_that_was_chosen_meanwhile_is_not_segmented(
    panel: OpenModule, slicers_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(tmp_path / "wheels", "onnxruntime", "1.20.0", WORKS)
    answer(monkeypatch, tmp_path / "wheels")
    panel.click("applyButton")
    panel.click("installFolderButton")
    other = slicer.mrmlScene.AddNode(slicer.vtkMRMLScalarVolumeNode())
    other.Copy(panel.session.parameters.inputVolume)
    panel.session.parameters.inputVolume = other
    panel.until(lambda: not sees(panel.ui.installFrame))
    assert not panel.running
    assert panel.ui.outputSelector.currentNode() is None


@pytest.mark.usefixtures("stand_in_pipeline")
def test_after_yes_one_wheel_from_a_folder_is_installed_and_the_run_goes_on(
    panel: OpenModule, slicers_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel asks for an older numpy; neither numpy nor anything else is replaced."""
    make_wheel(tmp_path / "wheels", "onnxruntime", "1.20.0", WORKS, requires="numpy<1.0")
    make_wheel(tmp_path / "wheels", "numpy", "0.9", "")
    before = frozen(slicers_python)
    answer(monkeypatch, tmp_path / "wheels")
    panel.click("applyButton")
    said = set()
    panel.click("installFolderButton")
    assert sees(panel.ui.installProgress)
    assert not panel.ui.applyButton.enabled
    panel.until(lambda: said.add(panel.ui.installLabel.text) or panel.running or sees(panel.ui.messageFrame))
    assert panel.ui.messageLabel.text == ""
    panel.until(lambda: not panel.running)
    assert {"Looking for the package...", "Trying the package before it is installed..."} <= said
    assert set(frozen(slicers_python).split("\n")) - set(before.split("\n")) == {
        "onnxruntime",
        "onnxruntime-1.20.0.dist-info",
    }
    assert panel.ui.outputSelector.currentNode() is not None
    assert not sees(panel.ui.installFrame)


def test_the_window_lives_while_a_package_is_installed(
    panel: OpenModule, slicers_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(tmp_path / "wheels", "onnxruntime", "1.20.0", BREAKS)
    answer(monkeypatch, tmp_path / "wheels")
    panel.click("applyButton")
    panel.click("installFolderButton")
    assert_window_lives(panel, until=lambda: sees(panel.ui.messageFrame))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder.mkdir(), "there is no wheel of it for Python"),
        (lambda folder: make_wheel(folder, "onnxruntime", "1.20.0", "", tag="cp27-cp27m-win32"), "there is no wheel"),
        (lambda folder: make_wheel(folder, "onnxruntime", "1.2.0", WORKS), "there is no wheel of it for Python"),
        (lambda folder: make_wheel(folder, "onnxruntime", "1.20.0", BREAKS), "it does not work here"),
    ],
    ids=["an empty folder", "a wheel for another system", "a version that is too old", "a wheel that cannot be loaded"],
)
def test_a_failed_install_names_the_package_and_the_reason_and_leaves_slicer_as_it_was(
    make: object,
    words: str,
    panel: OpenModule,
    slicers_python: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make(tmp_path / "wheels")
    before = frozen(slicers_python)
    answer(monkeypatch, tmp_path / "wheels")
    panel.click("applyButton")
    panel.click("installFolderButton")
    panel.until(lambda: sees(panel.ui.messageFrame))
    assert panel.ui.messageLabel.text.startswith("The package onnxruntime could not be installed: ")
    assert words in panel.ui.messageLabel.text
    assert sees(panel.ui.detailsCollapsibleButton)
    assert panel.ui.detailsText.plainText
    assert frozen(slicers_python) == before
    assert panel.ui.applyButton.enabled


@pytest.mark.parametrize("said", ["[Errno 30] Read-only file system: 'x'", "[WinError 5] Access is denied: 'x'"])
def test_a_folder_that_cannot_be_written_is_known_by_all_its_names(said: str) -> None:
    assert "Slicer's folder cannot be written" in install.explained(f"ERROR: OSError: {said}").sentence


def test_an_index_that_cannot_be_reached_is_said_and_the_folder_is_offered() -> None:
    said = install.explained(
        "WARNING: Retrying ... NewConnectionError('Temporary failure in name resolution')\nERROR: x"
    )
    assert "the package index cannot be reached" in said.sentence
    assert "folder with its wheel" in said.hint


def test_cancel_in_the_middle_of_an_install_leaves_slicer_as_it_was(
    panel: OpenModule, slicers_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(tmp_path / "wheels", "onnxruntime", "1.20.0", "import time; time.sleep(600)")
    before = frozen(slicers_python)
    answer(monkeypatch, tmp_path / "wheels")
    panel.click("applyButton")
    panel.click("installFolderButton")
    panel.until(lambda: panel.ui.installLabel.text.startswith("Trying"))
    panel.click("installNoButton")
    panel.until(lambda: not sees(panel.ui.installFrame))
    assert frozen(slicers_python) == before
    assert panel.ui.applyButton.enabled


def test_cancel_while_pip_writes_into_slicer_leaves_no_half_a_package(
    panel: OpenModule, slicers_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a package would count as installed, and no run would ever work again."""
    make_wheel(tmp_path / "wheels", "onnxruntime", "1.20.0", WORKS)
    before = frozen(slicers_python)
    half = next(slicers_python.parents[1].glob("lib/python*/site-packages")) / "onnxruntime" / "half.py"
    writes = f"import pathlib, time; p = pathlib.Path({str(half)!r}); p.parent.mkdir(); p.touch(); time.sleep(600)"
    monkeypatch.setattr(install.Pip, "install", lambda _pip: child_steps([str(slicers_python), "-c", writes]))
    answer(monkeypatch, tmp_path / "wheels")
    panel.click("applyButton")
    panel.click("installFolderButton")
    panel.until(half.exists)
    panel.click("installNoButton")
    panel.until(lambda: not sees(panel.ui.installFrame))
    assert frozen(slicers_python) == before
    panel.click("applyButton")
    assert sees(panel.ui.installFrame)  # it is asked for again


def test_the_constraints_are_the_running_pythons_own_packages() -> None:
    import numpy

    lines = install.constraints().split("\n")
    assert f"numpy=={numpy.__version__}" in lines
    assert not [line for line in lines if line.lower().startswith("onnxruntime==")]


def test_a_package_whose_version_pip_cannot_read_is_no_constraint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version in (("odd", "of my own"), ("even", "2.1.0rc1.post3+cu12")):
        folder = tmp_path / f"{name}-0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    lines = install.constraints().split("\n")
    assert "even==2.1.0rc1.post3+cu12" in lines
    assert not [line for line in lines if line.startswith("odd==")]


def test_no_question_where_the_package_is_there_or_another_engine_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, engine, needed in (
        ({"onnxruntime"}, "auto", False),
        (set(), "auto", True),
        ({"tensorflow"}, "auto", False),
        ({"tensorflow"}, "onnx", True),
        (set(), "tensorflow", False),
    ):
        monkeypatch.setattr(install, "is_installed", lambda package="onnxruntime", there=there: package in there)
        assert install.is_needed(engine) is needed


def test_an_installation_of_another_extension_is_waited_for(
    panel: OpenModule, slicers_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from Testing.kit.slicer_window.application import Strict

    monkeypatch.setitem(sys.modules, "slicer.packaging", Strict(isPipInstallInProgress=lambda: True))
    panel.click("applyButton")
    panel.click("installButton")
    assert panel.ui.installLabel.text.startswith("Another extension is installing packages")
    assert panel.ui.installButton.enabled


@pytest.mark.usefixtures("stand_in_pipeline")
@pytest.mark.parametrize("testing", [True, False])
@pytest.mark.parametrize("build", [WORKS, BREAKS], ids=["works", "breaks"])
def test_slicers_own_installer_is_used_where_there_is_one_and_only_after_the_trial(
    panel: OpenModule, slicers_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, testing: bool, build: str
) -> None:
    from Testing.kit.slicers_packaging import install as install_packaging

    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    installer = install_packaging(slicers_python)
    monkeypatch.setattr(type(slicer.app), "testingEnabled", lambda self: testing)
    make_wheel(tmp_path / "wheels", "onnxruntime", "1.20.0", build)
    before = frozen(slicers_python)
    answer(monkeypatch, tmp_path / "wheels")
    panel.click("applyButton")
    panel.click("installFolderButton")
    panel.until(lambda: panel.running or sees(panel.ui.messageFrame))
    if build == BREAKS:
        assert "it does not work here" in panel.ui.messageLabel.text
        assert installer.calls == []
        assert frozen(slicers_python) == before
        return
    assert panel.ui.messageLabel.text == ""
    panel.until(lambda: not panel.running)
    (arguments,) = installer.calls
    assert {"--no-deps", "--no-index", install.REQUIREMENT} <= set(arguments)
    assert "onnxruntime" in frozen(slicers_python)
