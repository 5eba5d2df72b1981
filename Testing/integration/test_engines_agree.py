"""The same weights give the same masks in both engines."""

from __future__ import annotations

import numpy as np
import pytest

from CovidSegLib import pipeline
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.network import models
from CovidSegLib.network.engines import open_engine
from CovidSegLib.network.input_form import INPUT_SHAPE
from CovidSegLib.pipeline import Options
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from Testing.kit.late import needs_tensorflow

needs_tensorflow()


@pytest.fixture(scope="module")
def tensorflow():
    return open_engine(models.find("default"), "tensorflow", "cpu", Progress())


def test_onnx_and_tensorflow_differ_in_at_most_one_pixel_of_ten_thousand(shared_data, tensorflow):
    volume = read_ct(shared_data / "scans" / "images" / "coronacases_006.nii.gz", Progress())
    part = CtVolume(np.ascontiguousarray(volume.voxels[20:60:4]), volume.affine)
    onnx = pipeline.open_engine(Options(engine="onnx", device="cpu"), Progress())
    results = [pipeline.segment(part, Options(), Progress(), engine=engine) for engine in (onnx, tensorflow)]
    assert [result.provenance.engine for result in results] == ["onnx", "tensorflow"]
    assert (results[0].labels == 3).any()
    assert np.mean(results[0].labels != results[1].labels) <= 1e-4


def test_tensorflow_computes_on_the_cpu_that_was_asked_for_also_where_it_sees_a_gpu(tensorflow):
    """Without a GPU here: each operation must name its device, or TensorFlow chooses a GPU for it."""

    graph = tensorflow._of_size(*INPUT_SHAPE).get_concrete_function().graph
    placed = {operation.device for operation in graph.get_operations() if "Conv" in operation.type}
    assert placed == {"/device:CPU:0"}
