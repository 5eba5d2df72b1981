"""Corrections in the panel: real MRML, edits by Slicer's Segment Editor logic, runs in a real child process."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer

from CovidSegLib.mrml.scene_corrections import tag
from Testing.kit.panel_steps import reading, sees
from Testing.kit.review_steps import (
    INFECTION,
    LEFT,
    RIGHT,
    another_model,
    healthy_place,
    labels_of,
    review,
    run,
)
from Testing.kit.segment_editor import Reader, voxels_of

pytestmark = pytest.mark.usefixtures("network_once")


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


def test_a_lesion_is_named_by_its_number_and_its_lung(panel, chest, world) -> None:
    node = run(panel)
    content = node.GetSegmentation()
    for name in (LEFT, RIGHT, INFECTION):
        Reader(world.scene, node, chest).erase(name, np.s_[:, :, :])
    columns = slicer.util.arrayFromVolume(chest).shape[2]
    for name, boxes in (
        (RIGHT, [np.s_[4:8, 20:40, 10:20]]),  # on the left of the picture
        (LEFT, [np.s_[4:8, 20:40, columns - 20 : columns - 10]]),
        (INFECTION, [np.s_[5:6, 22:26, columns - 15 : columns - 12], np.s_[5:7, 22:30, 12:16]]),
    ):
        for box in boxes:
            Reader(world.scene, node, chest).paint(name, box)
    assert content.GetNumberOfSegments() == 3
    table = review(panel).widgets.table
    panel.until(lambda: names(table) == ["1 · right lung", "2 · left lung"])
    assert not table.verticalHeader().isHidden()
    section = review(panel)
    section.widgets.table.selectRow(1)
    assert section.selected.lesion.centre_ras[0] < 0, "R is to the right: the second is in the left lung"


def names(table) -> list[str]:
    """What the rows of the list are called."""
    return [table.verticalHeaderItem(row).text() for row in range(table.rowCount)]


def test_where_there_is_no_infection_the_list_says_so(panel, chest, world) -> None:
    node = run(panel)
    widgets = review(panel).widgets
    assert sees(widgets.table)
    assert "no infection" not in widgets.none.text
    Reader(world.scene, node, chest).erase(INFECTION, np.s_[:, :, :])
    panel.until(lambda: "no infection" in widgets.none.text)
    assert sees(widgets.none)
    assert not sees(widgets.table)
    assert not sees(widgets.order)


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


def choose(panel, voxels: np.ndarray, chest) -> None:
    """Choose another scan on the same grid."""
    matrix = slicer.util.vtkMatrixFromArray(np.eye(4))
    chest.GetIJKToRASMatrix(matrix)
    panel.ui.inputSelector.setCurrentNode(slicer.util.addVolumeFromArray(voxels, matrix, "Other"))


def test_a_lesion_of_a_completed_lung_stays_and_the_reader_is_told(panel, chest) -> None:
    node = run(panel)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    for lung in (LEFT, RIGHT):
        logic.SetSegmentStatus(node.GetSegmentation().GetSegment(lung), logic.Completed)
    section = review(panel)
    before = labels_of(node, chest)
    section.widgets.table.selectRow(0)
    section.widgets.delete.click()
    assert "marked as completed" in panel.ui.messageLabel.text
    np.testing.assert_array_equal(labels_of(node, chest), before)
    section.widgets.undo.click()
    assert node.GetSegmentation().GetNumberOfSegments() == 0, "Undo takes the run back: Delete was no step"


def test_lesions_of_another_scan_are_not_listed_where_the_grids_are_equal(panel, chest) -> None:
    node = run(panel)
    section = review(panel)
    choose(panel, slicer.util.arrayFromVolume(chest)[:, ::-1].copy(), chest)
    panel.session.parameters.outputSegmentation = node
    panel.until(lambda: not reading(panel).busy)
    assert section.review is None
    assert panel.ui.messageFrame.isHidden(), "no fault"


def test_a_training_case_is_saved_from_the_panel(panel, chest, tmp_path: Path) -> None:
    from Testing.kit.slicer_window.pythonqt import FileDialog

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


def test_a_training_case_has_the_masks_of_the_moment_when_it_is_saved(panel, chest, world, tmp_path: Path) -> None:
    from Testing.kit.slicer_window.pythonqt import FileDialog

    node = run(panel)
    section = review(panel)
    Reader(world.scene, node, chest).paint(INFECTION, healthy_place(labels_of(node, chest)))
    FileDialog.answers.append(str(tmp_path / "cases"))
    section.widgets.save.click()  # before the list of lesions follows the edit
    panel.until(lambda: section.widgets.saved.text)
    (mask,) = (tmp_path / "cases" / "labels").iterdir()
    np.testing.assert_array_equal(np.asarray(nibabel.load(mask).dataobj).T, labels_of(node, chest))


def test_a_training_case_ends_without_a_word_when_the_scene_is_closed(panel, world, tmp_path: Path) -> None:
    from Testing.kit.slicer_window.pythonqt import FileDialog

    run(panel)
    section = review(panel)
    FileDialog.answers.append(str(tmp_path / "cases"))
    section.widgets.save.click()
    world.scene.Clear(0)
    panel.until(lambda: not section._saving.busy)
    assert panel.ui.messageFrame.isHidden(), panel.ui.messageLabel.text
    assert not section.widgets.saved.text


def complete_infection_and_save(panel, tmp_path: Path):
    """Run on a completed infection segment and save a training case; returns the section with notes on both."""
    from Testing.kit.slicer_window.pythonqt import FileDialog

    node = run(panel)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(node.GetSegmentation().GetSegment(INFECTION), logic.Completed)
    run(panel)
    section = review(panel)
    FileDialog.answers.append(str(tmp_path / "cases"))
    section.widgets.save.click()
    panel.until(lambda: section.widgets.saved.text)
    assert section.widgets.kept.text.startswith("Not touched")
    assert panel.ui.statusLabel.text.startswith("Done in")
    return section


@pytest.mark.parametrize("after", ["another scan is chosen", "the run is undone"])
def test_notes_on_a_run_do_not_stay_when(after: str, panel, chest, tmp_path: Path) -> None:
    section = complete_infection_and_save(panel, tmp_path)
    if after == "the run is undone":
        section.widgets.undo.click()
    else:
        choose(panel, slicer.util.arrayFromVolume(chest), chest)
    assert section.widgets.kept.isHidden()
    assert section.widgets.saved.isHidden()
    assert not panel.ui.statusLabel.text.startswith("Done in")


def test_the_selected_lesion_stays_selected_when_the_list_follows_an_edit(panel, chest, world) -> None:
    node = run(panel)
    section = review(panel)
    section.widgets.table.selectRow(1)
    lesion = section.selected.lesion
    jumps = []
    view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode", "Red")
    view.AddObserver("ModifiedEvent", lambda *_: jumps.append(1))
    Reader(world.scene, node, chest).paint(INFECTION, healthy_place(labels_of(node, chest)))
    panel.until(lambda: "yours" in states(review(panel)))
    assert section.selected.lesion == lesion
    assert section.widgets.delete.enabled
    section.widgets.order.setCurrentIndex(1)
    assert section.selected.lesion == lesion
    assert not jumps, "the slice views stay where the reader works"
    section.widgets.delete.click()
    panel.until(lambda: section.selected is None)
    review(panel)
    assert section.selected is None


def test_a_fault_while_lesions_are_listed_is_told(panel, monkeypatch: pytest.MonkeyPatch) -> None:
    run(panel)
    section = review(panel)
    from CovidSegLib.gui.sections import reading_section

    def fails(*_arguments: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(reading_section, "plan_review", fails)
    panel.session.readingWanted.emit()
    panel.until(lambda: section.review is None)
    assert panel.ui.messageLabel.text.startswith("CovidSeg met a fault of its own")
