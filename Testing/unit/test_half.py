"""Weights in half precision: large kernels alone, and the same network when loaded again."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs the extra 'training'")
onnx = pytest.importorskip("onnx", reason="needs the extra 'training'")

from CovidSegTraining.half import SMALLEST, halve_keras, halve_onnx, round_kernels  # noqa: E402

LARGE, SMALL = (200, 100), (100, 9)


@pytest.fixture
def kernels() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    assert np.prod(SMALL) < SMALLEST <= np.prod(LARGE)
    return [random.normal(size=shape).astype(np.float32) for shape in (LARGE, SMALL)]


def test_an_onnx_file_keeps_its_network_in_less_space(tmp_path, kernels):
    from onnx import TensorProto, helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    file = tmp_path / "network.onnx"
    nodes = [helper.make_node("MatMul", ["x", "large"], ["y"]), helper.make_node("MatMul", ["y", "small"], ["z"])]
    sides = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size])] for name, size in (("x", 200), ("z", 9))
    ]
    weights = [numpy_helper.from_array(kernel, name) for kernel, name in zip(kernels, ("large", "small"), strict=True)]
    graph = helper.make_graph(nodes, "two", *sides, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)]), file)
    inputs = np.random.default_rng(1).normal(size=(3, 200)).astype(np.float32)
    before, size = ReferenceEvaluator(str(file)).run(None, {"x": inputs})[0], file.stat().st_size
    halve_onnx(file)
    kinds = {tensor.name: tensor.data_type for tensor in onnx.load(file).graph.initializer}
    assert kinds == {"large_half": TensorProto.FLOAT16, "small": TensorProto.FLOAT}
    assert file.stat().st_size < 0.6 * size
    after = ReferenceEvaluator(str(file)).run(None, {"x": inputs})[0]
    np.testing.assert_allclose(after, before, atol=2e-3 * np.abs(before).max())


def test_a_keras_file_loads_again_with_the_rounded_weights(tmp_path, kernels):
    network = keras.Sequential([keras.Input((200,)), keras.layers.Dense(100), keras.layers.Dense(9)])
    network.set_weights([kernels[0], np.full(100, 1 / 3, np.float32), kernels[1], np.zeros(9, np.float32)])
    round_kernels(network)
    rounded = network.get_weights()
    assert not np.array_equal(rounded[0], kernels[0])
    np.testing.assert_array_equal(rounded[2], kernels[1])
    file = tmp_path / "network.keras"
    network.save(file)
    size = file.stat().st_size
    halve_keras(file)
    assert file.stat().st_size < 0.6 * size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.keras"]
    assert zipfile.ZipFile(file).testzip() is None
    again = keras.saving.load_model(file, compile=False, safe_mode=True).get_weights()
    for mine, theirs in zip(again, rounded, strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_array_equal(mine, theirs)


def test_what_float16_cannot_hold_becomes_its_largest_number(tmp_path):
    network = keras.Sequential([keras.Input((200,)), keras.layers.Dense(100)])
    network.set_weights([np.full((200, 100), 1e6, np.float32), np.zeros(100, np.float32)])
    round_kernels(network)
    assert network.get_weights()[0].max() == 65504
