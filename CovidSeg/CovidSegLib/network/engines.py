"""What computes the network: one protocol, and the choice between those that can.

Nothing here imports a runtime; each engine's file does so when it is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Protocol

import numpy as np

from ..errors import EngineError
from ..i18n import tr as _
from ..processes import core_count
from ..progress import Progress
from .models import Model

ENGINES = ("auto", "onnx", "tensorflow")
DEVICES = ("auto", "cpu", "gpu")


class Engine(Protocol):
    """Computes probabilities."""

    @property
    def name(self) -> str:
        """The runtime: "onnx" or "tensorflow"."""

    @property
    def device(self) -> str:
        """The device in use: "cpu" or "gpu"."""

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Float32 (n, rows, columns, 3) in [-1, 1] → float32 probabilities (neither, lung, infection), same shape.

        Raises EngineError when the device fails, for instance for want of memory.
        """


def open_engine(model: Model, engine: str, device: str, progress: Progress, threads: int = 0) -> Engine:
    """Open ``model`` (already verified) with ``engine`` on ``device``; see :data:`ENGINES` and :data:`DEVICES`.

    ``threads`` of the CPU may be used; 0: as many as there are cores for this process.

    ``auto`` takes ONNX Runtime where it is installed, and a GPU where the runtime has one; when the GPU fails, now or
    later, work goes on on the CPU with one notice. Raises EngineError where what was asked for is not there.
    """
    if device not in DEVICES:
        raise EngineError(
            _("There is no device {device}.").format(device=repr(device)),
            _("Choose one of {names}.").format(names=", ".join(DEVICES)),
        )
    opener, has_gpu = _runtime(engine)
    threads = threads or core_count()
    if device == "cpu" or (device == "auto" and not has_gpu()):
        return opener(model, "cpu", threads)
    if device == "gpu":
        return opener(model, "gpu", threads)
    return GpuThenCpu(lambda wanted: opener(model, wanted, threads), progress)


def check_installed(engine: str) -> str:
    """The engine that ``engine`` (see :data:`ENGINES`) means here. Raises EngineError where it is not installed."""
    if engine == "auto":
        engine = next((name for name, module in _MODULES.items() if find_spec(module)), "onnx")
    if engine not in _MODULES:
        raise EngineError(
            _("There is no engine {engine}.").format(engine=repr(engine)),
            _("Choose one of {names}.").format(names=", ".join(ENGINES)),
        )
    if find_spec(_MODULES[engine]) is None:
        package = {"onnx": "onnxruntime", "tensorflow": "tensorflow-cpu"}[engine]
        raise EngineError(
            _("The engine {engine} is not installed.").format(engine=repr(engine)),
            _("Choose another one, or install it: pip install {package}").format(package=package),
        )
    return engine


def _runtime(engine: str) -> tuple[Callable[[Model, str, int], Engine], Callable[[], bool]]:
    if check_installed(engine) == "onnx":
        from . import onnx_engine

        return onnx_engine.OnnxEngine, onnx_engine.has_gpu
    from . import keras_engine

    return keras_engine.KerasEngine, keras_engine.has_gpu


_MODULES = {"onnx": "onnxruntime", "tensorflow": "tensorflow"}


class GpuThenCpu:
    """An engine on the GPU that goes on on the CPU when the GPU fails, and says so once."""

    def __init__(self, opener: Callable[[str], Engine], progress: Progress) -> None:
        self._opener = opener
        self._progress = progress
        try:
            self._engine = opener("gpu")
        except EngineError as error:
            self._engine = self._on_cpu(error)

    @property
    def name(self) -> str:
        """The engine in use."""
        return self._engine.name

    @property
    def device(self) -> str:
        """The device in use."""
        return self._engine.device

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """As :meth:`Engine.predict`; the batch in which the GPU fails is computed again on the CPU."""
        try:
            return self._engine.predict(inputs)
        except EngineError as error:
            if self.device == "cpu":
                raise
            self._engine = self._on_cpu(error)
            return self._engine.predict(inputs)

    def _on_cpu(self, error: EngineError) -> Engine:
        self._progress.notice(
            "network", _("The GPU cannot be used, going on on the CPU. {reason}").format(reason=error.sentence)
        )
        return self._opener("cpu")
