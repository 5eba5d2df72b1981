"""From a finished run to what ships: ONNX and Keras weights and their model card."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from CovidSegLib.errors import InputError
from CovidSegLib.network.input_form import FAR_MM, HU_WINDOW, INPUT_SHAPE, NEIGHBOUR_MM, SECOND_SHAPE, NetworkInputs
from CovidSegLib.network.inputs import BODY_HU, CUT_MARGIN, MARGIN
from CovidSegLib.network.models import Model
from CovidSegLib.system.atomic_files import OutputSet
from CovidSegLib.system.file_states import states_of
from CovidSegLib.system.typed_json import read_typed
from CovidSegLib.system.unfinished import unfinished_folder

from ..fit.config import TrainingConfig
from ..fit.run_folder import COMMAND, NETWORK, SPLIT, WEIGHTS, check_finished, read_json
from ..fit.trained_on import CARD_KEY, WEIGHTS_KEY, file_digest, of_run
from ..network.architecture import CLASSES, build_network
from ..network.planar_softmax import use_planes
from .agreement import answers_of, check_agreement
from .card import CHANNELS, Facts, with_facts
from .compact import STORED, halve_keras, round_kernels, shrink_onnx

if TYPE_CHECKING:
    import onnx

ONNX_OPSET = 15
"""Old enough for onnxruntime 1.19 (and far older), new enough for every layer used."""

ONNX_IR_VERSION = 8
"""The file format that goes with the opset; newer ones are refused by older runtimes."""

FORMATS = ("onnx", "keras", "savedmodel")


def export(
    run: Path,
    name: str,
    folder: Path,
    facts: Facts,
    *,
    formats: Sequence[str] = ("onnx", "keras"),
    stored: str = "float32",
) -> Path:
    """Write the network and its card ``NAME.json`` into ``folder``; returns the card.

    That is ``NAME.onnx``, ``NAME.keras`` and the folder ``NAME.savedmodel``, as far as they are in ``formats``.
    ``facts`` go into the card; without sizes in them, slices are seen in those of
    :func:`_inputs`. ``stored``: as what large kernels are kept (see ``compact``). All formats are compared with the
    trained network first. Raises InputError when ``run`` holds no finished training, ModelError when the formats
    disagree; then nothing is written.
    """
    places = [folder / f"{name}.{ending}" for ending in ("json", "onnx", "keras")]
    states = dict(states_of([*places, *(folder / f"{name}.savedmodel").rglob("*")]))
    _check_call(run, formats, stored)
    config = TrainingConfig.load(run)
    network = build_network((None, None), None)
    network.load_weights(run / WEIGHTS)
    card = with_facts({"name": name, "date": _today(), "inputs": _inputs(), **_of_run(run)}, facts)
    looks = read_typed(NetworkInputs, card["inputs"], others=True)
    trained = answers_of(network, looks)  # an uncalled network cannot be exported
    folder.mkdir(parents=True, exist_ok=True)
    with unfinished_folder(folder) as temporary:
        made = _write_formats(network, looks.shape, temporary, name, formats, stored)
        files = {
            kind: {"name": part.name, "sha256": file_digest(part), "weights": _kept(kind, stored)}
            for kind, part in made.items()
            if kind != "savedmodel"
        }
        card |= _measured(network, config, files)
        model = Model(name, temporary, card)
        card["agreement"] = check_agreement(network, model, made.get("savedmodel"), trained)
        _publish(made.values(), json.dumps(card, indent=2) + "\n", folder / f"{name}.json", states)
    return folder / f"{name}.json"


def _publish(made: Iterable[Path], card: str, card_file: Path, states: Mapping[Path, str]) -> None:
    """Put what was ``made`` beside the card's file, weights and card together or not at all."""
    folder = card_file.parent
    with OutputSet(states) as files:
        for part in made:
            for file in (one for one in (part, *part.rglob("*")) if one.is_file()):
                target = folder / file.relative_to(part.parent)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, files.add(target))
        files.add_text(card, card_file)
        files.publish()


def _check_call(run: Path, formats: Sequence[str], stored: str) -> None:
    check_finished(run)
    if stored not in STORED:
        raise InputError(f"Weights cannot be stored as {stored}.", f"Choose one of {', '.join(STORED)}.")
    if not set(formats) <= set(FORMATS) or not set(formats) & {"onnx", "keras"}:
        raise InputError(
            "These formats cannot be exported.", "Choose of onnx, keras, savedmodel, but not the last alone."
        )


