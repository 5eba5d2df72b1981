"""A network of four classes and three nodes, by the values alone: other sizes, another window, and it takes no time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SHAPE, SECOND, WINDOW = [160, 192], [192, 224], [-1000.0, 200.0]
BORDERS = (-0.93, -0.3, 0.3)
"""Where one class ends and the next begins, in the network's [-1, 1]: air, lung, infection, tissue."""

STEEPNESS = 40.0


def write_network(folder: Path) -> None:
    """A network of four classes of the slice's value, each of which is likeliest in one range of it."""
    slopes = STEEPNESS * np.arange(4, dtype=np.float32)
    offsets = np.concatenate([[0.0], -STEEPNESS * np.cumsum(BORDERS)]).astype(np.float32)
    kernel = np.zeros((3, 4), np.float32)
    kernel[1] = slopes
    size = ["n", "rows", "columns"]
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["slices", "kernel"], ["scaled"]),
            helper.make_node("Add", ["scaled", "offsets"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        ],
        "four classes",
        [helper.make_tensor_value_info("slices", TensorProto.FLOAT, [*size, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [*size, 4])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(offsets, "offsets")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.save(model, folder / "four.onnx")


def write_card(folder: Path, **changes: object) -> None:
    """The card of :func:`write_network`'s network in ``folder``, which is called "four"; ``changes``: other entries."""
    weights = (folder / "four.onnx").read_bytes()
    card = {
        "name": "four",
        "files": {"onnx": {"name": "four.onnx", "sha256": hashlib.sha256(weights).hexdigest()}},
        "classes": ["air", "lung", "infection", "tissue"],
        "means": ["neither", "lung", "infection", "neither"],
        "inputs": {"shape": SHAPE, "second_look": SECOND, "hu_window": WINDOW, "neighbour_mm": 4.0},
        **changes,
    }
    (folder / "four.json").write_text(json.dumps(card), encoding="utf-8")
