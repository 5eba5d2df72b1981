"""Estimated lobes in Slicer: the panel's line, the table and Segment Statistics show the score with its range."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

from CovidSegLib.corrections.reviewed_segments import STATUS_TAG
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures import Lobe, Measurements, measure
from CovidSegLib.measures.lobe_map import estimated_lobe_map
from CovidSegLib.measures.lobes import lobe_name
from CovidSegLib.measures.measurements_record import MeasurementsRecord
from CovidSegLib.mrml.covidseg_segments import tag
from CovidSegLib.mrml.readback import lobes_state, mark_checked, read_lobes
from CovidSegLib.mrml.segment_statistics import NUMBERS, _value, _with_range, register
from CovidSegLib.mrml.segmentations import add_segmentation
from CovidSegLib.mrml.tables import table_for, write_table
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.segfiles.dicom_labels import read_dicom_labels
from CovidSegLib.segfiles.lobe_files import ALGORITHM, ESTIMATED_TAG, _lobe_of, _segment, read_lobe_map, write_lobes
from CovidSegLib.segfiles.seg_nrrd import FileSegment, write_layers
from CovidSegLib.segmentation import Label, Provenance, Segmentation
from Testing.kit.drawn_lungs import AFFINE, SPACING, drawn_lungs, lobes_of_another_program

if TYPE_CHECKING:
    from CovidSegLib.report.views import OffscreenSlicer
    from Testing.kit.slicer_window.application import SlicerWorld
    from Testing.kit.slicer_window.module import OpenModule

MADE = Provenance("network", "0" * 64, "onnx", "cpu", "CovidSeg")


def scan() -> CtVolume:
    return CtVolume(np.where(drawn_lungs() == 0, 40, -850).astype(np.int16), AFFINE)


def test_the_panels_line_shows_the_score_with_its_range_and_that_it_is_estimated(world: SlicerWorld) -> None:
    from CovidSegLib.gui.sections.numbers_section import summary

    measured = measure(drawn_lungs(), Grid(AFFINE, drawn_lungs().shape))
    found = measured.severity
    assert f"CT severity {found.score} ({found.low} to {found.high})/25, lobes estimated" in summary(measured)


def test_statistics_ask_for_the_range_wherever_the_score_is_asked_for() -> None:
    three = {key for key in NUMBERS if key.startswith("severity_estimated")}
    assert len(three) == 3
    assert all(three <= set(_with_range([key])) for key in three)
    assert _with_range(["lesions"]) == ["lesions"]
    measured = measure(drawn_lungs(), Grid(AFFINE, drawn_lungs().shape))
    values = {key: _value(key, MeasurementsRecord.of(measured), Label.INFECTION) for key in three}
    found = measured.severity
    assert sorted(values.values()) == sorted([found.low, found.score, found.high])
    assert all("estimated" in NUMBERS[key][0].title for key in three)


def test_the_table_has_the_range_beside_the_score(mrml: OffscreenSlicer) -> None:
    node = mrml.add_volume(scan())
    segments = add_segmentation(mrml.scene, Segmentation(drawn_lungs(), AFFINE, MADE), node, "COVID-19")
    measured = measure(drawn_lungs(), Grid(AFFINE, drawn_lungs().shape))
    table = table_for(segments)
    write_table(measured, table)
    content = table.GetTable()
    rows = [
        row
        for row in range(content.GetNumberOfRows())
        if content.GetValueByName(row, "Measure").ToString().startswith("CT severity score")
    ]
    assert len(rows) == 1
    assert "estimated" in content.GetValueByName(rows[0], "Measure").ToString()
    low, high = (content.GetValueByName(rows[0], name).ToDouble() for name in ("Low", "High"))
    assert (low, high) == (measured.severity.low, measured.severity.high)


SCORE = "CovidSegSegmentStatisticsPlugin.severity_estimated"


def statistics(slicer: OffscreenSlicer) -> tuple[Any, Any]:
    """The node of the scan, and Segment Statistics that is to count the drawn lungs on it."""
    from Testing.kit.segment_statistics import install

    logic_class = install()
    register()
    node = slicer.add_volume(scan())
    segments = add_segmentation(slicer.scene, Segmentation(drawn_lungs(), AFFINE, MADE), node, "COVID-19")
    logic = logic_class()
    logic.getParameterNode().SetParameter("Segmentation", segments.GetID())
    logic.getParameterNode().SetParameter("ScalarVolume", node.GetID())
    return node, logic


def test_segment_statistics_shows_the_score_with_its_range(mrml: OffscreenSlicer) -> None:
    _node, logic = statistics(mrml)
    logic.computeStatistics()
    found, expected = logic.getStatistics(), measure(drawn_lungs(), Grid(AFFINE, drawn_lungs().shape)).severity
    for key, value in (("", expected.score), ("_low", expected.low), ("_high", expected.high)):
        assert found["Covid19Infection", SCORE + key] == value
        assert "estimated" in found["MeasurementInfo"][SCORE + key]["title"]


def test_segment_statistics_follows_lobes_that_come_and_says_that_they_were_corrected(world: SlicerWorld) -> None:
    node, logic = statistics(world.logics)
    logic.computeStatistics()
    assert "corrected" not in logic.getStatistics()["MeasurementInfo"][SCORE]["title"]
    lobes = estimate_in(world, node, lobes_of_another_program())
    lobes.GetSegmentation().GetSegment("LEFT_UPPER").SetName("Left upper lobe (estimated)")
    logic.computeStatistics()
    found = logic.getStatistics()
    expected = measure(drawn_lungs(), scan().grid, lobes=read_lobes(world.scene, node)).severity
    for key, value in (("", expected.score), ("_low", expected.low), ("_high", expected.high)):
        assert found["Covid19Infection", SCORE + key] == value
        assert "lobes estimated, corrected" in found["MeasurementInfo"][SCORE + key]["title"]
    mark_checked(world.scene, lobes.GetID(), checked=True)
    logic.computeStatistics()
    assert ("Covid19Infection", SCORE) not in logic.getStatistics()


def after_a_run(world: SlicerWorld, panel: OpenModule) -> tuple[Any, Any]:
    """The scan's node and the section of the numbers, after Apply on a scan in which the drawn lungs are found."""
    from Testing.kit.panel_steps import DRAWN_HU, IS_DRAWN

    voxels = np.where(drawn_lungs() == 0, 40, DRAWN_HU - drawn_lungs().astype(np.int16)).astype(np.int16)
    voxels[0, 0, 0] = IS_DRAWN
    node = world.logics.add_volume(CtVolume(voxels, AFFINE))
    panel.session.parameters.inputVolume = node
    panel.click("applyButton")
    panel.until(lambda: not panel.running)
    return node, panel.section("NumbersSection")


