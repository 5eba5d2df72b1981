"""What tests of corrections in the panel do again and again: run, wait for the review, choose another network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from CovidSegLib.network import models
from CovidSegLib.segmentation import SEGMENTS

from .segment_editor import voxels_of

LEFT, RIGHT, INFECTION = (segment.id for segment in SEGMENTS)


def run(panel) -> object:
    """Apply, and wait for the end; returns the segmentation."""
    panel.click("applyButton")
    panel.until(lambda: panel.widget.panel.session.run is None)
    assert panel.ui.messageLabel.text == "" or panel.ui.messageFrame.isHidden(), panel.ui.messageLabel.text
    return panel.ui.outputSelector.currentNode()


def review(panel):
    """The Review section, when its list is made."""
    section = panel.section("ReviewSection")
    panel.until(lambda: section.review is not None and section.review.reviewed.time == section_time(section))
    return section


def section_time(section) -> int:
    """When the segments that the list is of were last changed."""
    from CovidSegLib.mrml.scene_corrections import modified_time

    return modified_time(section.review.node)


def another_model(panel, tmp_path: Path) -> None:
    """Choose a network of another name that sees infection at another threshold."""
    default = models.find("default")
    folder = tmp_path / "models"  # of the user, see the fixture world
    folder.mkdir()
    for suffix in (".onnx", ".keras"):
        shutil.copy(default.folder / f"{default.name}{suffix}", folder / f"bolder{suffix}")
    card = {**default.card, "name": "bolder"}
    card["finish"] = {**card.get("finish", {}), "infection": 0.05}
    text = json.dumps(card)
    for suffix in ("onnx", "keras"):
        text = text.replace(f"{default.name}.{suffix}", f"bolder.{suffix}")
    (folder / "bolder.json").write_text(text)
    panel.widget.panel.session.parameters.model = "bolder"


def labels_of(node, chest) -> np.ndarray:
    """What Slicer exports, segment by segment, as labels (z, y, x)."""
    labels = np.zeros(chest.GetImageData().GetDimensions()[::-1], np.uint8)
    for label, segment_id in enumerate((LEFT, RIGHT, INFECTION), 1):
        labels[voxels_of(node, segment_id, chest)] = label
    return labels


def healthy_place(labels: np.ndarray) -> tuple[slice, ...]:
    """A box of 2 x 10 x 10 voxels in a lung, with no infection near it: where the reader paints."""
    lung = np.isin(labels, (1, 2))
    # Sums over boxes of 4 x 16 x 16 voxels.
    boxes = np.lib.stride_tricks.sliding_window_view(lung, (4, 16, 16))[:, ::8, ::8].all(axis=(3, 4, 5))
    k, j, i = np.argwhere(boxes)[len(np.argwhere(boxes)) // 2] * (1, 8, 8)
    return np.s_[k + 1 : k + 3, j + 3 : j + 13, i + 3 : i + 13]
