"""Numbers in the scene: a table node, Slicer's Segment Statistics, and corrections that change them at once."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")

from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures import Lobe
from CovidSegLib.mrml.readback import measure_nodes, measure_segments_alone, read_labels, read_lobes
from CovidSegLib.mrml.segment_statistics import register
from CovidSegLib.mrml.segmentations import add_segmentation
from CovidSegLib.mrml.tables import COLUMNS, table_for, write_table
from CovidSegLib.mrml.volumes import read_volume_node
from CovidSegLib.report.views import OffscreenSlicer
from CovidSegLib.segmentation import Label, Provenance, Segmentation
from Testing.kit.blocks import LEFT_INFECTED, LUNG_VOXELS, UPRIGHT, VOXEL_ML, block_labels, block_scan, turned

MADE = Provenance("network", "0" * 64, "onnx", "cpu", "CovidSeg")
LOBE_ENTRY = "List~SCT^123037004^Anatomical Structure~SCT^{}^A lobe~SCT^{}^{}~List~^^~^^"


@pytest.fixture
def offscreen(monkeypatch: pytest.MonkeyPatch) -> OffscreenSlicer:
    """A scene of its own, with Slicer's logics."""
    import slicer

    made = OffscreenSlicer()
    volumes = slicer.vtkSlicerVolumesLogic()
    volumes.SetMRMLApplicationLogic(made.application)
    volumes.SetMRMLScene(made.scene)
    modules = SimpleNamespace(
        segmentations=SimpleNamespace(logic=slicer.vtkSlicerSegmentationsModuleLogic),
        volumes=SimpleNamespace(logic=lambda: volumes),
    )
    monkeypatch.setattr(slicer, "modules", modules, raising=False)
    return made


@pytest.fixture(params=["upright", "oblique", "moved by a transform"])
def nodes(request, offscreen):
    """A scan and its segments in the scene; the scan may lie askew, or under a transform."""
    import slicer

    labels = block_labels()
    affine = turned(UPRIGHT, 1, 20.0) if request.param == "oblique" else UPRIGHT
    scan = offscreen.add_volume(CtVolume(block_scan(labels), affine))
    if request.param == "moved by a transform":
        transform = offscreen.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(turned(np.eye(4), 2, 10.0)))
        scan.SetAndObserveTransformNodeID(transform.GetID())
        affine = turned(UPRIGHT, 2, 10.0)
    return add_segmentation(offscreen.scene, Segmentation(labels, affine, MADE), scan, "COVID-19"), scan


def paint(segmentation, scan, box: tuple, segment: str = "Covid19Infection") -> None:
    """Add a box of voxels to a segment, as the Segment Editor's brush does."""
    import slicer

    array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment, scan)
    array[box] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, segmentation, segment, scan)


def test_segments_come_back_as_they_were_written(nodes) -> None:
    assert np.array_equal(read_labels(*nodes), block_labels())


def test_reading_segments_leaves_nothing_in_the_scene(nodes) -> None:
    """They are read after each stroke of a reader."""
    scene = nodes[0].GetScene()
    before = [node.GetID() for node in scene.GetNodes()]
    read_labels(*nodes)
    assert [node.GetID() for node in scene.GetNodes()] == before


def test_hidden_segments_count_and_infection_counts_before_lung(nodes) -> None:
    segmentation, scan = nodes
    segmentation.GetDisplayNode().SetSegmentVisibility("LeftLung", False)
    paint(segmentation, scan, np.s_[10:12, 12:16, 70:80])  # over the left lung, which keeps its voxels
    labels = block_labels()
    labels[10:12, 12:16, 70:80] = Label.INFECTION
    assert np.array_equal(read_labels(segmentation, scan), labels)


def test_a_correction_changes_the_numbers_at_once(nodes) -> None:
    segmentation, scan = nodes
    before = measure_nodes(segmentation, scan)
    paint(segmentation, scan, np.s_[10:12, 12:16, 70:80])
    after = measure_nodes(segmentation, scan)
    assert before.left.infection_ml == pytest.approx(LEFT_INFECTED * VOXEL_ML)
    assert after.left.infection_ml == pytest.approx((LEFT_INFECTED + 80) * VOXEL_ML)
    assert after.left.lung_ml == pytest.approx(LUNG_VOXELS * VOXEL_ML)
    assert len(after.lesions) == len(before.lesions) + 1
    assert after.density is not None