@pytest.mark.usefixtures("stand_in_pipeline")
def test_after_a_run_and_a_correction_the_panel_shows_the_score_with_its_range(
    world: SlicerWorld, empty_panel: OpenModule
) -> None:
    from Testing.kit.segment_editor import Reader

    panel = empty_panel
    node, section = after_a_run(world, panel)

    def line(labels: np.ndarray) -> str:
        found = measure(labels, Grid(AFFINE, labels.shape)).severity
        return f"CT severity {found.score} ({found.low} to {found.high})/25, lobes estimated"

    before = line(drawn_lungs())
    panel.until(lambda: before in section.line.text)
    segments = panel.session.parameters.outputSegmentation
    corrected = drawn_lungs()
    corrected[30:60][corrected[30:60] == Label.LEFT_LUNG] = Label.INFECTION
    after = line(corrected)
    assert after != before
    reader = Reader(world.scene, segments, node)
    part = (corrected == Label.INFECTION) & (drawn_lungs() == Label.LEFT_LUNG)
    reader.paint("Covid19Infection", np.nonzero(part))
    panel.until(lambda: after in section.line.text)


def test_estimated_lobes_leave_slicer_as_a_dicom_seg_that_says_so_and_are_told_from_a_readers(
    mrml: OffscreenSlicer, tmp_path: Path
) -> None:
    pytest.importorskip("dcmqi", reason="needs the Python package dcmqi")
    import pydicom

    from Testing.kit.dicom_files import PATIENT, write_series
    from Testing.kit.slicers_dicom_export import export

    heights = [SPACING[2] * k for k in range(len(drawn_lungs()))]
    files = write_series(tmp_path / "ct", scan().voxels, heights, **PATIENT, PixelSpacing=list(SPACING[1::-1]))
    by_uid = {str(pydicom.dcmread(file).SOPInstanceUID): file for file in files}
    volume = read_ct(tmp_path / "ct", Progress())
    node = mrml.add_volume(volume)
    node.SetAttribute("DICOM.instanceUIDs", " ".join(by_uid))
    estimated = estimated_lobe_map(drawn_lungs(), volume.grid)

    def exported(lobe_map: np.ndarray, path: Path) -> Path:
        write_lobes(lobe_map, volume.grid, tmp_path / "lobes.seg.nrrd", estimated.found.model[1])
        lobes = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "lobes")
        storage = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
        storage.SetFileName(str(tmp_path / "lobes.seg.nrrd"))
        assert storage.ReadData(lobes) == 1
        lobes.SetReferenceImageGeometryParameterFromVolumeNode(node)
        export(lobes, by_uid, path)
        return path

    exported(estimated.lobes, tmp_path / "lobes.dcm")
    written = pydicom.dcmread(tmp_path / "lobes.dcm")
    assert {_lobe_of(segment) for segment in written.SegmentSequence} == set(Lobe)
    for segment in written.SegmentSequence:
        assert "(estimated)" in segment.SegmentLabel
        assert (segment.SegmentAlgorithmType, segment.SegmentAlgorithmName) == ("AUTOMATIC", ALGORITHM)
        number = int(segment.SegmentNumber)
        mask = read_dicom_labels(tmp_path / "lobes.dcm", volume, lambda _, number=number: {number: 1})
        assert ((mask == 1) == (estimated.lobes == _lobe_of(segment))).all()
    assert read_lobe_map(tmp_path / "lobes.dcm", volume).estimated
    corrected = estimated.lobes.copy()
    corrected[44:50][corrected[44:50] == Lobe.LEFT_LOWER] = Lobe.LEFT_UPPER
    given = read_lobe_map(exported(corrected, tmp_path / "corrected.dcm"), volume)
    assert (given.lobes == corrected).all()
    assert (given.estimated, given.checked) == (True, False)


