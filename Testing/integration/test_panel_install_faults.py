"""Installing the one package when things go wrong, and where an old one is there: Slicer is as it was, or better."""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

from CovidSegLib.gui.core import install
from Testing.kit.panel_steps import sees
from Testing.kit.slicers_python import answer, contents, frozen, put_in
from Testing.kit.wheels import WORKS, make_wheel

if TYPE_CHECKING:
    from Testing.kit.slicer_window.module import OpenModule

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the environment's layout is that of Unix")

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


@pytest.mark.parametrize("part", ["onnxruntime", "onnxruntime-1.16.3.dist-info"])
def test_an_old_package_that_cannot_be_moved_stays_whole(
    part: str, panel: OpenModule, slicers_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where another program uses it, or where its folder is write-protected and what is in it is not."""
    place = next(slicers_python.parents[1].glob("lib/python*/site-packages"))
    put_in(place, "1.16.3")
    was = contents(place)
    rename = Path.rename

    def is_used(path: Path, target: Path) -> Path:
        if path == place / part:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return rename(path, target)

    make_wheel(tmp_path / "wheels", "onnxruntime", "1.20.0", WORKS)
    answer(monkeypatch, tmp_path / "wheels")
    panel.click("applyButton")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", is_used)
        panel.click("installFolderButton")
        panel.until(lambda: sees(panel.ui.messageFrame))
    assert "Slicer's folder cannot be written. Slicer is as it was." in panel.ui.messageLabel.text
    assert contents(place) == was


def test_no_space_for_temporary_files_is_said_too(
    panel: OpenModule, slicers_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    panel.click("applyButton")
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "mkdtemp", full)
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
    panel.until(lambda: panel.running or sees(panel.ui.messageFrame))
    assert panel.ui.messageLabel.text == ""
    panel.until(lambda: not panel.running)
    after = set(frozen(slicers_python).split("\n"))
    assert (before - after, after - before) == ({"onnxruntime-1.16.3.dist-info"}, {"onnxruntime-1.20.0.dist-info"})
    assert (place / "onnxruntime/__init__.py").read_text(encoding="utf-8") == WORKS
    (place / "onnxruntime_extensions").rmdir()


def test_a_build_for_other_hardware_that_is_too_old_is_said_and_left_alone(
    panel: OpenModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "found", lambda: install.Installed("onnxruntime-gpu", "1.16.3"))
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
    assert install.Installed("onnxruntime", version).is_too_old is old


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ({}, None),
        ({"onnxruntime": "1.16.3"}, ("onnxruntime", "1.16.3")),
        ({"onnxruntime": "1.16.3", "onnxruntime-gpu": "1.16.3"}, ("onnxruntime-gpu", "1.16.3")),
        ({"onnxruntime": "1.22.0", "onnxruntime-gpu": "1.16.3"}, ("onnxruntime", "1.22.0")),
        ({"onnxruntime": None}, ("onnxruntime", "")),
    ],
)
def test_of_several_builds_the_one_that_works_counts(
    there: dict[str, str | None], found: tuple[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(package: str) -> str | None:
        if package not in there:
            raise install.importlib.metadata.PackageNotFoundError(package)
        return there[package]

    monkeypatch.setattr(install.importlib.metadata, "version", version)
    assert install.found() == (found and install.Installed(*found))
