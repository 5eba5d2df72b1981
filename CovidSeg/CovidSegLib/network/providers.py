"""What ONNX Runtime can compute the network with, as data: its execution providers, the best first.

Some are inside the runtime, some come as plug-ins beside it (ONNX Runtime 1.24.4 and later), in a package of their own.
"""

from __future__ import annotations

import importlib.metadata
import os
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors import EngineError
from ..i18n import tr as _
from ..system.graphics_cards import MAKERS, NVIDIA, GraphicsCard

if TYPE_CHECKING:
    from types import ModuleType


class NoDeviceError(EngineError):
    """A provider is installed, and this machine has no device for it."""


@dataclass(frozen=True)
class Provider:
    """One way to compute.

    ``name``: as ``--device`` and a result call it; ``title``: for people; ``execution_provider``: ONNX Runtime's name;
    ``package``: what pip installs; ``plugin``: the module that brings its library, "" where it is in the runtime;
    ``options``: what ONNX Runtime's session is told; ``python``, ``oldest_runtime``: the oldest that the package works
    with; ``download_mb``, ``disk_mb``: of the largest of its wheels, 0 where nobody is asked.
    """

    name: str
    title: str
    execution_provider: str
    package: str
    plugin: str = ""
    options: tuple[tuple[str, str], ...] = ()
    python: tuple[int, int] = (3, 10)
    oldest_runtime: tuple[int, ...] = (1, 19)
    download_mb: int = 0
    disk_mb: int = 0

    @property
    def is_installed(self) -> bool:
        """Whether it could be tried; a plug-in is not loaded for this."""
        if self.plugin:
            return find_spec(self.plugin) is not None and hasattr(runtime(), "register_execution_provider_library")
        return self.execution_provider in runtime().get_available_providers()

    @property
    def versions(self) -> str:
        """Versions of the runtime and of the plug-in."""
        own = importlib.metadata.version(self.package) if self.plugin else ""
        return f"{runtime().__version__} {own}".strip()


CPU = Provider("cpu", "CPU", "CPUExecutionProvider", "onnxruntime")

PROVIDERS = (
    # The default tries out every way of every convolution for every number of slices, and second looks have many.
    Provider(
        "cuda",
        "NVIDIA GPU (CUDA)",
        "CUDAExecutionProvider",
        "onnxruntime-gpu[cuda,cudnn]",
        options=(("cudnn_conv_algo_search", "HEURISTIC"),),
    ),
    Provider(
        "webgpu",
        "GPU (WebGPU)",
        "WebGpuExecutionProvider",
        "onnxruntime-ep-webgpu",
        plugin="onnxruntime_ep_webgpu",
        python=(3, 11),
        oldest_runtime=(1, 24, 4),
        download_mb=14,  # 0.4.0 for Windows; 7 for Linux and 5 for macOS
        disk_mb=31,
    ),
    Provider("coreml", "Apple GPU (Core ML)", "CoreMLExecutionProvider", "onnxruntime"),
    Provider(
        "openvino",
        "Intel GPU (OpenVINO)",
        "OpenVINOExecutionProvider",
        "onnxruntime-ep-openvino",
        plugin="onnxruntime_ep_openvino",
    ),
    CPU,
)

NAMES = tuple(provider.name for provider in PROVIDERS)

DEVICES = ("auto", "gpu", *reversed(NAMES))
"""What a user can ask for. ``auto``: the best that works here; ``gpu``: the best but the CPU; else by name."""


def find(name: str) -> Provider:
    """The provider of this ``name``, one of :data:`NAMES`."""
    return PROVIDERS[NAMES.index(name)]


