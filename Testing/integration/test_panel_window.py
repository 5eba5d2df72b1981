"""The lung window at one click beside the scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

if TYPE_CHECKING:
    from Testing.kit.slicer_window.application import SlicerWorld
    from Testing.kit.slicer_window.module import OpenModule


@pytest.mark.parametrize("opened_with", ["a window for soft tissue", "an automatic window", "no display"])
def test_a_click_shows_the_scan_in_the_lung_window(panel: OpenModule, chest: object, opened_with: str) -> None:
    display = chest.GetDisplayNode()
    if opened_with == "no display":
        panel.world.scene.RemoveNode(display)
    else:
        display.SetAutoWindowLevel(opened_with == "an automatic window")
        display.SetWindowLevel(400, 40)
    panel.click("lungWindowButton")
    display = chest.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (1500, -600, 0)


def test_without_a_scan_there_is_no_window_to_set(empty_panel: OpenModule, world: SlicerWorld) -> None:
    assert not empty_panel.ui.lungWindowButton.enabled
