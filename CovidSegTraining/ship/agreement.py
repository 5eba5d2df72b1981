"""Do all exported formats say the same? Asked of the files themselves, before they get their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import keras
import numpy as np

from CovidSegLib.errors import ModelError
from CovidSegLib.network.engines import open_engine
from CovidSegLib.network.input_form import NetworkInputs
from CovidSegLib.network.inputs import network_batches
from CovidSegLib.network.models import Model
from CovidSegLib.phantom import make_phantom
from CovidSegLib.progress import Progress

from ..network.architecture import CLASSES

MOST_PIXELS = 1e-4
"""Share of pixels that may get another class: what two runtimes may differ by."""

MOST_ROUNDED = 1e-2
"""Share of pixels that may get another class by what kernels are stored as (float16, int8): borders move a little."""

_ENGINES = {"onnx": "onnx", "keras": "tensorflow"}
_BATCHES = (1, 3)
"""Two sizes of batch, to see that the batch is free."""


@cache
def phantom_slices(looks: NetworkInputs) -> list[np.ndarray]:
    """A few slices of the synthetic chest as the network sees them at each of its ``looks``.

    Noise would not show a wrong window or order.
    """
    volume = make_phantom(seed=0, slices=8).volume
    upright = volume.upright_voxels
    spacing_mm = volume.grid.upright.spacing
    framing, numbers, inputs = next(network_batches(upright, spacing_mm, len(upright), looks))
    chosen = numbers[2 : 2 + sum(_BATCHES)]
    slices = [inputs[chosen.start : chosen.stop]]
    if looks.second_look is not None:
        larger = replace(framing, seen=looks.second_look)
        again = [larger.channels(lambda k: larger.to_network(upright[k]), k, len(upright)) for k in chosen]
        slices.append(np.stack(again))
    return slices


def answers_of(network: keras.Model, looks: NetworkInputs) -> np.ndarray:
    """Probabilities of all pixels of :func:`phantom_slices`, (pixels, 3)."""
    return _answers(lambda slices: np.asarray(network(slices, training=False)), phantom_slices(looks))


def check_agreement(
    network: keras.Model, model: Model, saved_model: Path | None, trained: np.ndarray
) -> dict[str, dict[str, float]]:
    """Compare every format of ``model``, and the SavedModel if there is one, with ``network`` on phantom slices.

    ``network``: with kernels rounded as they are stored; ``trained``: what it answered on the same slices before that.
    Returns for each format, and for the rounding, the largest difference of a probability and the share of pixels with
    another class. Raises ModelError where more than :data:`MOST_PIXELS` differ (by rounding: :data:`MOST_ROUNDED`).
    """
    looks = model.about.inputs
    wanted = answers_of(network, looks)
    answers = {}
    for kind in model.about.files:
        engine = open_engine(model, _ENGINES[kind], "cpu", Progress())
        answers[kind] = _answers(engine.predict, phantom_slices(looks))
    if saved_model is not None:
        import tensorflow as tf

        loaded = tf.saved_model.load(str(saved_model))  # kept: its functions do not keep its variables
        first = phantom_slices(looks)[:1]  # it is of one size
        answers["savedmodel"] = _answers(lambda part: loaded.serve(part).numpy(), first)
    found = {kind: _difference(kind, answer, wanted[: len(answer)], MOST_PIXELS) for kind, answer in answers.items()}
    return {**found, "rounding": _difference("rounded", wanted, trained, MOST_ROUNDED)}


def _difference(kind: str, answer: np.ndarray, wanted: np.ndarray, most: float) -> dict[str, float]:
    share = float((answer.argmax(axis=-1) != wanted.argmax(axis=-1)).mean())
    if not share <= most:
        raise ModelError(
            f"The exported {kind} network calls {100 * share:.2g} % of the pixels otherwise than the trained one.",
            "Nothing was written. Export as float32, or with other versions of Keras, ONNX and tf2onnx.",
        )
    return {
        "largest_difference": float(f"{np.abs(answer - wanted).max():.2g}"),
        "pixels_that_differ": float(f"{share:.2g}"),
    }


def _answers(predict: Callable[[np.ndarray], np.ndarray], looks: list[np.ndarray]) -> np.ndarray:
    first = _BATCHES[0]
    parts = [part for slices in looks for part in (slices[:first], slices[first:])]
    return np.concatenate([predict(part).reshape(-1, len(CLASSES)) for part in parts])
