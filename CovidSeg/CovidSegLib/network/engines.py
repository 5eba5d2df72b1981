"""What computes the network: one protocol, and the choice between those that can.

Nothing here imports a runtime; each engine's file does so when it is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from typing import Protocol

import numpy as np

from ..errors import EngineError
from ..i18n import tr as _
from ..progress import Progress
from ..system.processes import core_count
from .models import Model
from .providers import CPU, DEVICES, NoDeviceError, Provider, find, installed_gpus

ENGINES = ("auto", "onnx", "tensorflow")

Opener = Callable[[Provider], "Engine"]
"""Opens the network with a provider. Raises EngineError, NoDeviceError where the machine has no device for it."""

Admission = Callable[[Provider, Opener, bool], "Engine"]
"""Opens the network by the opener and lets it be used, or raises EngineError: see ``CovidSegLib.device_trial``.

The last argument: whether it must be faster than the CPU."""


class Engine(Protocol):
    """Computes probabilities."""

    @property
    def name(self) -> str:
        """The runtime: "onnx" or "tensorflow"."""

    @property
    def device(self) -> str:
        """The device in use: "cpu", "gpu" (TensorFlow's), or a provider of ONNX Runtime ("cuda", "webgpu", ...)."""

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Float32 (n, rows, columns, 3) in [-1, 1] → float32 probabilities (neither, lung, infection), same shape.

        Raises EngineError when the device fails, for instance for want of memory.
        """


def open_engine(
    model: Model,
    engine: str,
    device: str,
    progress: Progress,
    threads: int = 0,
    admission: Admission = lambda provider, opener, _faster: opener(provider),
) -> Engine:
    """Open ``model`` (already verified).

    ``engine``: see :data:`ENGINES`; ``device``: see :data:`.providers.DEVICES`; ``threads`` of the CPU may be used,
    0: as many as there are cores for this process. ``admission`` decides whether what is not the CPU may be used.

    ``auto`` takes ONNX Runtime where it is installed, and the best GPU that works; when the GPU fails, now or later,
    work goes on on the CPU with one notice. Raises EngineError where what was asked for is not there.
    """
    if device not in DEVICES:
        raise EngineError(
            _("There is no device {device}.").format(device=repr(device)),
            _("Choose one of {names}.").format(names=", ".join(DEVICES)),
        )
    threads = threads or core_count()
    if check_installed(engine) == "tensorflow":
        return _open_tensorflow(model, device, progress, threads)
    from .onnx_engine import OnnxEngine

    def opener(provider: Provider) -> Engine:
        return OnnxEngine(model, provider, threads)

    if device == "cpu":
        return opener(CPU)
    if device != "auto":
        return _open_asked_for(device, lambda provider: admission(provider, opener, False))
    gpus = installed_gpus()
    if not gpus:
        return opener(CPU)
    return GpuThenCpu([partial(admission, gpu, opener, True) for gpu in gpus], partial(opener, CPU), progress)


def may_use_gpu(engine: str) -> bool:
    """Whether opening ``engine`` may load the driver of a GPU, unless the CPU is asked for."""
    engine = _meant(engine)
    return (
        engine in _MODULES and find_spec(_MODULES[engine]) is not None and (engine != "onnx" or bool(installed_gpus()))
    )


def _open_asked_for(device: str, opener: Opener) -> Engine:
    """``device``: "gpu" or the name of a provider."""
    wanted = installed_gpus() if device == "gpu" else tuple(gpu for gpu in installed_gpus() if gpu.name == device)
    if not wanted:
        packages = ("onnxruntime-ep-webgpu",) if device == "gpu" else (find(device).package,)
        raise EngineError(
            _("This ONNX Runtime has no {device}.").format(device="GPU" if device == "gpu" else find(device).title),
            _("Install it: pip install {package}").format(package=packages[0]),
        )
    for provider in wanted[:-1]:
        with suppress(EngineError):
            return opener(provider)
    return opener(wanted[-1])


def _open_tensorflow(model: Model, device: str, progress: Progress, threads: int) -> Engine:
    from .keras_engine import KerasEngine, has_gpu

    if device not in ("auto", "cpu", "gpu"):
        raise EngineError(
            _("The device {device} is one of ONNX Runtime's.").format(device=device),
            _("Choose --engine onnx, or --device gpu."),
        )
    if device == "cpu" or (device == "auto" and not has_gpu()):
        return KerasEngine(model, "cpu", threads)
    if device == "gpu":
        return KerasEngine(model, "gpu", threads)
    on_gpu, on_cpu = (partial(KerasEngine, model, place, threads) for place in ("gpu", "cpu"))
    return GpuThenCpu([on_gpu], on_cpu, progress)


def _meant(engine: str) -> str:
    """``engine``, and for "auto" the first that is installed."""
    return (
        next((name for name, module in _MODULES.items() if find_spec(module)), "onnx") if engine == "auto" else engine
    )


def check_installed(engine: str) -> str:
    """The engine that ``engine`` (see :data:`ENGINES`) means here. Raises EngineError where it is not installed."""
    engine = _meant(engine)
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


_MODULES = {"onnx": "onnxruntime", "tensorflow": "tensorflow"}


class Wrapped:
    """An :class:`Engine` inside of another one, by whose name and device it goes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def name(self) -> str:
        """The engine in use."""
        return self._engine.name

    @property
    def device(self) -> str:
        """The device in use."""
        return self._engine.device


class GpuThenCpu(Wrapped):
    """An engine on a GPU that goes on on the CPU when the GPU fails, and says so once.

    ``gpus``: open an engine each, the best first; the first that can be opened is used. One without a device on this
    machine is passed over without a word.
    """

    def __init__(self, gpus: Sequence[Callable[[], Engine]], cpu: Callable[[], Engine], progress: Progress) -> None:
        self._cpu = cpu
        self._progress = progress
        super().__init__(self._first(gpus))

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """As :meth:`Engine.predict`; the batch in which the GPU fails is computed again on the CPU."""
        try:
            return self._engine.predict(inputs)
        except EngineError as error:
            if self.device == CPU.name:
                raise
            self._engine = self._on_cpu(error)
            return self._engine.predict(inputs)

    def _first(self, gpus: Sequence[Callable[[], Engine]]) -> Engine:
        failed: EngineError | None = None
        for opener in gpus:
            try:
                return opener()
            except NoDeviceError:
                continue
            except EngineError as error:
                failed = failed or error
        return self._on_cpu(failed) if failed else self._cpu()

    def _on_cpu(self, error: EngineError) -> Engine:
        self._progress.notice(
            "network", _("The GPU cannot be used, going on on the CPU. {reason}").format(reason=error.sentence)
        )
        return self._cpu()
