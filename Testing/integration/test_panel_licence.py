"""What the weights may be used for is said at the first Apply, once; signs of errors are seen in both styles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

from CovidSegLib.gui.sections.message_section import ERROR, WARNING
from Testing.kit.panel_steps import finish
from Testing.kit.slicer_window.module import OpenModule

if TYPE_CHECKING:
    from Testing.kit.slicer_window.application import SlicerWorld

SAID = "non-commercial research (CC BY-NC-SA 4.0)"


@pytest.mark.usefixtures("chest", "stand_in_pipeline")
def test_the_first_apply_says_once_that_the_weights_are_for_non_commercial_research(world: SlicerWorld) -> None:
    opened = OpenModule(world)
    label = opened.ui.licenceLabel
    assert label.isHidden()
    finish(opened)
    assert SAID in label.text
    assert not label.isHidden()
    finish(opened)
    assert label.isHidden()
    opened.close()
    later = OpenModule(world)  # the settings of the user remember it
    finish(later)
    assert later.ui.licenceLabel.isHidden()
    later.close()


def luminance(color: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2)."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours (WCAG 2): 1 to 21; signs need 3."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("window", ["#ffffff", "#323232"])
def test_signs_of_errors_are_seen_in_light_and_in_dark_style(window: str) -> None:
    disc, sign = ERROR
    assert contrast(disc, window) >= 3
    assert contrast(disc, sign) >= 3
    disc, sign = WARNING
    assert max(contrast(disc, window), contrast(sign, window)) >= 3
    assert contrast(disc, sign) >= 3


def test_an_error_has_its_sign_beside_it(panel: OpenModule) -> None:
    icon = panel.ui.messageIcon
    assert icon.text == "!"
    assert ERROR[0] in icon.styleSheet
