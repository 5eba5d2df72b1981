"""One run of the panel, step by step: what a reader does between two steps is in the result and in its numbers."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.mrml.segmentations import add_segmentation
from CovidSegLib.options import Options
from CovidSegLib.progress import Progress, Report
from CovidSegLib.segmentation import Provenance, Segmentation
from CovidSegLib.worker.parent import MakeJob
from Testing.kit import panel_steps  # noqa: F401 - what is imported after it finds Qt
from Testing.kit.segment_editor import Reader, voxels_of
from Testing.kit.slicer_window.application import SlicerWorld

SHAPE = (8, 20, 24)
INFECTION = "Covid19Infection"
PAINTED = np.s_[4:6, 5:9, 14:18]


def result_on(affine: np.ndarray, model: str) -> Segmentation:
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:7, 3:14, 13:22], labels[1:7, 3:14, 2:11] = 1, 2
    labels[2:4, 5:9, 4:8] = 3
    return Segmentation(labels, affine, Provenance(model, model * 64, "onnx", "cpu", "CovidSeg 1.0", created="now"))


class Drawn:
    """In the place of the child process: gives one result at once."""

    def __init__(self, segmentation: Segmentation) -> None:
        self._segmentation = segmentation

    def start(self) -> None:
        pass

    def begin(self, make: MakeJob) -> None:
        pass

    def poll(self, progress: Progress, wait_seconds: float) -> Segmentation:
        return self._segmentation

    def close_steps(self) -> Generator[None, None, None]:
        yield from ()


def test_what_a_reader_draws_while_numbers_are_taken_is_in_the_segments_and_in_the_numbers(world: SlicerWorld) -> None:
    from CovidSegLib.gui.core.run_steps import run_steps

    affine = np.diag((-0.7, -0.8, 2.5, 1.0))
    scan = CtVolume(np.random.default_rng(1).integers(-1024, 300, SHAPE, dtype=np.int16), affine)
    volume = world.logics.add_volume(scan)
    node = add_segmentation(world.scene, result_on(affine, "a"), volume, "result")
    steps = run_steps(volume, node, Options(), open_worker=lambda options: Drawn(result_on(affine, "b")))
    painted = 0
    while True:
        try:
            report = next(steps)
        except StopIteration as ended:
            run = ended.value
            break
        if isinstance(report, Report) and report.stage == "writing" and not painted:
            Reader(world.scene, node, volume).paint(INFECTION, PAINTED)
            painted += 1
    assert painted
    mask = voxels_of(node, INFECTION, volume)
    assert mask[PAINTED].all()
    assert run.measurements.total.infection_ml == pytest.approx(np.count_nonzero(mask) * 0.7 * 0.8 * 2.5 / 1000)
