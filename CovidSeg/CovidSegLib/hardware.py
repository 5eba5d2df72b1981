"""What a run would be computed on. Run as ``python -m CovidSegLib.hardware`` it prints lines of JSON, the last counts.

A process of its own asks: loading a runtime takes a second, and a driver that fails must not take Slicer with it. So
what is known without loading a driver is printed first.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from .errors import EngineError
from .i18n import Json, from_json, to_json
from .network.providers import PROVIDERS, NoDeviceError, Provider, device_names, find, installed_gpus
from .progress import Progress
from .system.graphics_cards import GraphicsCard, graphics_cards
from .system.processes import core_count

if TYPE_CHECKING:
    from .network.models import Model

_SOFTWARE = "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER"
"""With this variable the WebGPU plug-in computes where there is no graphics card."""


@dataclass(frozen=True)
class Gpu:
    """A provider that is installed (see :mod:`.network.providers`).

    ``provider``, ``title``: its name and that for people; ``devices``: names of what it can compute on, () where it
    finds nothing; ``problem``: why it is not used, as ``i18n.to_json`` gives a sentence, "" for no reason; ``slower``:
    it is used only when it is asked for.
    """

    provider: str
    title: str
    devices: tuple[str, ...] = ()
    problem: Json = ""
    slower: bool = False

    @property
    def reason(self) -> str:
        """Why it is not used, in words; "" where it is."""
        return from_json(self.problem)


@dataclass(frozen=True)
class Hardware:
    """What a machine has.

    ``cores``: processor cores this process may use; ``engines``: names of the engines that are installed;
    ``cards``: names of the graphics cards; ``gpus``: what could compute on them, the best first.
    """

    cores: int
    engines: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()
    gpus: tuple[Gpu, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> Hardware:
        """What this file printed; raises ValueError for anything else."""
        try:
            content = json.loads(text)
            gpus = tuple(Gpu(**{**gpu, "devices": tuple(gpu["devices"])}) for gpu in content["gpus"])
            return cls(int(content["cores"]), tuple(content["engines"]), tuple(content["cards"]), gpus)
        except (KeyError, TypeError) as error:
            raise ValueError("no description of hardware") from error

    @classmethod
    def from_lines(cls, printed: str) -> Hardware:
        """The last of the ``printed`` lines that is a description; raises ValueError where there is none."""
        for line in reversed(printed.splitlines()):
            try:
                return cls.from_json(line)
            except ValueError:
                continue
        raise ValueError("no description of hardware")

    def chosen(self, device: str) -> Gpu | None:
        """The GPU that a run on ``device`` ("auto", "cpu", "gpu") takes; None for the CPU."""
        if device == "cpu":
            return None
        fit = [gpu for gpu in self.gpus if gpu.devices and not gpu.problem]
        return next((gpu for gpu in fit if device == "gpu" or not gpu.slower), None)

    def has(self, provider: str) -> bool:
        """Whether this provider is installed."""
        return any(gpu.provider == provider for gpu in self.gpus)


def glance(cards: tuple[GraphicsCard, ...]) -> Hardware:
    """What is known of this machine, with these ``cards``, without loading a driver."""
    modules = {"onnx": "onnxruntime", "tensorflow": "tensorflow"}
    engines = tuple(name for name, module in modules.items() if find_spec(module))
    if _may_compute(cards):
        gpus = installed_gpus() if "onnx" in engines else ()
    else:
        gpus = tuple(provider for provider in PROVIDERS if provider.plugin and find_spec(provider.plugin))
    names = tuple(card.name for card in cards)
    return Hardware(core_count(), engines, names, tuple(Gpu(gpu.name, gpu.title) for gpu in gpus))


def _may_compute(cards: tuple[GraphicsCard, ...]) -> bool:
    """Whether there may be a GPU; else nobody need wait for a runtime."""
    return bool(cards) or _SOFTWARE in os.environ


def look(hardware: Hardware, cards: tuple[GraphicsCard, ...]) -> Hardware:
    """``hardware`` with what each provider can compute on; loads drivers."""
    from .network.models import find as find_model

    model = find_model("default")
    return replace(hardware, gpus=tuple(_look_at(find(gpu.provider), model, cards) for gpu in hardware.gpus))


def _look_at(provider: Provider, model: Model, cards: tuple[GraphicsCard, ...]) -> Gpu:
    from .device_trial import TrialVerdict, kept_verdict, refusal

    gpu = Gpu(provider.name, provider.title)
    try:
        gpu = replace(gpu, devices=device_names(provider, cards))
        verdict = kept_verdict(model, provider)
    except NoDeviceError:
        return gpu
    except EngineError as error:
        return replace(gpu, problem=to_json(error.sentence))
    refused = refusal(verdict, provider, faster=False) if verdict else None
    return replace(gpu, problem=to_json(refused.sentence) if refused else "", slower=verdict is TrialVerdict.SLOWER)


def try_gpu(name: str) -> int:
    """Whether the provider ``name`` gives the CPU's masks here: 0, or 1 after a line of JSON with the reason."""
    from .device_trial import admit
    from .network.engines import open_engine
    from .network.gpu_watch import gpu_in_time
    from .network.models import find as find_model

    model = find_model("default")
    try:
        with gpu_in_time():
            open_engine(model, "onnx", name, Progress(), admission=partial(admit, model))
    except EngineError as error:
        print(json.dumps({"refused": to_json(error.sentence)}))
        return 1
    return 0


def main() -> None:
    """Print what there is."""
    cards = graphics_cards()
    found = glance(cards)
    print(json.dumps(asdict(found)), flush=True)
    if found.gpus and _may_compute(cards):
        from .network.gpu_watch import gpu_in_time

        with gpu_in_time():
            print(json.dumps(asdict(look(found, cards))), flush=True)


if __name__ == "__main__":
    main()
