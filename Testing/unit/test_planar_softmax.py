"""The exported softmax: other operations, the same probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from CovidSegTraining.network.planar_softmax import use_planes

onnx = pytest.importorskip("onnx", reason="needs the extra training")


def network(axis: int):
    """Softmax over ``axis`` of (n, 3, 4, 5), then the classes last, as tf2onnx writes the end of our network."""
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Softmax", ["logits"], ["planes"], axis=axis),
        helper.make_node("Transpose", ["planes"], ["probabilities"], perm=[0, 2, 3, 1]),
    ]
    logits = helper.make_tensor_value_info("logits", number, ["n", 3, 4, 5])
    probabilities = helper.make_tensor_value_info("probabilities", number, ["n", 4, 5, 3])
    graph = helper.make_graph(nodes, "end", [logits], [probabilities])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def outcome(model, logits: np.ndarray) -> np.ndarray:
    import onnxruntime

    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"logits": logits})[0]


def test_planes_give_the_same_probabilities_also_of_huge_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 30, (2, 3, 4, 5)).astype(np.float32)
    logits[0, :, 0, 0] = 300, 300, -300
    before, after = network(1), network(1)
    assert use_planes(after, 3)
    onnx.checker.check_model(after)
    assert not [node for node in after.graph.node if node.op_type == "Softmax"]
    np.testing.assert_allclose(outcome(after, logits), outcome(before, logits), atol=1e-6)


def test_another_softmax_stays() -> None:
    other = network(3)
    assert not use_planes(other, 3)
    assert [node.op_type for node in other.graph.node] == ["Softmax", "Transpose"]
