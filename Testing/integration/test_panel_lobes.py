"""The panel's numbers follow lobes, whatever program they come from and whenever they come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer
import vtk

from Testing.kit.blocks import LEFT_INFECTED, VOXEL_ML
from Testing.kit.panel_steps import reading
from Testing.kit.segment_editor import Reader

if TYPE_CHECKING:
    from Testing.kit.slicer_window.application import SlicerWorld
    from Testing.kit.slicer_window.module import OpenModule


LOWER = "List~SCT^123037004^Anatomical Structure~SCT^90572001^Lower lobe~SCT^7771000^Left~List~^^~^^"


def lower_lobe(world: SlicerWorld, scan) -> slicer.vtkMRMLSegmentationNode:
    """A segmentation of another program: the lower half of the left lung, not called a lobe yet."""
    lobes = world.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "something")
    lobes.SetReferenceImageGeometryParameterFromVolumeNode(scan)
    lobes.GetSegmentation().AddEmptySegment("s", "Segment_1")
    Reader(world.scene, lobes, scan).paint("s", np.s_[:12, :, 50:])
    return lobes


def test_lobes_that_come_after_the_numbers_are_in_them_too(opened, world: SlicerWorld) -> None:
    panel, section, _, scan = opened
    lobes = lower_lobe(world, scan)
    wait_for_rest(panel)
    assert section._measured.lobes == ()
    lobes.GetSegmentation().GetSegment("s").SetTag("TerminologyEntry", LOWER)
    panel.until(lambda: section._measured is not None and section._measured.lobes)
    shares = {lobe.name: lobe.infection_ml for lobe in section._measured.lobes}
    assert shares["left lower lobe"] == pytest.approx(LEFT_INFECTED * VOXEL_ML)
    Reader(world.scene, lobes, scan).paint("s", np.s_[12:14, 10:50, 60:90])
    whole = section._measured.lobes[-1].lung_ml
    panel.until(lambda: section._measured is not None and section._measured.lobes[-1].lung_ml > whole)
    moved = world.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "registration")
    lobes.SetAndObserveTransformNodeID(moved.GetID())
    whole = section._measured.lobes[-1].lung_ml
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(2, 3, 8.0)
    moved.SetMatrixTransformToParent(matrix)
    panel.until(lambda: section._measured is not None and section._measured.lobes[-1].lung_ml != whole)
    world.scene.RemoveNode(lobes)
    panel.until(lambda: section._measured is not None and section._measured.lobes == ())


def test_lobes_count_once_it_is_known_that_they_are_of_this_scan(opened, chest, world: SlicerWorld) -> None:
    panel, section, _, scan = opened
    lobes = lower_lobe(world, scan)
    lobes.SetNodeReferenceID(lobes.GetReferenceImageGeometryReferenceRole(), chest.GetID())
    lobes.GetSegmentation().GetSegment("s").SetTag("TerminologyEntry", LOWER)
    wait_for_rest(panel)
    panel.until(lambda: not reading(panel).busy)
    assert section._measured.lobes == ()
    lobes.SetNodeReferenceID(lobes.GetReferenceImageGeometryReferenceRole(), scan.GetID())
    panel.until(lambda: section._measured is not None and section._measured.lobes)


def test_segments_that_are_no_lobes_let_nothing_be_measured_anew(opened, world: SlicerWorld) -> None:
    panel, section, _, scan = opened
    before = section._measured
    other = lower_lobe(world, scan)
    changes = (
        lambda: Reader(world.scene, other, scan).paint("s", np.s_[12:14, 10:50, 60:90]),
        lambda: world.scene.RemoveNode(other),
    )
    for change in changes:
        change()
        wait_for_rest(panel)
        assert (section._measured, reading(panel).busy) == (before, False)


def test_a_panel_that_is_closed_looks_at_no_lobes_any_more(
    opened, world: SlicerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, _, _, scan = opened
    panel.close()
    looked: list[object] = []
    monkeypatch.setattr("CovidSegLib.gui.core.followers.lobes_state", lambda *about: looked.append(about) or ())
    lower_lobe(world, scan)
    wait_for_rest(panel)
    assert looked == []


def wait_for_rest(panel: OpenModule) -> None:
    """Let pass what a follower waits for."""
    from CovidSegLib.gui.core.followers import REST_MS

    end = time.monotonic() + 1.5 * REST_MS / 1000
    panel.until(lambda: time.monotonic() > end)
