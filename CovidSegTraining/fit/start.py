"""Where a training may start from: an installed network, or the weights of an earlier run."""

from __future__ import annotations

from pathlib import Path

import keras

from CovidSegLib.errors import InputError
from CovidSegLib.network import models
from CovidSegLib.network.keras_engine import load_network


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
            network.set_weights(load_network(models.find(str(source))).get_weights())
    except (OSError, ValueError) as error:
        raise InputError(
            "The weights to start from cannot be read, or belong to another network.", "Start from one of this kind."
        ) from error