def run_model(run: Path) -> Path:
    """The card of a run's own network, exported into its ``model/`` first where it is not there yet."""
    card, weights = run / NETWORK, run / WEIGHTS
    if card.is_file():
        made_from = read_json(card).get(WEIGHTS_KEY)  # cards of earlier versions do not tell
        if made_from is None or not weights.is_file() or made_from == file_digest(weights):
            return card
    return export(run, "network", run / "model", Facts())


def _kept(kind: str, stored: str) -> str:
    """As what a format keeps large kernels: Keras has no whole numbers, and the same values in float16."""
    return "float16" if kind == "keras" and stored == "int8" else stored


def _write_formats(
    network: keras.Model, shape: tuple[int, int], folder: Path, name: str, formats: Sequence[str], stored: str
) -> dict[str, Path]:
    made = {kind: folder / f"{name}.{kind}" for kind in formats}
    round_kernels(network, stored)
    # Of any size at once Keras's up-sampling cannot be compiled.
    fixed = build_network(shape, None)
    fixed.set_weights(network.get_weights())
    if "keras" in made:
        network.save(made["keras"])
        if stored != "float32":
            halve_keras(made["keras"])
    if "savedmodel" in made:
        fixed.export(made["savedmodel"], format="tf_saved_model", verbose=False)
    if "onnx" in made:
        _save_onnx(fixed, made["onnx"])
        if stored != "float32":
            shrink_onnx(made["onnx"], stored)
    return made


def _save_onnx(network: keras.Model, target: Path) -> None:
    import onnx
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((None, *network.input_shape[1:]), tf.float32, name="slices")]
    function = tf.function(lambda slices: network(slices, training=False), input_signature=signature)
    model, _ = tf2onnx.convert.from_function(function, signature, opset=ONNX_OPSET)
    use_planes(model, len(CLASSES))
    _free_size(model)
    model.ir_version = min(model.ir_version, ONNX_IR_VERSION)
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


def _free_size(model: onnx.ModelProto) -> None:
    """Let rows and columns be any multiple of 32, in place: no node depends on them, as the agreement shows."""
    for value in (*model.graph.input, *model.graph.output):
        for dimension, name in zip(value.type.tensor_type.shape.dim[1:3], ("rows", "columns"), strict=True):
            dimension.dim_param = name
    del model.graph.value_info[:]


def _of_run(run: Path) -> dict[str, Any]:
    """The command that trained the network, its weights and what it saw, as far as the run tells."""
    found: dict[str, Any] = {WEIGHTS_KEY: file_digest(run / WEIGHTS)}
    if (run / COMMAND).is_file():
        found["command"] = (run / COMMAND).read_text(encoding="utf-8").strip()
    if (run / SPLIT).is_file():
        found[CARD_KEY] = of_run(run)
    return found


def _today() -> str:
    return datetime.datetime.now(datetime.timezone.utc).date().isoformat()


def _inputs() -> dict[str, Any]:
    """What networks of this version are trained to take, seen in the sizes of the default recipe."""
    return {
        "shape": list(INPUT_SHAPE),
        "second_look": list(SECOND_SHAPE),
        "hu_window": list(HU_WINDOW),
        "range": [-1, 1],
        "channels": CHANNELS,
        "neighbour_mm": NEIGHBOUR_MM,
        "centre_repeated_above_mm": FAR_MM,
        "crop": f"body above {BODY_HU:.0f} HU, margin {MARGIN}; all of an image cut out of it, margin {CUT_MARGIN}",
        "values": "HU; where fat and muscle lie 30 to 130 HU off, moved back",
    }


def _measured(network: keras.Model, config: TrainingConfig, files: dict[str, Any]) -> dict[str, Any]:
    """What stands in a card besides its facts."""
    return {
        "classes": list(CLASSES),
        "parameters": network.count_params(),
        "onnx": {"opset": ONNX_OPSET, "ir_version": ONNX_IR_VERSION, "batch": "dynamic", "size": "dynamic"},
        "training": json.loads(config.to_json()),
        "files": files,
    }
