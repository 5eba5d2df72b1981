"""The network in ONNX Runtime: the default engine."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from ..errors import EngineError
from ..i18n import tr as _
from .models import Model

if TYPE_CHECKING:
    from types import ModuleType

_GPU = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_GPU_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC"}
"""The default tries out every way of every convolution for every number of slices, and second looks have many."""


def _runtime() -> ModuleType:
    """ONNX Runtime, told to keep quiet: from 1.29 on it reports its use over the network unless this is set first."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def has_gpu() -> bool:
    """Whether the installed ONNX Runtime was built for a GPU."""
    onnxruntime = _runtime()
    return _GPU in onnxruntime.get_available_providers()


class OnnxEngine:
    """See :class:`CovidSegLib.network.engines.Engine`.

    On a CPU each thread computes slices of its own. The runtime's way, all threads on one slice, costs twice the
    processor time: in a network of so many small layers they mostly wait for each other.
    """

    name = "onnx"

    def __init__(self, model: Model, device: str, threads: int = 1) -> None:
        """Open ``model`` on ``device`` ("cpu" or "gpu"), with so many ``threads`` of the CPU.

        Raises EngineError where the runtime cannot.
        """
        onnxruntime = _runtime()
        if device == "gpu" and not has_gpu():
            raise EngineError(_("This ONNX Runtime has no GPU."), _("Install onnxruntime-gpu in place of onnxruntime."))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        weights = model.read("onnx")
        try:
            self._session = onnxruntime.InferenceSession(
                weights, options, providers=[(_GPU, _GPU_OPTIONS)] if device == "gpu" else [_CPU]
            )
        except Exception as error:
            raise EngineError(
                _("ONNX Runtime could not open the network on the {device}.").format(device=device.upper())
            ) from error
        # Asked for a GPU whose driver is missing, the runtime opens on the CPU without a word.
        self.device = "gpu" if _GPU in self._session.get_providers() else "cpu"
        if device == "gpu" and self.device == "cpu":
            raise EngineError(
                _("ONNX Runtime found no usable GPU."),
                _("Check the driver and CUDA, or choose the CPU (--device cpu)."),
            )
        self._input = self._session.get_inputs()[0].name
        self._threads = ThreadPoolExecutor(threads) if self.device == "cpu" and threads > 1 else None

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """See :meth:`CovidSegLib.network.engines.Engine.predict`."""
        try:
            if self.device == "gpu":
                return self._run(inputs)
            slices = [inputs[number : number + 1] for number in range(len(inputs))]
            # Also with one thread: what one slice needs stays in the processor's cache.
            return np.concatenate(list((self._threads.map if self._threads else map)(self._run, slices)))
        except Exception as error:
            raise EngineError(
                _("ONNX Runtime failed on the {device}.").format(device=self.device.upper()),
                _("Choose the CPU as the device (--device cpu)."),
            ) from error

    def _run(self, inputs: np.ndarray) -> np.ndarray:
        return self._session.run(None, {self._input: inputs})[0]
