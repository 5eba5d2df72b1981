"""Segments in the scene are ready for Slicer's own DICOM SEG export, through the program that it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("highdicom", reason="needs the Python package highdicom (extra: dicom)")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")
pytest.importorskip("dcmqi", reason="needs the Python package dcmqi")

import highdicom
import pydicom
import slicer

from CovidSegLib.mrml.history import UndoPoints
from CovidSegLib.mrml.scene_corrections import mark_edited, read_state
from CovidSegLib.mrml.segmentations import add_segmentation, write_segmentation
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.segmentation import SEGMENTS, Label, Provenance, Segmentation
from Testing.kit.dicom_files import PATIENT, labels_in_place, write_whole_series
from Testing.kit.review_steps import healthy_place, labels_of, review, run
from Testing.kit.segment_editor import Reader
from Testing.kit.slicers_dicom_export import export, phantom_series

if TYPE_CHECKING:
    from CovidSegLib.report.views import OffscreenSlicer

INFECTION = SEGMENTS[-1].id


class Study:
    """A DICOM series, loaded as Slicer's plug-in loads one, and the segments that CovidSeg adds."""

    def __init__(self, mrml: OffscreenSlicer, folder: Path) -> None:
        headers = {path: pydicom.dcmread(path) for path in write_whole_series(folder / "ct").iterdir()}
        self.files = {str(header.SOPInstanceUID): path for path, header in headers.items()}
        heights = {str(header.SOPInstanceUID): header.ImagePositionPatient[2] for header in headers.values()}
        self.scan = read_ct(folder / "ct", Progress())
        self.volume = mrml.add_volume(self.scan)
        self.volume.SetAttribute("DICOM.instanceUIDs", " ".join(sorted(heights, key=heights.get)))
        self.node = add_segmentation(mrml.scene, self.result(), self.volume, "CovidSeg")
        self.reader = Reader(mrml.scene, self.node, self.volume)
        self.output = folder / "a.dcm"

    def result(self, *, infected: bool = True) -> Segmentation:
        """Segments in no symmetry that could hide a swapped or turned axis."""
        labels = np.zeros(self.scan.voxels.shape, np.uint8)
        labels[1:5, 2:10, 9:15] = Label.LEFT_LUNG
        labels[0:5, 3:10, 1:7] = Label.RIGHT_LUNG
        if infected:
            labels[1:3, 2:5, 12:15] = Label.INFECTION
        return Segmentation(labels, self.scan.affine, Provenance("one", "ab" * 32, "onnx", "CPU", "CovidSeg 1.0"))

    def exported(self, labels: np.ndarray) -> highdicom.seg.Segmentation:
        """What Slicer exports, which must be ``labels``."""
        export(self.node, self.files, self.output)
        read = highdicom.seg.segread(self.output)
        np.testing.assert_array_equal(labels_in_place(read, self.result()), labels)
        return read


@pytest.fixture
def study(mrml: OffscreenSlicer, tmp_path: Path) -> Study:
    return Study(mrml, tmp_path)


def test_a_new_segmentation_is_exported_with_its_codes_in_its_study(study: Study) -> None:
    read = study.exported(study.result().labels)
    assert read.FrameOfReferenceUID == PATIENT["FrameOfReferenceUID"]
    assert (read.StudyInstanceUID, read.PatientID) == (PATIENT["StudyInstanceUID"], PATIENT["PatientID"])
    for definition, item in zip(SEGMENTS, read.SegmentSequence, strict=True):
        _, _, kind, modifier, _, region, _ = definition.terminology.split("~")
        assert item.SegmentLabel == definition.name
        assert (item.SegmentAlgorithmType, item.SegmentAlgorithmName) == ("AUTOMATIC", "CovidSeg")
        (type_code,) = item.SegmentedPropertyTypeCodeSequence
        assert type_code.CodeValue == kind.split("^")[1]
        modifiers = type_code.get("SegmentedPropertyTypeModifierCodeSequence", [])
        assert [one.CodeValue for one in modifiers] == [code for code in modifier.split("^")[1:2] if code]
        regions = item.get("AnatomicRegionSequence", [])
        assert [one.CodeValue for one in regions] == [code for code in region.split("^")[1:2] if code]


def test_a_corrected_segmentation_is_exported_as_corrected_also_after_undo(study: Study) -> None:
    study.reader.paint(INFECTION, np.s_[3:5, 4:6, 2:5])
    mark_edited(study.node, read_state(study.node, study.volume))
    expected = study.result().labels.copy()
    expected[3:5, 4:6, 2:5] = Label.INFECTION
    undo = UndoPoints()
    write_segmentation(study.result(infected=False), study.volume, study.node, before_write=undo.save)
    without = study.result(infected=False).labels.copy()
    without[3:5, 4:6, 2:5] = Label.INFECTION
    study.exported(without)
    undo.undo(study.node)
    types = [item.SegmentAlgorithmType for item in study.exported(expected).SegmentSequence]
    assert types == ["AUTOMATIC", "SEMIAUTOMATIC", "SEMIAUTOMATIC"]


def test_a_scan_without_infection_is_exported_without_that_segment(study: Study) -> None:
    write_segmentation(study.result(infected=False), study.volume, study.node)
    read = study.exported(study.result(infected=False).labels)
    assert [item.SegmentLabel for item in read.SegmentSequence] == ["Left lung", "Right lung"]


def test_segments_that_were_loaded_again_are_exported(study: Study, mrml: OffscreenSlicer, tmp_path: Path) -> None:
    storage = slicer.vtkMRMLSegmentationStorageNode()
    mrml.scene.AddNode(storage)
    storage.SetFileName(str(tmp_path / "a.seg.nrrd"))
    assert storage.WriteData(study.node)
    study.node = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "loaded")
    study.node.CreateDefaultDisplayNodes()
    assert storage.ReadData(study.node)
    with pytest.raises(ValueError, match="Referenced volume"):
        study.exported(study.result().labels)  # a file knows of no scan; the next run does
    write_segmentation(study.result(), study.volume, study.node)
    study.exported(study.result().labels)


def test_what_the_panel_made_of_a_series_and_a_reader_corrected_is_exported(panel, world, tmp_path: Path) -> None:
    scan, files = phantom_series(world, tmp_path / "ct")
    panel.ui.inputSelector.setCurrentNode(scan)
    node = run(panel)
    Reader(world.scene, node, scan).paint(INFECTION, healthy_place(labels_of(node, scan)))
    review(panel)
    panel.until(lambda: panel.ui.resultsTable.item(2, 3).text() not in ("0.0", "-"))
    export(node, files, tmp_path / "a.dcm")
    read = highdicom.seg.segread(tmp_path / "a.dcm")
    assert read.SegmentSequence[-1].SegmentAlgorithmType == "SEMIAUTOMATIC"
    exported, labels = read.get_volume(combine_segments=True, allow_missing_positions=True), labels_of(node, scan)
    to_lps = np.diag((-1.0, -1.0, 1.0, 1.0)) @ read_ct(tmp_path / "ct", Progress()).affine
    for label in (1, 2, 3):
        there, here = np.argwhere(exported.array == label), np.argwhere(labels == label)[:, ::-1]
        assert len(there) == len(here) > 0
        places = [
            (affine @ np.c_[found, np.ones(len(found))].T)[:3].mean(axis=1)
            for affine, found in ((exported.affine, there), (to_lps, here))
        ]
        np.testing.assert_allclose(*places, atol=1e-3)
