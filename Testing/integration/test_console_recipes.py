"""The recipes for Slicer's Python console, run as they stand in the book, one after the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import SimpleITK

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

from CovidSegLib.mrml.tables import table_for
from Testing.kit.command_line import rough_chest

if TYPE_CHECKING:
    from Testing.kit.slicer_window.module import OpenModule


def recipes(repository: Path) -> list[str]:
    """The Python blocks of the book's page on the console."""
    text = (repository / "docs/slicer/console.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_three_recipes_do_what_the_book_says(
    panel: OpenModule, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    import slicer

    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").mkdir()
    for name in ("one", "two"):
        image = SimpleITK.GetImageFromArray(rough_chest(6))
        image.SetSpacing((3.0, 3.0, 5.0))
        SimpleITK.WriteImage(image, str(tmp_path / "scans" / f"{name}.nrrd"))
    blocks = recipes(repository)
    assert len(blocks) == 3
    console = {"slicer": slicer}
    said = []
    for block in blocks:
        exec(compile(block, "console.md", "exec"), console)  # as a user pastes it
        said.append(capsys.readouterr().out)
    result = console["result"]
    assert re.fullmatch(r"\d+\.\d % of the lungs are infected\n", said[0])
    assert result.segmentationNode.GetScene() is panel.world.scene
    assert table_for(result.segmentationNode).GetTable().GetNumberOfRows() > 30
    low, high = console["measured"].span("infection_percent")
    assert low < console["measured"].total.infection_percent < high
    assert "Research use only" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert [line.split()[0] for line in said[2].splitlines()] == ["one", "two"]
    assert (tmp_path / "one.seg.nrrd").is_file()
    assert (tmp_path / "two.seg.nrrd").is_file()