def runtime() -> ModuleType:
    """ONNX Runtime, told to keep quiet: from 1.29 on it reports its use over the network unless this is set first."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    return onnxruntime


def installed_gpus() -> tuple[Provider, ...]:
    """Every provider but the CPU that could be tried here, the best first. None of their drivers is loaded."""
    return tuple(provider for provider in PROVIDERS if provider is not CPU and provider.is_installed)


def open_session(provider: Provider, weights: bytes) -> Any:
    """ONNX Runtime's session of the network ``weights`` (the bytes of an ONNX file) on ``provider``.

    Raises NoDeviceError where the machine has no device for it, and EngineError where the runtime cannot open it.
    """
    options = runtime().SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    chosen = [(provider.execution_provider, dict(provider.options))]
    if provider.plugin:
        options.add_provider_for_devices(devices(provider), dict(provider.options))
        chosen = []
    elif provider.name == "cuda" and hasattr(runtime(), "preload_dlls"):
        runtime().preload_dlls()  # CUDA's and cuDNN's libraries as pip installs them
    try:
        session = runtime().InferenceSession(weights, options, providers=chosen or None)
    except Exception as error:
        raise EngineError(
            _("ONNX Runtime could not open the network on the {device}.").format(device=provider.title)
        ) from error
    # Asked for a device whose driver is missing, the runtime opens on the CPU without a word.
    if session.get_providers()[0] != provider.execution_provider:
        raise EngineError(
            _("ONNX Runtime cannot use the {device}.").format(device=provider.title),
            _("Check its driver, or choose the CPU (--device cpu)."),
        )
    return session


def devices(provider: Provider) -> list[Any]:
    """ONNX Runtime's devices of a plug-in ``provider``: graphics cards, else what else it can compute on.

    Loads the plug-in and the drivers. Raises NoDeviceError where there are none, EngineError where it cannot be loaded.
    """
    _register(provider)
    found = [device for device in runtime().get_ep_devices() if device.ep_name == provider.execution_provider]
    if not found:
        raise NoDeviceError(
            _("There is no device for the {provider} on this computer.").format(provider=provider.title),
            _("Choose the CPU (--device cpu)."),
        )
    cards = [device for device in found if device.device.type == runtime().OrtHardwareDeviceType.GPU]
    return cards or found


def describe_device(provider: Provider) -> str:
    """What ``provider`` computes on, as far as ONNX Runtime tells: makers, numbers and driver of its devices."""
    if not provider.plugin:
        return provider.execution_provider
    parts = []
    for device in devices(provider):
        hardware = device.device
        facts = {name: value for name, value in device.ep_metadata.items() if name != "library_path"}
        parts.append(f"{hardware.vendor} {hardware.vendor_id}:{hardware.device_id} {dict(hardware.metadata)} {facts}")
    return "; ".join(parts)


def device_names(provider: Provider, cards: tuple[GraphicsCard, ...]) -> tuple[str, ...]:
    """What ``provider`` can compute on, in words.

    ``cards``: what the system tells of; ONNX Runtime itself knows names on Windows alone. Raises as :func:`devices`.
    """
    if not provider.plugin:
        nvidia = provider.name == "cuda"
        return tuple(card.name for card in cards if not nvidia or card.vendor == NVIDIA or "NVIDIA" in card.name)
    return tuple(dict.fromkeys(_name(device, cards) for device in devices(provider)))


def _name(device: Any, cards: tuple[GraphicsCard, ...]) -> str:
    hardware = device.device
    if hardware.type != runtime().OrtHardwareDeviceType.GPU:
        return _("a GPU in software")
    described = dict(hardware.metadata).get("Description", "")
    same = [card.name for card in cards if (card.vendor, card.device) == (hardware.vendor_id, hardware.device_id)]
    alike = [card.name for card in cards if card.vendor in (0, hardware.vendor_id)]
    maker = MAKERS.get(hardware.vendor_id, hardware.vendor)
    return described or next(iter([*same, *alike]), "") or f"{maker} {hardware.vendor_id:04x}:{hardware.device_id:04x}"


@cache
def _register(provider: Provider) -> None:
    """Load the plug-in; once in a process, since ONNX Runtime refuses it twice."""
    from importlib import import_module

    try:
        library = import_module(provider.plugin).get_library_path()
        runtime().register_execution_provider_library(provider.name, library)
    except Exception as error:
        raise EngineError(
            _("The package {package} cannot be loaded.").format(package=provider.package),
            _("Install it again, or choose the CPU (--device cpu)."),
        ) from error
