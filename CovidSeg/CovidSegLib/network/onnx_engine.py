"""The network in ONNX Runtime: the default engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np

from ..errors import EngineError
from ..i18n import tr as _
from .answers import checked_answers
from .models import Model
from .providers import CPU, Provider, open_session


class OnnxEngine:
    """See :class:`CovidSegLib.network.engines.Engine`.

    On a CPU each thread computes slices of its own. The runtime's way, all threads on one slice, costs twice the
    processor time: in a network of so many small layers they mostly wait for each other. Elsewhere all slices of a
    batch go together, always as many: programs for a GPU are compiled for one shape.
    """

    name = "onnx"

    def __init__(self, model: Model, provider: Provider, threads: int = 1) -> None:
        """Open ``model`` with ``provider``; so many ``threads`` of the CPU.

        Raises EngineError where the runtime cannot.
        """
        self.device = provider.name
        self._title = provider.title
        self._session = open_session(provider, model.read("onnx"))
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise EngineError(_("The network does not take one picture, as those of CovidSeg do."))
        model.about.inputs.check_network(inputs[0].shape)
        self._input = inputs[0].name
        self._threads = ThreadPoolExecutor(threads) if provider is CPU and threads > 1 else None
        self._meanings = model.about.meanings
        self._most = 1

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """See :meth:`CovidSegLib.network.engines.Engine.predict`."""
        try:
            if self.device == CPU.name:  # slice by slice also with one thread: all stays in the processor's cache
                parts = [inputs[number : number + 1] for number in range(len(inputs))]
            else:
                parts = [self._padded(inputs)]
            run_all = self._threads.map if self._threads else map
            found = run_all(self._session.run, repeat(None), ({self._input: part} for part in parts))
            answers = [checked_answers(one[0], part, self._meanings) for one, part in zip(found, parts, strict=True)]
            return np.concatenate(answers)[: len(inputs)]
        except EngineError:
            raise
        except Exception as error:
            raise EngineError(
                _("ONNX Runtime failed on the {device}.").format(device=self._title),
                _("Choose another model.")
                if self.device == CPU.name
                else _("Choose the CPU as the device (--device cpu)."),
            ) from error

    def _padded(self, inputs: np.ndarray) -> np.ndarray:
        """As many slices as the largest batch so far, with empty ones at the end."""
        self._most = max(self._most, len(inputs))
        missing = self._most - len(inputs)
        return np.pad(inputs, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else inputs
