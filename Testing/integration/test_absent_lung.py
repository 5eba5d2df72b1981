"""A lung whose segment a reader took out: no percentage of it, in the panel, the table, the report and the files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import jsonschema
import slicer

from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.mrml.scene_corrections import plan_update
from CovidSegLib.mrml.segmentations import add_segmentation
from CovidSegLib.mrml.tables import table_for
from CovidSegLib.report.result_record import SCHEMA
from CovidSegLib.report.schemas import published_schema
from CovidSegLib.segfiles import read_reviewed
from CovidSegLib.segmentation import Label, Provenance, Segmentation
from Testing.kit.blocks import RIGHT_INFECTED, UPRIGHT, VOXEL_ML, block_labels, block_scan
from Testing.kit.command_line import CommandLine, write_scan
from Testing.kit.slicer_window.pythonqt import qt

if TYPE_CHECKING:
    from Testing.kit.slicer_window.application import SlicerWorld
    from Testing.kit.slicer_window.module import OpenModule

MADE = Provenance("a-network", "ab" * 32, "onnx", "cpu", "CovidSeg 1.0")
WORDS = "No right lung was found, but infection on its side"


@pytest.fixture
def nodes(world: SlicerWorld, panel: OpenModule):
    """A scan and its segments, chosen in the panel."""
    labels = block_labels()
    scan = world.logics.add_volume(CtVolume(block_scan(labels), UPRIGHT))
    node = add_segmentation(world.scene, Segmentation(labels, UPRIGHT, MADE), scan, "COVID-19")
    panel.session.parameters.inputVolume = scan
    panel.session.parameters.outputSegmentation = node
    panel.until(lambda: panel.session.shown.value is not None)
    return node, scan


def right_row(panel: OpenModule) -> list[str]:
    """Lung mL, infection mL and percent of the right lung, as the panel says."""
    return [panel.ui.resultsTable.item(1, column).text() for column in range(3)]


def save(node: slicer.vtkMRMLSegmentationNode, file: Path) -> None:
    """Save as Slicer does."""
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName(str(file))
    assert node.GetStorageNode().WriteData(node)


def check_record(record: dict) -> None:
    """Hold that a record has the published form, and no percentage of the right lung."""
    jsonschema.validate(record, published_schema(SCHEMA))
    right = record["measurements"]["right"]
    assert right["infection_percent"] is None
    assert right["infection_ml"] == pytest.approx(RIGHT_INFECTED * VOXEL_ML)
    assert any(WORDS in warning for warning in record["warnings"])


def test_a_lung_that_was_taken_out_has_a_dash_everywhere(panel: OpenModule, nodes, tmp_path: Path) -> None:
    node, _ = nodes
    node.GetSegmentation().RemoveSegment("RightLung")
    panel.until(lambda: right_row(panel)[2] == "-")
    assert right_row(panel)[1] == f"{RIGHT_INFECTED * VOXEL_ML:.1f}"
    assert WORDS in panel.ui.resultsNotes.text
    section = panel.section("NumbersSection")
    section.tableButton.click()
    content = table_for(node).GetTable()
    shares = {
        content.GetValueByName(row, "Region").ToString(): content.GetValueByName(row, "Value").ToDouble()
        for row in range(content.GetNumberOfRows())
        if content.GetValueByName(row, "Measure").ToString() == "Infected share"
    }
    assert math.isnan(shares["right lung"])
    assert math.isnan(shares["right lower zone"])
    assert shares["left lung"] > 0
    qt.QFileDialog.answers.append(str(tmp_path / "r.json"))
    section.reportButton.click()
    panel.until((tmp_path / "r.json").exists)
    check_record(json.loads((tmp_path / "r.json").read_text(encoding="utf-8")))


def test_a_file_without_that_segment_is_reported_in_the_same_way(nodes, tmp_path: Path) -> None:
    node, scan = nodes
    node.GetSegmentation().RemoveSegment("RightLung")
    folder = tmp_path / "files"
    folder.mkdir()
    save(node, folder / "masks.seg.nrrd")
    covidseg = CommandLine(folder)
    write_scan(folder / "ct.nii.gz", slicer.util.arrayFromVolume(scan), (2.0, 2.5, 3.0))
    ended = covidseg.run("report", "ct.nii.gz", "masks.seg.nrrd", "-o", "r.json", "-o", "r.html")
    assert ended.returncode == 0, ended.stderr
    check_record(json.loads((folder / "r.json").read_text(encoding="utf-8")))
    assert (folder / "r.html").read_text(encoding="utf-8").count("no lung") == 3


def test_a_new_run_on_what_is_left_knows_what_was_taken_out(nodes, tmp_path: Path) -> None:
    node, scan = nodes
    node.GetSegmentation().RemoveSegment("RightLung")
    new = Segmentation(block_labels(), UPRIGHT, MADE)
    assert plan_update(new, scan, node).result.absent == (Label.RIGHT_LUNG,)
    assert plan_update(new, scan, None).result.absent == ()
    save(node, tmp_path / "masks.seg.nrrd")
    review = read_reviewed(tmp_path / "masks.seg.nrrd", Grid(UPRIGHT, block_labels().shape))
    assert review.reviewed.join(new)[1].absent == (Label.RIGHT_LUNG,)


def test_a_lung_that_is_all_infected_is_no_absent_lung(panel: OpenModule, nodes) -> None:
    node, scan = nodes
    from Testing.kit.segment_editor import Reader

    Reader(scan.GetScene(), node, scan).paint("Covid19Infection", np.s_[3:21, 10:50, 10:40])
    panel.until(lambda: right_row(panel)[2] == "100.0")
    assert WORDS not in panel.ui.resultsNotes.text
