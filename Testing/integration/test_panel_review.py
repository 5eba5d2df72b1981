"""Corrections in the panel: real MRML, edits by Slicer's Segment Editor logic, runs in a real child process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer

from CovidSegLib.mrml.corrections import tag
from CovidSegLib.network import models
from CovidSegLib.pipeline import Options
from Testing.kit.segment_editor import Reader, voxels_of

LEFT, RIGHT, INFECTION = "LeftLung", "RightLung", "Covid19Infection"


def run(panel) -> object:
    """Apply, and wait for the end; returns the segmentation."""
    panel.click("applyButton")
    panel.until(lambda: panel.widget.panel.session.run is None)
    assert panel.ui.messageLabel.text == "" or panel.ui.messageFrame.isHidden(), panel.ui.messageLabel.text
    return panel.ui.outputSelector.currentNode()


def review(panel):
    """The Review section, when its list is made."""
    section = next(one for one in panel.widget.panel.sections if type(one).__name__ == "ReviewSection")
    panel.until(lambda: section.review is not None and section.review.state.time == section_time(section))
    return section


def section_time(section) -> int:
    from CovidSegLib.gui.review_section import plan_time

    return plan_time(section.review.node)


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


def test_edit_run_with_another_model_save_reload_run_undo(panel, chest, world, tmp_path: Path) -> None:
    node = run(panel)
    first = labels_of(node, chest)
    assert not review(panel).widgets.kept.visible
    reader = Reader(world.scene, node, chest)
    reader.paint(INFECTION, healthy_place(first))
    lesion = first == 3
    slices = np.flatnonzero(lesion.any(axis=(1, 2)))
    gone = np.s_[int(slices[0]) : int(slices[len(slices) // 2]), :, :]
    reader.erase(INFECTION, gone)
    k = int((labels_of(node, chest) == 2).sum(axis=(1, 2)).argmax())
    rows = np.flatnonzero((first[k] == 2).any(axis=1))
    before = labels_of(node, chest)
    reader.cut_inside(INFECTION, np.s_[k : k + 1, int(rows[0]) : int(rows[len(rows) // 4]), :], RIGHT)
    expected = labels_of(node, chest)
    assert set(before[expected != before]) == {2}
    reader.paint(LEFT, np.s_[0:2, 0:9, 0:9])
    reader.undo()
    np.testing.assert_array_equal(labels_of(node, chest), expected)
    readers = expected != first
    assert readers.any()
    section = review(panel)
    panel.until(lambda: panel.ui.resultsTable.item(2, 3).text() not in ("0.0", "-"))
    assert tag(node.GetSegmentation().GetSegment(INFECTION), "DICOM.SegmentAlgorithmType") == "SEMIAUTOMATIC"

    another_model(panel, tmp_path)
    assert run(panel) is node
    second = labels_of(node, chest)
    np.testing.assert_array_equal(second[readers], expected[readers])
    assert (second != expected)[~readers].any(), "another network, the same masks"
    assert tag(node.GetSegmentation().GetSegment(INFECTION), "CovidSeg.Model") == "bolder"
    ml = np.count_nonzero(readers) * np.prod(chest.GetSpacing()) / 1000
    assert section.widgets.kept.text.startswith(f"{ml:.0f} mL" if ml >= 10 else f"{ml:.2f} mL")

    # Save, close, reload: the scene as a file, the panel as it comes back.
    slicer.mrmlScene.SetURL(str(tmp_path / "scene.mrml"))
    for one in (node, chest):
        one.AddDefaultStorageNode()
        storage = one.GetStorageNode()
        suffix = "seg.nrrd" if one is node else "nrrd"
        storage.SetFileName(str(tmp_path / f"{one.GetID()}.{suffix}"))
        assert storage.WriteData(one)
    assert slicer.mrmlScene.Commit()
    reader = None
    slicer.mrmlScene.Clear(0)
    slicer.app.processEvents()
    assert slicer.mrmlScene.Import()
    panel.enter()
    loaded = panel.ui.outputSelector.currentNode()
    scan = panel.ui.inputSelector.currentNode()
    np.testing.assert_array_equal(labels_of(loaded, scan), second)
    section = review(panel)
    panel.widget.panel.session.parameters.model = "default"
    run(panel)
    third = labels_of(loaded, scan)
    np.testing.assert_array_equal(third, np.where(readers, expected, first))

    section = review(panel)
    section.widgets.undo.click()
    np.testing.assert_array_equal(labels_of(loaded, scan), second)
    assert tag(loaded.GetSegmentation().GetSegment(INFECTION), "CovidSeg.Model") == "bolder"
    review(panel)
    section.widgets.redo.click()
    np.testing.assert_array_equal(labels_of(loaded, scan), third)


def test_one_undo_in_the_segment_editor_takes_the_run_back(panel, chest, world, tmp_path: Path) -> None:
    node = run(panel)
    reader = Reader(world.scene, node, chest)
    world.editor.history = reader.logic
    reader.editor_node.SetSingletonTag("SegmentEditor")
    reader.paint(INFECTION, healthy_place(labels_of(node, chest)))
    before = labels_of(node, chest)
    review(panel)
    another_model(panel, tmp_path)
    run(panel)
    assert (labels_of(node, chest) != before).any()
    review(panel)
    reader.undo()
    np.testing.assert_array_equal(labels_of(node, chest), before)


def test_what_was_edited_after_a_run_that_is_undone_comes_back_in_the_segment_editor(
    panel, chest, world, tmp_path: Path
) -> None:
    node = run(panel)
    another_model(panel, tmp_path)
    before = labels_of(node, chest)
    run(panel)
    reader = Reader(world.scene, node, chest)
    world.editor.history = reader.logic
    reader.editor_node.SetSingletonTag("SegmentEditor")
    reader.paint(INFECTION, healthy_place(labels_of(node, chest)))
    edited = labels_of(node, chest)
    section = review(panel)
    section.widgets.undo.click()
    np.testing.assert_array_equal(labels_of(node, chest), before)
    reader.paint(LEFT, np.s_[0:2, 0:9, 0:9])  # the panel's Redo is gone with this
    reader.undo()
    reader.undo()
    np.testing.assert_array_equal(labels_of(node, chest), edited)


def test_what_was_edited_after_a_run_that_is_undone_comes_back_in_the_panel_too(panel, chest, world) -> None:
    """Also where the Segment Editor was never opened, and after another edit has taken the Redo away."""
    node = run(panel)
    before = labels_of(node, chest)
    run(panel)
    reader = Reader(world.scene, node, chest)
    reader.paint(INFECTION, healthy_place(before))
    edited = labels_of(node, chest)
    section = review(panel)
    section.widgets.undo.click()
    np.testing.assert_array_equal(labels_of(node, chest), before)
    reader.paint(LEFT, np.s_[0:2, 0:9, 0:9])
    panel.until(lambda: not section.widgets.redo.enabled)
    review(panel)
    section.widgets.undo.click()
    np.testing.assert_array_equal(labels_of(node, chest), before)
    review(panel)
    section.widgets.undo.click()
    np.testing.assert_array_equal(labels_of(node, chest), edited)


def test_a_run_can_be_taken_back_after_many_lesions_were_reviewed(panel, chest, world, tmp_path: Path) -> None:
    node = run(panel)
    before = labels_of(node, chest)
    another_model(panel, tmp_path)
    run(panel)
    section = review(panel)
    for number in range(8):
        section.widgets.table.selectRow(0)
        (section.widgets.delete if number == 4 else section.widgets.accept).click()
        review(panel)
    for _ in range(9):
        assert section.widgets.undo.enabled
        section.widgets.undo.click()
        review(panel)
    np.testing.assert_array_equal(labels_of(node, chest), before)
    assert not section.widgets.undo.enabled
    assert tag(node.GetSegmentation().GetSegment(INFECTION), "CovidSeg.Model") == models.find("default").name


def test_a_run_from_the_console_is_taken_back_by_the_undo_of_the_panel(panel, chest, world, tmp_path: Path) -> None:
    node = run(panel)
    Reader(world.scene, node, chest).paint(INFECTION, healthy_place(labels_of(node, chest)))
    before = labels_of(node, chest)
    another_model(panel, tmp_path)
    panel.file.CovidSegLogic().process(chest, node, options=Options(model="bolder"))
    assert (labels_of(node, chest) != before).any()
    section = review(panel)
    panel.until(lambda: section.widgets.undo.enabled)
    section.widgets.undo.click()
    np.testing.assert_array_equal(labels_of(node, chest), before)


def test_lesions_are_listed_shown_accepted_deleted_and_edited(panel, chest, world, tmp_path: Path) -> None:
    node = run(panel)
    Reader(world.scene, node, chest).paint(INFECTION, healthy_place(labels_of(node, chest)))
    panel.until(lambda: "yours" in states(review(panel)))
    section = review(panel)
    volumes = [float(section.widgets.table.item(row, 0).text()) for row in range(section.widgets.table.rowCount)]
    assert volumes == sorted(volumes, reverse=True)
    section.widgets.order.setCurrentIndex(1)
    sure = [section.widgets.table.item(row, 1).text() for row in range(section.widgets.table.rowCount)]
    numbers = [int(text) for text in sure if text != "-"]
    assert numbers == sorted(numbers)
    assert sure[-1] == "-", "what only the reader drew comes last"

    views = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode", name) for name in ("Red", "Green")]
    for view, orientation in zip(views, ("Axial", "Coronal"), strict=True):
        view.SetOrientation(orientation)
    section.widgets.order.setCurrentIndex(0)
    row = next(row for row in range(section.widgets.table.rowCount) if section.widgets.table.item(row, 2).text() == "")
    section.widgets.table.selectRow(row)
    centre = section.selected.lesion.centre_ras
    assert views[0].GetSliceOffset() == pytest.approx(centre[2], abs=1e-3)
    assert views[1].GetSliceOffset() == pytest.approx(centre[1], abs=1e-3)

    mask = section.review.mask(section.selected)
    section.widgets.edit.click()
    assert world.selected_modules[-1] == "SegmentEditor"
    assert (world.editor.segmentation, world.editor.segment_id) == (node, INFECTION)
    section.widgets.accept.click()
    accepted = review(panel)
    panel.until(lambda: states(accepted).count("yours") == 2)
    # Even a network that finds no infection at all leaves it.
    another_model(panel, tmp_path)
    card = json.loads((tmp_path / "models" / "bolder.json").read_text())
    card["finish"]["infection"] = 1.01
    (tmp_path / "models" / "bolder.json").write_text(json.dumps(card))
    run(panel)
    infection = voxels_of(node, INFECTION, chest)
    assert infection[mask].all()

    section = review(panel)
    panel.until(lambda: len(states(section)) == 2)
    section.widgets.table.selectRow(states(section).index("yours"))
    lesion = section.review.mask(section.selected)
    section.widgets.delete.click()
    lungs = voxels_of(node, LEFT, chest) | voxels_of(node, RIGHT, chest)
    assert not voxels_of(node, INFECTION, chest)[lesion].any()
    assert lungs[lesion].all()
    review(panel)
    section.widgets.undo.click()
    np.testing.assert_array_equal(voxels_of(node, INFECTION, chest), infection)


def states(section) -> list[str]:
    table = section.widgets.table
    return [table.item(row, 2).text() for row in range(table.rowCount)]


def test_a_completed_infection_segment_cannot_be_changed_from_the_list(panel, chest) -> None:
    node = run(panel)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(node.GetSegmentation().GetSegment(INFECTION), logic.Completed)
    section = review(panel)
    section.widgets.table.selectRow(0)
    assert not section.widgets.delete.enabled
    assert not section.widgets.accept.enabled
    assert section.widgets.edit.enabled
    before = labels_of(node, chest)
    run(panel)
    np.testing.assert_array_equal(labels_of(node, chest) == 3, before == 3)
    assert section.widgets.kept.text.startswith("Not touched: COVID-19 infection")


def test_a_training_case_is_saved_from_the_panel(panel, chest, tmp_path: Path) -> None:
    from kit.slicer_window.pythonqt import FileDialog

    chest.SetName("Doe^John")
    node = run(panel)
    section = review(panel)
    FileDialog.answers.append(str(tmp_path / "cases"))
    section.widgets.save.click()
    panel.until(lambda: section.widgets.saved.text)
    (image,) = (tmp_path / "cases" / "images").iterdir()
    mask = nibabel.load(tmp_path / "cases" / "labels" / image.name)
    np.testing.assert_array_equal(np.asarray(mask.dataobj).T, labels_of(node, chest))
    assert not [path for path in (tmp_path / "cases").rglob("*") if "Doe" in path.name]
