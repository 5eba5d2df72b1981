"""From a finished run to what ships: ONNX and Keras weights and their model card."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from CovidSegLib.errors import InputError
from CovidSegLib.network.inputs import BODY_HU, FAR_MM, HU_WINDOW, INPUT_SHAPE, MARGIN, NEIGHBOUR_MM

from .architecture import CLASSES, build_network
from .config import TrainingConfig
from .run_folder import WEIGHTS

ONNX_OPSET = 15
"""Old enough for onnxruntime 1.19 (and far older), new enough for every layer used."""

ONNX_IR_VERSION = 8
"""The file format that goes with the opset; newer ones are refused by older runtimes."""


def export(run: Path, name: str, folder: Path, facts: dict[str, Any]) -> Path:
    """Write ``NAME.onnx``, ``NAME.keras`` and the card ``NAME.json`` into ``folder``; returns the card.

    ``facts`` (description, training data, licence, command, finish) go into the card as they are. Raises InputError
    when ``run`` holds no finished training.
    """
    weights = run / WEIGHTS
    if not weights.is_file():
        raise InputError("The run has no weights yet.", "Let covidseg-train fit come to its end first.")
    config = TrainingConfig.load(run)
    network = build_network(config.input_shape, None)
    network.load_weights(weights)
    network(np.zeros((1, *config.input_shape, 3), np.float32))  # an uncalled network cannot be exported
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        parts = {"onnx": Path(temporary) / f"{name}.onnx", "keras": Path(temporary) / f"{name}.keras"}
        network.save(parts["keras"])
        _save_onnx(network, parts["onnx"])
        files = {kind: {"name": part.name, "sha256": _sha256(part)} for kind, part in parts.items()}
        card = Path(temporary) / f"{name}.json"
        card.write_text(json.dumps(_card(name, network, config, files, facts), indent=2) + "\n", encoding="utf-8")
        for part in (*parts.values(), card):
            os.replace(part, folder / part.name)
    return folder / f"{name}.json"


def _save_onnx(network: keras.Model, target: Path) -> None:
    import onnx
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((None, *network.input_shape[1:]), tf.float32, name="slices")]
    function = tf.function(lambda slices: network(slices, training=False), input_signature=signature)
    model, _ = tf2onnx.convert.from_function(function, signature, opset=ONNX_OPSET)
    model.ir_version = min(model.ir_version, ONNX_IR_VERSION)
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


def _card(
    name: str, network: keras.Model, config: TrainingConfig, files: dict[str, Any], facts: dict[str, Any]
) -> dict[str, Any]:
    return {
        "name": name,
        **facts,
        "classes": list(CLASSES),
        "inputs": {
            "shape": list(INPUT_SHAPE),
            "hu_window": list(HU_WINDOW),
            "range": [-1, 1],
            "channels": "the slice below, the slice, the slice above (upright axial)",
            "neighbour_mm": NEIGHBOUR_MM,
            "centre_repeated_above_mm": FAR_MM,
            "crop": f"body above {BODY_HU:.0f} HU, margin {MARGIN}",
        },
        "parameters": network.count_params(),
        "training": json.loads(config.to_json()),
        "files": files,
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