@pytest.mark.parametrize("gone", [False, True])
def test_a_copy_that_a_reader_keeps_is_no_infection(nodes, gone: bool) -> None:
    """It has the codes of the infection; also when the segment that it was copied from is taken out."""
    import slicer

    segmentation, scan = nodes
    content = segmentation.GetSegmentation()
    backup = slicer.vtkSegment()
    backup.DeepCopy(content.GetSegment("Covid19Infection"))
    content.AddSegment(backup, "backup")
    labels = block_labels()
    array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "Covid19Infection", scan)
    array[labels == Label.INFECTION] = 0
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, segmentation, "Covid19Infection", scan)
    if gone:
        content.RemoveSegment("Covid19Infection")
    labels[labels == Label.INFECTION] = 0
    assert np.array_equal(read_labels(segmentation, scan), labels)


def test_segments_of_other_ids_are_told_by_their_codes(nodes) -> None:
    import slicer

    segmentation, scan = nodes
    content = segmentation.GetSegmentation()
    for number, name in enumerate(list(content.GetSegmentIDs())):
        other = slicer.vtkSegment()
        other.DeepCopy(content.GetSegment(name))
        content.RemoveSegment(name)
        content.AddSegment(other, f"Segment_{number}")
    assert np.array_equal(read_labels(segmentation, scan), block_labels())


def test_numbers_of_masks_on_another_scan_say_so(nodes, offscreen) -> None:
    segmentation, scan = nodes
    recorded = replace(MADE, volume=f"volume node, SHA-256 of its voxels {read_volume_node(scan).fingerprint}")
    for made in (MADE, recorded):
        volume = read_volume_node(scan)
        node = add_segmentation(offscreen.scene, Segmentation(block_labels(), volume.affine, made), scan, "result")
        assert measure_nodes(node, scan).flags == measure_nodes(segmentation, scan).flags
        mirrored = offscreen.add_volume(replace(volume, voxels=volume.voxels[:, ::-1].copy()))
        flags = measure_nodes(node, mirrored).flags
        assert ("made from another scan" in "".join(flags[:1])) == (made is recorded)
    shifted = read_volume_node(scan).affine.copy()
    shifted[:3, 3] += 0.4
    flags = measure_nodes(segmentation, offscreen.add_volume(CtVolume(block_scan(block_labels()), shifted))).flags
    assert "belongs to another scan" in flags[0]


def test_the_table_holds_every_number_and_is_found_again(nodes) -> None:
    segmentation, scan = nodes
    table = table_for(segmentation)
    measured = measure_nodes(segmentation, scan, stability=True)
    write_table(measured, table)
    content = table.GetTable()
    assert [content.GetColumnName(n) for n in range(content.GetNumberOfColumns())] == list(COLUMNS)
    rows = {
        (content.GetValueByName(n, "Measure").ToString(), content.GetValueByName(n, "Region").ToString()): n
        for n in range(content.GetNumberOfRows())
    }
    row = rows["Infected share", "left lung"]
    value, low, high = (content.GetValueByName(row, name).ToDouble() for name in ("Value", "Low", "High"))
    assert value == pytest.approx(100 * LEFT_INFECTED / LUNG_VOXELS)
    assert low < value < high
    assert math.isnan(content.GetValueByName(rows["Lesions of 0.5 mL and more", "both lungs"], "Low").ToDouble())
    assert len(rows) == content.GetNumberOfRows() > 25
    assert table_for(segmentation) is table
    write_table(measured, table)
    assert content.GetNumberOfRows() == len(rows)


def add_lobes(offscreen: OffscreenSlicer, scan, lower_end: int = 12):
    """Five lobes made on ``scan``; the lower one of the left lung ends at slice ``lower_end``."""
    import slicer

    lobes = offscreen.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "something")
    lobes.SetAndObserveTransformNodeID(scan.GetTransformNodeID())
    lobes.SetReferenceImageGeometryParameterFromVolumeNode(scan)
    left, right = np.s_[:, :, 50:], np.s_[:, :, :50]
    codes = (("45653009", left, lower_end, 24), ("90572001", left, 0, lower_end), ("45653009", right, 16, 24))
    codes += (("90572001", right, 0, 8), ("72481006", right, 8, 16))
    for number, (kind, side, low, high) in enumerate(codes):
        mask = np.zeros((24, 60, 100), np.uint8)
        mask[side][low:high] = 1
        segment = lobes.GetSegmentation().AddEmptySegment(f"s{number}", f"Segment_{number}")
        modifier = ("7771000", "Left") if side is left else ("24028007", "Right")
        entry = LOBE_ENTRY.format(kind, *(("", "") if kind == "72481006" else modifier))
        lobes.GetSegmentation().GetSegment(segment).SetTag("TerminologyEntry", entry)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, lobes, segment, scan)
    return lobes


