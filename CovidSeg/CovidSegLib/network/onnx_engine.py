"""The network in ONNX Runtime: the default engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ..errors import EngineError
from ..i18n import tr as _
from .models import Model

if TYPE_CHECKING:
    from types import ModuleType

_GPU = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"


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
    """See :class:`CovidSegLib.network.engines.Engine`."""

    name = "onnx"

    def __init__(self, model: Model, device: str, threads: int = 0) -> None:
        """Open ``model`` on ``device`` ("cpu" or "gpu"), with so many ``threads`` (0: the runtime's own choice).

        Raises EngineError where the runtime cannot.
        """
        onnxruntime = _runtime()
        if device == "gpu" and not has_gpu():
            raise EngineError(_("This ONNX Runtime has no GPU."), _("Install onnxruntime-gpu in place of onnxruntime."))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        weights = model.read("onnx")
        try:
            self._session = onnxruntime.InferenceSession(
                weights, options, providers=[_GPU] if device == "gpu" else [_CPU]
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

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """See :meth:`CovidSegLib.network.engines.Engine.predict`."""
        try:
            return self._session.run(None, {self._input: inputs})[0]
        except Exception as error:
            raise EngineError(
                _("ONNX Runtime failed on the {device}.").format(device=self.device.upper()),
                _("Choose the CPU as the device (--device cpu)."),
            ) from error
