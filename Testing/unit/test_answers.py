"""Weights that match their card and are of another kind of network end in a sentence, with each runtime."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.errors import EngineError
from CovidSegLib.network import models
from CovidSegLib.network.answers import checked_answers
from CovidSegLib.network.models import Model
from CovidSegLib.network.onnx_engine import OnnxEngine
from CovidSegLib.network.providers import CPU

INPUTS = np.zeros((2, 32, 32, 3), np.float32)


def onnx_model(folder: Path, channels: int, inputs: int = 1) -> Model:
    """A network that hands on the first ``channels`` of its picture."""
    onnx = pytest.importorskip("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    places = [helper.make_tensor_value_info(f"x{number}", floats, (None, None, None, 3)) for number in range(inputs)]
    answer = helper.make_tensor_value_info("y", floats, (None, None, None, channels))
    ends = [onnx.numpy_helper.from_array(np.array([end]), name) for name, end in (("a", 0), ("b", channels), ("c", 3))]
    cut = [helper.make_node("Slice", ["x0", "a", "b", "c"], ["y"])]
    whole = [helper.make_node("Sum", [place.name for place in places], ["y"])]
    graph = helper.make_graph(cut if inputs == 1 else whole, "g", places, [answer], ends if inputs == 1 else [])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    (folder / "a.onnx").write_bytes(made.SerializeToString())
    sha256 = hashlib.sha256((folder / "a.onnx").read_bytes()).hexdigest()
    card = {**models.find("default").card, "name": "a", "files": {"onnx": {"name": "a.onnx", "sha256": sha256}}}
    return Model("a", folder, card)


def test_a_network_with_two_classes_is_refused_in_a_sentence(tmp_path: Path) -> None:
    assert OnnxEngine(onnx_model(tmp_path, 3), CPU).predict(INPUTS).shape == INPUTS.shape
    with pytest.raises(EngineError, match="does not answer with a probability"):
        OnnxEngine(onnx_model(tmp_path, 2), CPU).predict(INPUTS)


def test_a_network_that_takes_two_pictures_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="does not take one picture"):
        OnnxEngine(onnx_model(tmp_path, 3, inputs=2), CPU)


@pytest.mark.parametrize(
    "answers",
    [INPUTS[..., :2], INPUTS[:1], INPUTS.astype(int), np.full_like(INPUTS, np.nan), [INPUTS], None],
    ids=["classes", "slices", "whole numbers", "no numbers", "several", "none"],
)
def test_answers_of_another_form_are_refused(answers: object) -> None:
    assert checked_answers(INPUTS, INPUTS) is INPUTS
    with pytest.raises(EngineError):
        checked_answers(answers, INPUTS)
