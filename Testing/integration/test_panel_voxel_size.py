"""The size of the scan's voxels on the panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

if TYPE_CHECKING:
    from kit.slicer_window.module import OpenModule


def test_the_panel_says_how_large_the_voxels_are(panel: OpenModule, chest: object) -> None:
    chest.SetSpacing(0.5, 0.75, 2)
    panel.session.parametersModified()
    assert panel.ui.voxelSizeLabel.text == "Voxels: 0.50 x 0.75 x 2.00 mm"
