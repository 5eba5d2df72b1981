"""Estimated lobes in Slicer: the panel's line, the table and Segment Statistics show the score with its range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures import measure
from CovidSegLib.mrml import add_segmentation
from CovidSegLib.mrml.readback import read_lobes
from CovidSegLib.mrml.segment_statistics import NUMBERS, _with_range
from CovidSegLib.mrml.tables import table_for, write_table
from CovidSegLib.segfiles.lobe_files import ESTIMATED_TAG
from CovidSegLib.segmentation import Provenance, Segmentation
from Testing.kit.drawn_lungs import AFFINE, drawn_lungs

if TYPE_CHECKING:
    from kit.slicer_window.application import SlicerWorld

    from CovidSegLib.report.views import OffscreenSlicer

MADE = Provenance("network", "0" * 64, "onnx", "cpu", "CovidSeg")


def scan() -> CtVolume:
    return CtVolume(np.where(drawn_lungs() == 0, 40, -850).astype(np.int16), AFFINE)


def test_the_panels_line_shows_the_score_with_its_range_and_that_it_is_estimated(world: SlicerWorld) -> None:
    from CovidSegLib.gui.numbers_section import summary

    measured = measure(drawn_lungs(), Grid(AFFINE, drawn_lungs().shape))
    found = measured.severity
    assert f"CT severity {found.score} ({found.low} to {found.high})/25, lobes estimated" in summary(measured)


def test_statistics_ask_for_the_range_wherever_the_score_is_asked_for() -> None:
    three = {key for key in NUMBERS if key.startswith("severity_estimated")}
    assert len(three) == 3
    assert all(three <= set(_with_range([key])) for key in three)
    assert _with_range(["lesions"]) == ["lesions"]
    measured = measure(drawn_lungs(), Grid(AFFINE, drawn_lungs().shape))
    values = {key: NUMBERS[key].of_infection(measured) for key in three}
    found = measured.severity
    assert sorted(values.values()) == sorted([found.low, found.score, found.high])
    assert all("estimated" in NUMBERS[key].title for key in three)


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


def test_an_estimate_that_was_loaded_is_not_taken_for_a_readers_lobes(world: SlicerWorld) -> None:
    from kit.segment_editor import Reader

    node = world.logics.add_volume(scan())
    lobes = world.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "lobes")
    lobes.SetReferenceImageGeometryParameterFromVolumeNode(node)
    lobes.GetSegmentation().AddEmptySegment("s", "Left lower lobe (estimated)")
    reader = Reader(world.scene, lobes, node)
    reader.paint("s", np.s_[30:50, 20:60, 80:100])
    segment = lobes.GetSegmentation().GetSegment("s")
    entry = "List~SCT^123037004^Anatomical Structure~SCT^90572001^Lower lobe~SCT^7771000^Left~List~^^~^^"
    segment.SetTag("TerminologyEntry", entry)
    assert read_lobes(world.scene, node) is not None
    segment.SetTag(ESTIMATED_TAG, str(20 * 40 * 20))
    assert read_lobes(world.scene, node) is None
    reader.paint("s", np.s_[50:51, 20:60, 80:100])  # a reader corrects
    assert read_lobes(world.scene, node) is not None
