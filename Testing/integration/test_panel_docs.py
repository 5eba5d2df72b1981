"""What the book names on its pages about Slicer is what a reader sees: the texts of the real panel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

from PySide6 import QtWidgets

from CovidSegLib.gui.sections.install_section import _for_run
from Testing.kit.panel_steps import finish
from Testing.kit.slicer_window.module import OpenModule
from Testing.unit.test_docs import SLICERS_OWN

STEPS = ("Apply", "Show 3D", "Edit in Segment Editor", "Left lung", "Right lung", "COVID-19 infection")
"""What the tutorial has a reader click or see, in its order."""


def seen(panel: OpenModule) -> set[str]:
    """Every text on the panel, whatever is folded."""
    texts: set[str] = set()
    for widget in panel.place.findChildren(QtWidgets.QWidget):
        for name in ("text", "title", "placeholderText"):
            said = widget.property(name)
            if isinstance(said, str):
                texts.add(said.replace("&", "").rstrip(":"))
    for choice in panel.place.findChildren(QtWidgets.QComboBox):
        texts |= {choice.itemText(number) for number in range(QtWidgets.QComboBox.count(choice))}
    return texts


def test_every_section_of_the_panel_has_a_page_with_its_name(panel: OpenModule, repository: Path) -> None:
    folds = [one for one in panel.place.findChildren(QtWidgets.QWidget) if type(one).__name__ == "ctkCollapsibleButton"]
    titles = {str(fold.property("text")) for fold in folds} - {"Details"}
    assert len(titles) >= 5
    book = (repository / "mkdocs.yml").read_text(encoding="utf-8")
    tutorial = (repository / "docs/slicer/index.md").read_text(encoding="utf-8")
    pages = {page.read_text(encoding="utf-8").partition("\n")[0] for page in (repository / "docs/slicer").glob("*.md")}
    assert not [title for title in titles if f"# {title}" not in pages or f"- {title}: slicer/" not in book]
    assert not [title for title in titles if f"[{title}](" not in tutorial]


def named(page: Path) -> set[str]:
    """What ``page`` names in italics."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {one.strip() for found in re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", text) for one in found.split("→")}


@pytest.mark.usefixtures("stand_in_pipeline")
def test_the_pages_name_what_the_panel_says(panel: OpenModule, repository: Path) -> None:
    texts = seen(panel)
    panel.click("applyButton")
    texts |= seen(panel)
    panel.until(lambda: not panel.running)
    finish(panel)
    section = panel.section("InstallSection")
    section._ask(_for_run(None))
    texts |= seen(panel)
    segments = panel.session.result.segmentationNode.GetSegmentation()
    texts |= {segments.GetNthSegment(number).GetName() for number in range(segments.GetNumberOfSegments())}
    pages = sorted((repository / "docs/slicer").glob("*.md"))
    assert pages
    for page in pages:
        missing = {name for name in named(page) - SLICERS_OWN if not any(text.startswith(name) for text in texts)}
        assert not missing, page.name
    tutorial = (repository / "docs/slicer/index.md").read_text(encoding="utf-8")
    places = [tutorial.index(f"*{step}") for step in STEPS]
    assert places == sorted(places)
