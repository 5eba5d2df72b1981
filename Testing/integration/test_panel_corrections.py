"""What a run of the panel leaves alone, and what every segment tells of where it comes from."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer

from CovidSegLib.mrml.scene_corrections import tag
from CovidSegLib.network import models
from Testing.kit.review_steps import INFECTION, LEFT, RIGHT, another_model, labels_of, review, run
from Testing.kit.segment_editor import Reader, voxels_of


def test_a_run_of_the_panel_touches_no_completed_and_no_foreign_segment(panel, chest, world, tmp_path: Path) -> None:
    node = run(panel)
    content = node.GetSegmentation()
    reader = Reader(world.scene, node, chest)
    content.AddEmptySegment("Drain", "Drainage")
    reader.paint("Drain", np.s_[1:3, 0:9, 0:9])
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(content.GetSegment(INFECTION), logic.Completed)
    kept = {name: voxels_of(node, name, chest) for name in (INFECTION, "Drain")}
    review(panel)
    another_model(panel, tmp_path)
    run(panel)
    for name, mask in kept.items():
        np.testing.assert_array_equal(voxels_of(node, name, chest), mask)
    assert tag(content.GetSegment(INFECTION), "CovidSeg.Model") == models.find("default").name
    assert tag(content.GetSegment(LEFT), "CovidSeg.Model") == "bolder"
    # Once the reader takes the mark off, the segment is the network's again.
    logic.SetSegmentStatus(content.GetSegment(INFECTION), logic.InProgress)
    review(panel)
    run(panel)
    assert (voxels_of(node, INFECTION, chest) != kept[INFECTION]).any()
    np.testing.assert_array_equal(voxels_of(node, "Drain", chest), kept["Drain"])


def test_every_segment_of_a_run_tells_where_it_comes_from_also_in_the_saved_file(panel, chest, tmp_path: Path) -> None:
    node = run(panel)
    model = models.find("default")
    assert (labels_of(node, chest) == 3).any()
    storage = slicer.vtkMRMLSegmentationStorageNode()
    slicer.mrmlScene.AddNode(storage)
    storage.SetFileName(str(tmp_path / "saved.seg.nrrd"))
    assert storage.WriteData(node)
    header = SimpleITK.ReadImage(str(tmp_path / "saved.seg.nrrd"))
    saved = {header.GetMetaData(f"Segment{n}_ID"): header.GetMetaData(f"Segment{n}_Tags") for n in range(3)}
    assert set(saved) == {LEFT, RIGHT, INFECTION}
    for tags in saved.values():
        told = dict(part.split(":", 1) for part in tags.split("|") if part)
        assert told["CovidSeg.Model"] == model.name
        assert told["CovidSeg.ModelSha256"] == model.card["files"]["onnx"]["sha256"]
        assert told["CovidSeg.Software"].startswith("CovidSeg ")
        # Told by its voxels: a node's name can be a patient's.
        assert re.fullmatch(r"volume node, SHA-256 of its voxels [0-9a-f]{64}", told["CovidSeg.SourceVolume"])
        assert chest.GetName() not in tags
        assert told["CovidSeg.Created"].startswith("20")
        assert told["DICOM.SegmentAlgorithmType"] == "AUTOMATIC"
        assert "Segmentation.Status" in told