def estimate_in(world: SlicerWorld, node, lobe_map: np.ndarray):
    """Lobes in the scene without any sign of whose they are, and who edits them."""
    from Testing.kit.segment_editor import Reader

    lobes = world.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "lobes")
    lobes.SetReferenceImageGeometryParameterFromVolumeNode(node)
    reader = Reader(world.scene, lobes, node)
    for lobe in Lobe:
        lobes.GetSegmentation().AddEmptySegment(lobe.name, lobe_name(lobe))
        reader.paint(lobe.name, np.nonzero(lobe_map == lobe))
        segment = lobes.GetSegmentation().GetSegment(lobe.name)
        segment.SetTag("TerminologyEntry", _segment(lobe, "").tags["TerminologyEntry"])
    return lobes


def test_lobes_of_another_program_come_before_an_estimate_that_was_loaded_earlier(world: SlicerWorld) -> None:
    node = world.logics.add_volume(scan())
    own = estimate_in(world, node, estimated_lobe_map(drawn_lungs(), scan().grid).lobes)
    own.GetSegmentation().GetSegment("LEFT_UPPER").SetTag(ESTIMATED_TAG, "0" * 64)
    before = lobes_state(world.scene, node)
    other = estimate_in(world, node, lobes_of_another_program())
    assert lobes_state(world.scene, node) != before
    measured = measure(drawn_lungs(), scan().grid, lobes=read_lobes(world.scene, node))
    assert (measured.lobes_are, measured.lobes_from) == ("given", other.GetID())
    world.scene.RemoveNode(other)
    alone = measure(drawn_lungs(), scan().grid, lobes=read_lobes(world.scene, node))
    assert (alone.lobes_are, alone.lobes_from) == ("estimated", own.GetID())


def test_segments_of_one_lobe_are_that_lobe_together_in_scene_and_file(world: SlicerWorld, tmp_path: Path) -> None:
    from Testing.kit.segment_editor import Reader

    node, whole = world.logics.add_volume(scan()), lobes_of_another_program()
    part = (whole == Lobe.LEFT_LOWER) & (np.arange(len(whole)) > 30)[:, None, None]
    lobes = estimate_in(world, node, np.where(part, 0, whole))
    lobes.GetSegmentation().AddEmptySegment("part", "left lower lobe, superior segment")
    Reader(world.scene, lobes, node).paint("part", np.nonzero(part))
    more = lobes.GetSegmentation().GetSegment("part")
    more.SetTag("TerminologyEntry", _segment(Lobe.LEFT_LOWER, "").tags["TerminologyEntry"])
    found = read_lobes(world.scene, node)
    assert (found.lobes == whole).all()
    assert not found.estimated
    path = tmp_path / "lobes.seg.nrrd"
    segments = [_segment(lobe, "") for lobe in Lobe]
    twice = FileSegment({**_segment(Lobe.LEFT_LOWER, "").fields, "ID": "part", "LabelValue": "6"})
    write_layers([np.where(part, 6, whole).astype(np.uint8)], AFFINE, [*segments, twice], path)
    assert (read_lobe_map(path, scan()).lobes == found.lobes).all()
    more.SetName("Left lower lobe (estimated)")
    assert read_lobes(world.scene, node).estimated
    for checked in (True, False):
        mark_checked(world.scene, lobes.GetID(), checked=checked)
        assert read_lobes(world.scene, node).checked is checked
    assert tag(more, STATUS_TAG) == "inprogress"


