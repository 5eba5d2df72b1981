"""Which network made a picture: its SHA-256 as text in the PNG file, so that no old picture passes for a new one."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, PngImagePlugin

from CovidSegLib.network import models

KEY = "Network SHA-256"


def save_stamped(picture: Image.Image, target: Path) -> None:
    """Write ``picture`` as a small PNG that names the shipped network."""
    text = PngImagePlugin.PngInfo()
    text.add_text(KEY, models.find("default").sha256)
    picture.save(target, optimize=True, pnginfo=text)


def stamp(file: Path) -> str:
    """The SHA-256 of the network that made a picture; "" where it does not tell."""
    with Image.open(file) as picture:
        picture.load()
        return str(picture.info.get(KEY, ""))
