"""Weights that take less room: large kernels alone, and the same network when loaded again."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from Testing.kit.late import late, needs_tensorflow

needs_tensorflow()

keras, onnx, compact = late("keras"), late("onnx"), late("CovidSegTraining.ship.compact")

LARGE, SMALL = (200, 100), (100, 9)


def _of_127_levels(kernel: np.ndarray) -> np.ndarray:
    network = keras.Sequential([keras.Input((200,)), keras.layers.Dense(100)])
    network.set_weights([kernel, np.zeros(100, np.float32)])
    compact.round_kernels(network, "int8")
    return network.get_weights()[0]


@pytest.fixture
def kernels() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    assert np.prod(SMALL) < compact.SMALLEST <= np.prod(LARGE)
    return [random.normal(size=shape).astype(np.float32) for shape in (LARGE, SMALL)]


@pytest.mark.parametrize(("stored", "kind", "share"), [("float16", "FLOAT16", 0.6), ("int8", "INT8", 0.35)])
def test_an_onnx_file_keeps_its_network_in_less_space(tmp_path, kernels, stored, kind, share):
    from onnx import TensorProto, helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    file = tmp_path / "network.onnx"
    nodes = [helper.make_node("MatMul", ["x", "large"], ["y"]), helper.make_node("MatMul", ["y", "small"], ["z"])]
    sides = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size])] for name, size in (("x", 200), ("z", 9))
    ]
    weights = [numpy_helper.from_array(kernel, name) for kernel, name in zip(kernels, ("large", "small"), strict=True)]
    if stored == "int8":
        weights[0].CopyFrom(numpy_helper.from_array(_of_127_levels(kernels[0]), "large"))
    graph = helper.make_graph(nodes, "two", *sides, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)]), file)
    inputs = np.random.default_rng(1).normal(size=(3, 200)).astype(np.float32)
    before, size = ReferenceEvaluator(str(file)).run(None, {"x": inputs})[0], file.stat().st_size
    compact.shrink_onnx(file, stored)
    kinds = {tensor.name: tensor.data_type for tensor in onnx.load(file).graph.initializer}
    kinds.pop("large_step", None)
    assert kinds == {"large_stored": getattr(TensorProto, kind), "small": TensorProto.FLOAT}
    assert file.stat().st_size < share * size
    after = ReferenceEvaluator(str(file)).run(None, {"x": inputs})[0]
    np.testing.assert_allclose(after, before, atol=2e-3 * np.abs(before).max())


def test_a_keras_file_loads_again_with_the_rounded_weights(tmp_path, kernels):
    network = keras.Sequential([keras.Input((200,)), keras.layers.Dense(100), keras.layers.Dense(9)])
    network.set_weights([kernels[0], np.full(100, 1 / 3, np.float32), kernels[1], np.zeros(9, np.float32)])
    compact.round_kernels(network, "float16")
    rounded = network.get_weights()
    assert not np.array_equal(rounded[0], kernels[0])
    np.testing.assert_array_equal(rounded[2], kernels[1])
    file = tmp_path / "network.keras"
    network.save(file)
    size = file.stat().st_size
    compact.halve_keras(file)
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
    compact.round_kernels(network, "float16")
    assert network.get_weights()[0].max() == 65504


def test_whole_numbers_are_close_to_the_kernel_in_every_channel_and_float16_holds_them(kernels):
    kernel = kernels[0] * np.logspace(-3, 2, 100, dtype=np.float32)  # channels of very different size
    rounded = _of_127_levels(kernel)
    assert (np.abs(rounded - kernel).max(axis=0) <= np.abs(kernel).max(axis=0) / 127).all()
    np.testing.assert_array_equal(rounded.astype(np.float16).astype(np.float32), rounded)


def test_a_kernel_that_whole_numbers_cannot_hold_stays_float16(tmp_path, kernels):
    from onnx import TensorProto, helper, numpy_helper

    sides = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, n])] for name, n in (("x", 200), ("y", 100))
    ]
    weights = [numpy_helper.from_array(kernels[0], "large")]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "large"], ["y"])], "one", *sides, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)]), tmp_path / "n.onnx")
    compact.shrink_onnx(tmp_path / "n.onnx", "int8")
    (tensor,) = onnx.load(tmp_path / "n.onnx").graph.initializer
    assert tensor.data_type == TensorProto.FLOAT16
