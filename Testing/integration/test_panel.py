"""The panel, as a clinician uses it: real MRML, real Qt widgets, a real child process (Testing/kit/slicer_window)."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")


def test_a_click_on_apply_brings_three_segments_and_the_table(panel, chest) -> None:
    assert panel.ui.inputSelector.currentNode() is chest
    panel.click("applyButton")
    assert panel.ui.applyButton.text == "Cancel"
    panel.until(lambda: panel.widget.panel.session.run is None)
    print(panel.ui.statusLabel.text, panel.ui.messageLabel.text, panel.ui.detailsText.plainText)
    node = panel.ui.outputSelector.currentNode()
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["LeftLung", "RightLung", "Covid19Infection"]
    assert panel.ui.applyButton.text == "Apply"
