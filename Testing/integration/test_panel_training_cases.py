"""What *Save as training case* of the panel refuses: nobody's corrections are lost, and no label is made of nothing."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

from Testing.kit.panel_steps import sees
from Testing.kit.review_steps import INFECTION, LEFT, healthy_place, labels_of, review, run
from Testing.kit.segment_editor import Reader
from Testing.kit.slicer_window.pythonqt import FileDialog

pytestmark = pytest.mark.usefixtures("network_once")


def save(panel, folder: Path) -> str:
    """Save the training case; returns what the panel says then, be it a refusal."""
    section = review(panel)
    section.widgets.tell(section.widgets.saved, "")
    panel.ui.messageLabel.text = ""
    FileDialog.answers.append(str(folder))
    panel.until(lambda: section.widgets.save.enabled)
    section.widgets.save.click()
    panel.until(lambda: section.widgets.saved.text or panel.ui.messageLabel.text)
    assert sees(panel.ui.messageFrame) == (not section.widgets.saved.text)
    return section.widgets.saved.text or panel.ui.messageLabel.text


def saved_labels(folder: Path) -> np.ndarray:
    """The labels (z, y, x) of the one case in ``folder``."""
    (mask,) = (folder / "labels").iterdir()
    return np.asarray(nibabel.load(mask).dataobj).T


def test_a_result_that_nobody_corrected_does_not_replace_corrected_labels(panel, chest, world, tmp_path: Path) -> None:
    first = run(panel)
    Reader(world.scene, first, chest).paint(INFECTION, healthy_place(labels_of(first, chest)))
    corrected = labels_of(first, chest)
    assert "Saved as" in save(panel, tmp_path)
    panel.ui.outputSelector.setCurrentNode(None)
    assert run(panel) is not first
    assert "nobody corrected" in save(panel, tmp_path)
    np.testing.assert_array_equal(saved_labels(tmp_path), corrected)
    # The reader's own take their place at any time.
    panel.ui.outputSelector.setCurrentNode(first)
    panel.until(lambda: panel.session.nodes[0] is first)
    Reader(world.scene, first, chest).erase(INFECTION, healthy_place(corrected))
    assert "Saved as" in save(panel, tmp_path)
    np.testing.assert_array_equal(saved_labels(tmp_path), labels_of(first, chest))


@pytest.mark.parametrize("name", [INFECTION, LEFT])
def test_masks_without_one_of_the_segments_are_no_case_but_an_empty_segment_is(
    panel, chest, world, tmp_path: Path, name: str
) -> None:
    node = run(panel)
    content = node.GetSegmentation()
    content.RemoveSegment(name)
    words = save(panel, tmp_path)
    assert "COVID-19 infection" in words if name == INFECTION else "Left lung" in words
    assert "background" in words
    assert list(tmp_path.rglob("*.nii.gz")) == []
    review(panel).widgets.undo.click()  # the run
    run(panel)
    Reader(world.scene, node, chest).erase(name, np.s_[:, :, :])
    assert "Saved as" in save(panel, tmp_path)
    np.testing.assert_array_equal(saved_labels(tmp_path), labels_of(node, chest))
