"""Corrections that were sent out as DICOM SEG come back: by their codes they are ours, and all of them the reader's."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")
pytest.importorskip("dcmqi", reason="needs the Python package dcmqi")

import slicer

from CovidSegLib.corrections.merge import RECORD_TAG
from CovidSegLib.mrml.readback import read_labels
from Testing.kit.command_line import CLEAN, CommandLine, told_scan
from Testing.kit.review_steps import INFECTION, LEFT, RIGHT, healthy_place, labels_of, review, run
from Testing.kit.rewritten import erase, rewrite
from Testing.kit.rewritten import labels_of as labels_in_file
from Testing.kit.segment_editor import Reader
from Testing.kit.slicers_dicom_export import export, phantom_series
from Testing.kit.slicers_dicom_import import load

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the kit's command line is for Unix")


@pytest.fixture
def returned(panel, world, tmp_path: Path):
    """A series in the scene, a reader's corrected labels of it, and those as they come back in a DICOM SEG."""
    scan, files = phantom_series(world, tmp_path / "ct")
    panel.ui.inputSelector.setCurrentNode(scan)
    node = run(panel)
    Reader(world.scene, node, scan).paint(INFECTION, healthy_place(labels_of(node, scan)))
    corrected = labels_of(node, scan)
    export(node, files, tmp_path / "a.dcm")
    world.scene.RemoveNode(node)
    node = load(world.scene, tmp_path / "a.dcm", scan)
    panel.ui.outputSelector.setCurrentNode(node)
    assert not {LEFT, RIGHT, INFECTION} & set(node.GetSegmentation().GetSegmentIDs())
    return node, scan, corrected


def test_a_loaded_dicom_seg_has_its_numbers_and_a_run_leaves_it_as_the_reader_sent_it(
    panel, returned, tmp_path: Path
) -> None:
    node, scan, corrected = returned
    names = node.GetSegmentation().GetSegmentIDs()
    panel.until(lambda: panel.session.shown.value is not None)
    voxel = np.prod(scan.GetSpacing()) / 1000
    infection = panel.session.shown.value.measurements.total.infection_ml
    assert infection == pytest.approx(np.count_nonzero(corrected == 3) * voxel)
    assert run(panel) is node
    assert review(panel).widgets.kept.text.startswith("Not touched: Left lung, Right lung, COVID-19 infection")
    assert node.GetSegmentation().GetSegmentIDs() == names
    np.testing.assert_array_equal(read_labels(node, scan), corrected)
    storage = slicer.vtkMRMLSegmentationStorageNode()
    slicer.mrmlScene.AddNode(storage)
    folder = tmp_path / "files"
    folder.mkdir()
    storage.SetFileName(str(folder / "a.seg.nrrd"))
    assert storage.WriteData(node)
    command = CommandLine(folder)
    assert command.run("report", "../ct", "a.seg.nrrd", "-o", "a.json").returncode == 0
    assert command.run("training-case", "../ct", "a.seg.nrrd", "set").returncode == 0
    (labels,) = (folder / "set" / "labels").iterdir()
    assert np.count_nonzero(np.asarray(nibabel.load(labels).dataobj) == 3) == np.count_nonzero(corrected == 3)


def test_a_lesion_of_a_loaded_dicom_seg_can_be_deleted(panel, returned) -> None:
    node, scan, corrected = returned
    names = node.GetSegmentation().GetSegmentIDs()
    panel.until(lambda: panel.session.shown.value is not None)
    section = review(panel)
    section.widgets.table.selectRow(0)
    lesion = section.review.mask(section.selected)
    section.widgets.delete.click()
    assert node.GetSegmentation().GetSegmentIDs() == names
    labels = read_labels(node, scan)
    assert lesion.any()
    assert np.isin(labels[lesion], (1, 2)).all()
    np.testing.assert_array_equal(labels[~lesion], corrected[~lesion])


def test_a_file_of_a_loaded_dicom_seg_is_brought_up_to_date_as_one_of_ours(tmp_path: Path) -> None:
    told_scan(tmp_path / "ct.nii.gz", CLEAN)
    command = CommandLine(tmp_path, stand_in=True)
    assert command.run("segment", "ct.nii.gz", "-o", "a.seg.nrrd").returncode == 0
    ids = {name: f"Segment_{number}" for number, name in enumerate((LEFT, RIGHT, INFECTION))}
    rewrite(tmp_path / "a.seg.nrrd", erase, {**ids, RECORD_TAG: "Lost"})
    before = labels_in_file(tmp_path / "a.seg.nrrd")
    assert "would be lost" in command.refused("segment", "ct.nii.gz", "-o", "a.seg.nrrd")
    ended = command.run("segment", "ct.nii.gz", "-o", "a.seg.nrrd", "-o", "a.nii.gz", "--keep-edits")
    assert ended.returncode == 0, ended.stderr
    for name in ("a.seg.nrrd", "a.nii.gz"):
        np.testing.assert_array_equal(labels_in_file(tmp_path / name), before)
