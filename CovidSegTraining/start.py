"""Where a training may start from: an installed network, or the weights of an earlier run."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras

from CovidSegLib.errors import InputError
from CovidSegLib.network import models


def start_from(network: keras.Model, source: str | Path) -> None:
    """Fill ``network`` with the weights of ``source``: a ``.h5`` file of weights, or a model by name or file.

    A model's weights are verified by its card and opened in Keras's safe mode, so no code of theirs can run. Raises
    InputError or ModelError.
    """
    path = Path(source)
    try:
        if path.suffix == ".h5":
            if not path.is_file():
                raise InputError("The weights to start from do not exist.", "Give network.weights.h5 of a run.")
            network.load_weights(path)
        else:
            network.set_weights(_model(str(source)).get_weights())
    except ValueError as error:
        raise InputError(
            "The weights to start from belong to another network.", "Start from one of this kind."
        ) from error


def _model(name: str) -> keras.Model:
    model = models.find(name)
    with tempfile.TemporaryDirectory() as folder:
        # Keras opens files only; what it opens is the very bytes that were verified.
        file = Path(folder) / "network.keras"
        file.write_bytes(model.read("keras"))
        return keras.saving.load_model(file, compile=False, safe_mode=True)
