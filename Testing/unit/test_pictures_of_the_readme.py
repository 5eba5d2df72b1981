"""Every picture of the README is made by the network that ships, and says so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from CovidSegLib.network import models
from Testing.kit.stamps import KEY, save_stamped, stamp

NO_NETWORK = {"training_memory.png"}
"""Pictures that no network has a part in."""


def test_a_picture_was_made_by_the_network_that_ships(repository: Path) -> None:
    shipped = models.find("default").sha256
    pictures = {file.name: stamp(file) for file in (repository / "Resources/Screenshots").glob("*.png")}
    made = {name: network for name, network in pictures.items() if name not in NO_NETWORK}
    assert len(made) > 20
    old = sorted(name for name, network in made.items() if network != shipped)
    assert not old, "made by another network: make screenshots"


def test_the_network_is_in_the_text_of_the_file_and_colours_stay(tmp_path: Path) -> None:
    picture = Image.new("RGB", (9, 5), (10, 20, 30))
    for name, made in (("rgb", picture), ("few colours", picture.quantize(8))):
        file = tmp_path / f"{name}.png"
        save_stamped(made, file)
        assert stamp(file) == models.find("default").sha256
        assert KEY.encode() in file.read_bytes()
        assert Image.open(file).convert("RGB").getpixel((3, 3)) == (10, 20, 30)
    picture.save(tmp_path / "plain.png")
    assert stamp(tmp_path / "plain.png") == ""


def test_what_makes_the_pictures_can_be_started(repository: Path) -> None:
    pytest.importorskip("slicer", reason="needs the pip package slicer-core")
    pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    names = re.findall(r"Testing/(\w+)\.py Resources/Screenshots", makefile)
    assert len(names) == 6
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (repository / "Testing", repository / "CovidSeg", repository))),
    }
    command = [sys.executable, "-c", f"import {', '.join(names)}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