def test_an_estimate_that_was_loaded_is_one_until_all_of_it_is_marked_as_completed(world: SlicerWorld) -> None:
    node = world.logics.add_volume(scan())
    lobes = estimate_in(world, node, lobes_of_another_program())

    def measured() -> Measurements:
        return measure(drawn_lungs(), scan().grid, lobes=read_lobes(world.scene, node))

    assert measured().lobes_are == "given"
    segments = [lobes.GetSegmentation().GetSegment(lobe.name) for lobe in Lobe]
    for sign in (
        lambda: segments[0].SetTag(ESTIMATED_TAG, "0" * 64),
        lambda: segments[1].SetTag("DICOM.SegmentAlgorithmName", ALGORITHM),
        lambda: segments[2].SetName("Right upper lobe (estimated)"),
    ):
        before = lobes_state(world.scene, node)
        sign()
        assert lobes_state(world.scene, node) != before
        assert read_lobes(world.scene, node).estimated
        for segment in segments:
            segment.RemoveTag(ESTIMATED_TAG)
            segment.RemoveTag("DICOM.SegmentAlgorithmName")
            segment.SetName("lobe")
        assert not read_lobes(world.scene, node).estimated
    segments[0].SetTag(ESTIMATED_TAG, "0" * 64)
    assert measured().lobes_are == "estimated, corrected"
    for segment in segments[:4]:
        segment.SetTag(STATUS_TAG, "completed")
    assert not read_lobes(world.scene, node).checked
    mark_checked(world.scene, lobes.GetID(), checked=True)
    assert measured().lobes_are == "estimated, then checked by a reader"
    assert measured().lobe_score is not None
    mark_checked(world.scene, lobes.GetID(), checked=False)
    assert not read_lobes(world.scene, node).checked


@pytest.mark.usefixtures("stand_in_pipeline")
def test_the_panel_asks_whether_lobes_were_checked_only_where_they_are_an_estimate(
    world: SlicerWorld, empty_panel: OpenModule
) -> None:
    panel = empty_panel
    node, section = after_a_run(world, panel)
    panel.until(lambda: "lobes estimated" in section.line.text)
    assert section.checkedBox.isHidden()
    estimate_in(world, node, lobes_of_another_program())
    panel.until(lambda: "lobes estimated" not in section.line.text and "lobes" in section.line.text)
    assert section.checkedBox.isHidden()
    lobes = world.scene.GetFirstNodeByName("lobes")
    lobes.GetSegmentation().GetSegment("LEFT_UPPER").SetName("Left upper lobe (estimated)")
    panel.until(lambda: "/25, lobes estimated, corrected" in section.line.text)
    assert not section.checkedBox.isHidden()
    assert not section.checkedBox.checked
    section.checkedBox.click()
    panel.until(lambda: "/25, lobes estimated, then checked by a reader" in section.line.text)
    assert section.checkedBox.checked
    section.checkedBox.click()
    panel.until(lambda: "/25, lobes estimated, corrected" in section.line.text)
    assert not section.checkedBox.checked
    # Refused ones are told, and cannot be marked: what is measured now is another estimate.
    world.scene.RemoveNode(lobes)
    table = np.array([0, 1, 2, 5, 4, 3], np.uint8)
    refused = estimate_in(world, node, table[lobes_of_another_program()])
    notes = panel.ui.resultsNotes
    panel.until(lambda: "right upper lobe lies below" in notes.text)
    assert "The lobe segmentation is not used." in notes.text
    assert "/25, lobes estimated ·" in section.line.text
    assert section.checkedBox.isHidden()
    section.checkedBox.click()
    assert not section.checkedBox.checked
    assert tag(refused.GetSegmentation().GetSegment("LEFT_UPPER"), STATUS_TAG) != "completed"
