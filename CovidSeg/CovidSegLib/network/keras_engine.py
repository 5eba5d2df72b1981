"""The network in TensorFlow/Keras."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineError
from ..i18n import tr as _
from ..system.processes import no_ipv6_probe
from ..system.unfinished import unfinished_folder
from .answers import checked_answers
from .models import Model

if TYPE_CHECKING:
    import keras


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    no_ipv6_probe()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow

    return bool(tensorflow.config.list_physical_devices("GPU"))


def load_network(model: Model) -> keras.Model:
    """The network of ``model`` in Keras's safe mode, so that no code of a file can run.

    Raises ModelError where weights are missing or altered, EngineError where they are no network.
    """
    import keras

    with unfinished_folder() as folder:
        # Keras opens files only; what it opens is the very bytes that were verified.
        file = folder / "network.keras"
        file.write_bytes(model.read("keras"))
        try:
            return keras.saving.load_model(file, compile=False, safe_mode=True)
        except Exception as error:
            raise EngineError(_("TensorFlow could not open the network."), _("Choose another model.")) from error


class KerasEngine:
    """See :class:`CovidSegLib.network.engines.Engine`."""

    name = "tensorflow"

    def __init__(self, model: Model, device: str, threads: int = 0) -> None:
        """Open ``model`` on ``device`` ("cpu" or "gpu"), with so many ``threads`` (0: TensorFlow's own choice).

        Raises EngineError where TensorFlow cannot.
        """
        no_ipv6_probe()
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import tensorflow

        if device == "gpu" and not has_gpu():
            raise EngineError(
                _("TensorFlow sees no GPU."), _("Install its GPU build, or choose the CPU (--device cpu).")
            )
        self.device, self._meanings = device, model.about.meanings
        with contextlib.suppress(RuntimeError):  # only the first network of a process can set it
            tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        place = "/GPU:0" if device == "gpu" else "/CPU:0"
        with tensorflow.device(place):
            self._network = load_network(model)
        model.about.inputs.check_network(self._network.input_shape)

        def predict(inputs: np.ndarray) -> Any:
            # TensorFlow computes on a GPU that it sees, wherever the weights are, unless told otherwise.
            with tensorflow.device(place):
                return self._network(inputs, training=False)

        @lru_cache
        def of_size(rows: int, columns: int) -> Callable[[np.ndarray], Any]:
            # Of any size at once Keras's up-sampling cannot be compiled; of any number of slices it can.
            slices = tensorflow.TensorSpec((None, rows, columns, 3), tensorflow.float32)
            return tensorflow.function(predict, input_signature=[slices])

        self._of_size = of_size

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """See :meth:`CovidSegLib.network.engines.Engine.predict`."""
        try:
            return checked_answers(self._of_size(*inputs.shape[1:3])(inputs).numpy(), inputs, self._meanings)
        except EngineError:
            raise
        except Exception as error:
            raise EngineError(
                _("TensorFlow failed on the {device}.").format(device=self.device.upper()),
                _("Choose another model.")
                if self.device == "cpu"
                else _("Choose the CPU as the device (--device cpu)."),
            ) from error