def test_lobes_are_found_in_the_scene_by_their_codes(nodes, offscreen) -> None:
    segmentation, scan = nodes
    assert read_lobes(offscreen.scene, scan) is None
    assert measure_nodes(segmentation, scan).lobe_score is None
    add_lobes(offscreen, scan)
    found = read_lobes(offscreen.scene, scan)
    assert found is not None
    assert set(np.unique(found.lobes)) == set(Lobe)
    measured = measure_nodes(segmentation, scan)
    assert {lobe.name: lobe.score for lobe in measured.lobes}["left lower lobe"] == 2
    assert measured.lobe_score == 3


def test_lobes_of_another_scan_in_the_scene_are_not_those_of_this_one(offscreen) -> None:
    labels = block_labels()
    first, second = (offscreen.add_volume(CtVolume(block_scan(labels), UPRIGHT)) for _ in range(2))
    segmentation = add_segmentation(offscreen.scene, Segmentation(labels, UPRIGHT, MADE), second, "COVID-19")
    of_first = add_lobes(offscreen, first, lower_end=12)
    assert read_lobes(offscreen.scene, second) is None
    assert measure_nodes(segmentation, second).lobe_score is None
    of_second = add_lobes(offscreen, second, lower_end=6)
    for one in (first, second):
        lower = read_lobes(offscreen.scene, one).lobes == Lobe.LEFT_LOWER
        assert np.argwhere(lower)[:, 0].max() == (11 if one is first else 5)
    for one in (of_first, of_second):  # as if loaded from files: whose they are is not known, they may be of this scan
        one.SetNodeReferenceID(one.GetReferenceImageGeometryReferenceRole(), None)
    assert read_lobes(offscreen.scene, second) is not None


def test_segment_statistics_shows_our_numbers_with_dicom_codes(nodes, offscreen) -> None:
    from Testing.kit.segment_statistics import install

    logic_class = install()
    assert register()
    assert not register()  # a reload does not register twice
    segmentation, scan = nodes
    logic = logic_class()
    logic.getParameterNode().SetParameter("Segmentation", segmentation.GetID())
    logic.getParameterNode().SetParameter("ScalarVolume", scan.GetID())
    logic.computeStatistics()
    found, measured = logic.getStatistics(), measure_nodes(segmentation, scan)
    name = "CovidSegSegmentStatisticsPlugin."
    assert found["LeftLung", name + "lung_cm3"] == pytest.approx(measured.left.lung_ml)
    assert found["RightLung", name + "infected_percent"] == pytest.approx(measured.right.infection_percent)
    assert found["Covid19Infection", name + "infection_cm3"] == pytest.approx(measured.total.infection_ml)
    assert found["Covid19Infection", name + "zone_score"] == measured.zone_score
    assert found["Covid19Infection", name + "ground_glass_cm3"] == pytest.approx(measured.density.ground_glass_ml)
    assert found["LeftLung", name + "mean_hu"] == pytest.approx(measured.density.left_mean_hu)
    assert ("LeftLung", name + "ct_class") not in found
    info = found["MeasurementInfo"][name + "infection_cm3"]
    assert "118565006" in info["DICOM.QuantityCode"]
    assert "cm3" in info["DICOM.UnitsCode"]
    assert "[hnsf'U]" in found["MeasurementInfo"][name + "mean_hu"]["DICOM.UnitsCode"]
    # A correction counts the next time.
    paint(segmentation, scan, np.s_[10:12, 12:16, 70:80])
    logic.computeStatistics()
    assert logic.getStatistics()["Covid19Infection", name + "infection_cm3"] == pytest.approx(
        measured.total.infection_ml + 80 * VOXEL_ML
    )


def test_without_a_scan_volumes_are_there_and_densities_are_not(nodes) -> None:
    measured, expected = measure_segments_alone(nodes[0]), measure_nodes(*nodes)
    assert measured.total.infection_ml == pytest.approx(expected.total.infection_ml)
    assert measured.zone_score == expected.zone_score
    assert measured.partly_visible == expected.partly_visible
    assert measured.density is None
