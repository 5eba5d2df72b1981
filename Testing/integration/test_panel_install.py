"""The one package that Slicer lacks: asked for when needed, installed after Yes, or refused with nothing changed."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer
from kit.panel_steps import assert_window_lives, sees
from kit.wheels import BREAKS, WORKS, make_wheel

from CovidSegLib.gui import install, run

if TYPE_CHECKING:
    from kit.slicer_window.module import OpenModule

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the environment's layout is that of Unix")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with pip that stands for Slicer's: this one's packages, but no onnxruntime of its own choosing."""
    folder = tmp_path_factory.mktemp("slicers python")
    venv.create(folder, with_pip=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    here = Path(np.__file__).parents[1]
    for entry in here.iterdir():
        if entry.name.lower().startswith(("numpy", "scipy", "simpleitk", "pydicom")):
            (packages / entry.name).symlink_to(entry)
    return folder


@pytest.fixture
def slicers_python(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """``environment`` in the place of Slicer's Python; what a test installs is removed again."""
    python = environment / "bin" / "python"
    monkeypatch.setattr(run, "python_interpreter", lambda: str(python))
    monkeypatch.setattr(install, "python_interpreter", lambda: str(python))
    monkeypatch.setattr(install, "is_installed", lambda package="onnxruntime": bool(list(own(environment))))
    monkeypatch.setattr(install, "found", lambda: found_in(environment))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CACHE_DIR", str(environment / "cache"))
    yield python
    subprocess.run([python, "-m", "pip", "-q", "uninstall", "-y", "onnxruntime"], check=False, capture_output=True)


def own(environment: Path) -> Iterator[Path]:
    """What lies in the environment of onnxruntime."""
    return environment.glob("lib/python*/site-packages/onnxruntime*")


def found_in(environment: Path) -> install.Found | None:
    """As ``install.found``, of the environment."""
    versions = [entry.name.split("-")[1].removesuffix(".dist-info") for entry in own(environment) if "-" in entry.name]
    return install.Found("onnxruntime", versions[0]) if versions else None


def frozen(python: Path) -> str:
    """Name and version of each package in the environment itself."""
    folder = next(python.parents[1].glob("lib/python*/site-packages"))
    return "\n".join(sorted(entry.name for entry in folder.iterdir()))


def answer(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    from kit.slicer_window.pythonqt import FileDialog

    monkeypatch.setattr(FileDialog, "answers", [str(folder)])


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
    panel.until(lambda: said.add(panel.ui.installLabel.text) or panel.running or sees(panel.ui.messageFrame), 20)
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
    make_wheel(tmp_path / "wheels", "onnxruntime", "1.20.0", "import time; time.sleep(60)")
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
    writes = f"import pathlib, time; p = pathlib.Path({str(half)!r}); p.parent.mkdir(); p.touch(); time.sleep(60)"
    monkeypatch.setattr(install.Pip, "install", lambda _pip: [str(slicers_python), "-c", writes])
    answer(monkeypatch, tmp_path / "wheels")
    panel.click("applyButton")
    panel.click("installFolderButton")
    panel.until(half.exists)
    panel.click("installNoButton")
    panel.until(lambda: not sees(panel.ui.installFrame))
    assert frozen(slicers_python) == before
    panel.click("applyButton")
    assert sees(panel.ui.installFrame)  # it is asked for again


FAULT = """
import builtins, errno, os
_open = builtins.open
def open_or_fail(file, mode="r", *rest, **named):
    if "w" in mode and {place!r} in str(file) and str(file).endswith("WHEEL"):
        raise OSError(errno.{name}, os.strerror(errno.{name}), str(file))
    return _open(file, mode, *rest, **named)
builtins.open = open_or_fail
"""
"""Python's sitecustomize: pip meets this when it has written half of a package into Slicer."""


@pytest.mark.parametrize(
    ("before", "fault", "reason"),
    [("1.16.3", "ENOSPC", "the disk is full"), ("", "EACCES", "Slicer's folder cannot be written")],
    ids=["a full disk at an update", "a folder that cannot be written at the first install"],
)
def test_a_disk_that_is_full_or_cannot_be_written_is_one_sentence_and_slicer_is_as_it_was(
    before: str,
    fault: str,
    reason: str,
    panel: OpenModule,
    slicers_python: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = next(slicers_python.parents[1].glob("lib/python*/site-packages"))
    if before:
        put_in(place, before)
    (tmp_path / "fault").mkdir()
    code = FAULT.format(name=fault, place=str(place / "onnxruntime-"))
    (tmp_path / "fault/sitecustomize.py").write_text(code, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fault"))
    make_wheel(tmp_path / "wheels", "onnxruntime", "1.20.0", WORKS)
    was = contents(place)
    answer(monkeypatch, tmp_path / "wheels")
    panel.click("applyButton")
    panel.click("installFolderButton")
    panel.until(lambda: sees(panel.ui.messageFrame))
    sentence = panel.ui.messageLabel.text
    assert sentence.startswith("The package onnxruntime could not be installed: ")
    assert f"{reason}. Slicer is as it was." in sentence
    assert os.strerror(getattr(errno, fault)) in panel.ui.detailsText.plainText
    assert contents(place) == was
    assert panel.ui.applyButton.enabled


def put_in(place: Path, version: str) -> None:
    """An installed onnxruntime of this version."""
    with zipfile.ZipFile(make_wheel(place.parent / "old", "onnxruntime", version, BREAKS)) as wheel:
        wheel.extractall(place)
    shutil.rmtree(place.parent / "old")


def contents(place: Path) -> dict[str, bytes]:
    """Every file of onnxruntime, and the names of all else."""
    files = {str(file): file.read_bytes() for file in place.glob("onnxruntime*/**/*.*") if "pycache" not in str(file)}
    return files | {entry.name: b"" for entry in place.iterdir() if entry.name != "__pycache__"}


def test_no_space_for_temporary_files_is_said_too(
    panel: OpenModule, slicers_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    panel.click("applyButton")
    with monkeypatch.context() as patched:
        patched.setattr(install.tempfile, "TemporaryDirectory", full)
        panel.click("installButton")
        panel.until(lambda: sees(panel.ui.messageFrame))
    assert "the disk is full. Slicer is as it was. Free some space" in panel.ui.messageLabel.text


@pytest.mark.usefixtures("stand_in_pipeline")
def test_an_onnxruntime_that_is_too_old_is_updated_after_yes_and_nothing_else(
    panel: OpenModule, slicers_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = next(slicers_python.parents[1].glob("lib/python*/site-packages"))
    put_in(place, "1.16.3")
    (place / "onnxruntime_extensions").mkdir()
    make_wheel(tmp_path / "wheels", "onnxruntime", "1.20.0", WORKS, requires="numpy<1.0")
    make_wheel(tmp_path / "wheels", "numpy", "0.9", "")
    before = set(frozen(slicers_python).split("\n"))
    answer(monkeypatch, tmp_path / "wheels")
    panel.click("applyButton")
    assert "onnxruntime 1.19 or newer, and Slicer has 1.16.3" in panel.ui.installLabel.text
    assert re.search(r"\d+ MB to download, \d+ MB on disk", panel.ui.installLabel.text)
    assert panel.ui.installButton.text == "Yes, update"
    panel.click("installFolderButton")
    panel.until(lambda: panel.running or sees(panel.ui.messageFrame), 20)
    assert panel.ui.messageLabel.text == ""
    panel.until(lambda: not panel.running)
    after = set(frozen(slicers_python).split("\n"))
    assert (before - after, after - before) == ({"onnxruntime-1.16.3.dist-info"}, {"onnxruntime-1.20.0.dist-info"})
    assert (place / "onnxruntime/__init__.py").read_text(encoding="utf-8") == WORKS
    (place / "onnxruntime_extensions").rmdir()


def test_a_build_for_other_hardware_that_is_too_old_is_said_and_left_alone(
    panel: OpenModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "found", lambda: install.Found("onnxruntime-gpu", "1.16.3"))
    panel.click("applyButton")
    assert not panel.running
    assert not sees(panel.ui.installFrame)
    assert panel.ui.messageLabel.text == (
        "The installed onnxruntime-gpu 1.16.3 is too old: CovidSeg needs 1.19 or newer. Update it in Slicer's Python "
        "console: slicer.util.pip_install('onnxruntime-gpu>=1.19')"
    )


@pytest.mark.parametrize(
    ("version", "old"),
    [("1.18.1", True), ("0.9", True), ("1.19.0", False), ("1.23.2", False), ("2.0.0rc1", False), ("unknown", False)],
)
def test_versions_are_compared_as_numbers(version: str, old: bool) -> None:
    assert install.Found("onnxruntime", version).is_too_old is old


def test_the_constraints_are_the_running_pythons_own_packages() -> None:
    import numpy

    lines = install.constraints().split("\n")
    assert f"numpy=={numpy.__version__}" in lines
    assert not [line for line in lines if line.lower().startswith("onnxruntime==")]


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
    from kit.slicer_window.application import Strict

    monkeypatch.setattr(slicer, "packaging", Strict(isPipInstallInProgress=lambda: True), raising=False)
    panel.click("applyButton")
    panel.click("installButton")
    assert panel.ui.installLabel.text.startswith("Another extension is installing packages")
    assert panel.ui.installButton.enabled
