"""What a run would be computed on. Run as ``python -m CovidSegLib.network.hardware`` it prints one line of JSON.

A process of its own asks: loading a runtime takes a second, and a driver that fails must not take Slicer with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec

from ..system.processes import NO_WINDOW, core_count


@dataclass(frozen=True)
class Hardware:
    """What a machine has.

    ``cores``: processor cores this process may use; ``engines``: names of the engines that are installed;
    ``gpu``: name of the graphics card, "" for none; ``gpu_works``: whether ONNX Runtime was built to use it.
    """

    cores: int
    engines: tuple[str, ...] = ()
    gpu: str = ""
    gpu_works: bool = False

    @classmethod
    def from_json(cls, text: str) -> Hardware:
        """What :func:`look` printed; raises ValueError for anything else."""
        try:
            content = json.loads(text)
            return cls(int(content["cores"]), tuple(content["engines"]), content["gpu"], bool(content["gpu_works"]))
        except (KeyError, TypeError) as error:
            raise ValueError("no description of hardware") from error


def look() -> Hardware:
    """What there is on this machine; loads the runtime."""
    modules = {"onnx": "onnxruntime", "tensorflow": "tensorflow"}
    engines = tuple(name for name, module in modules.items() if find_spec(module))
    gpu = _gpu_name()
    works = False
    if gpu and "onnx" in engines:
        from .providers import installed_gpus

        works = bool(installed_gpus())
    return Hardware(core_count(), engines, gpu, works)


def _gpu_name() -> str:
    """Name of the first NVIDIA card, by its driver's own tool; "" without driver or card."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10, **NO_WINDOW)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().partition("\n")[0].strip()


if __name__ == "__main__":
    json.dump(asdict(look()), sys.stdout)
