"""Small wheels for tests of the installation: packages that say what the test wants, in folders of the test."""

from __future__ import annotations

import zipfile
from pathlib import Path

WORKS = """
class SessionOptions: pass
class _Input: name, shape = "input", ["n", "rows", "columns", 3]
class InferenceSession:
    def __init__(self, weights, options, providers): pass
    def get_providers(self): return ["CPUExecutionProvider"]
    def get_inputs(self): return [_Input()]
def get_available_providers(): return ["CPUExecutionProvider"]
def set_default_logger_severity(level): pass
"""
"""As much of onnxruntime as opening the network asks for."""

BREAKS = "raise ImportError('numpy.core.multiarray failed to import')\n"


def make_wheel(
    folder: Path, name: str, version: str, content: str, *, tag: str = "py3-none-any", requires: str = ""
) -> Path:
    """A wheel of one module ``name`` with this ``content``; ``requires`` is a requirement that it declares."""
    info = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{name}/__init__.py": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]))
    return file


GPU_RUNTIME = """
import os, numpy
__version__ = "1.30.0"
class OrtHardwareDeviceType: GPU = 1
class _Card: type, vendor, vendor_id, device_id, metadata = 1, "Maker", 1, 2, {"Description": "Card of the test"}
class _Device: ep_name, ep_metadata, device = "WebGpuExecutionProvider", {}, _Card
_plugins = []
def register_execution_provider_library(name, library): _plugins.append(library)
def get_ep_devices(): return [_Device for library in _plugins if library != "finds nothing"]
class SessionOptions:
    gpu = ""
    def add_provider_for_devices(self, devices, options): self.gpu = _plugins[0]
class _Input: name, shape = "input", ["n", "rows", "columns", 3]
class InferenceSession:
    def __init__(self, weights, options, providers=None): self.gpu = options.gpu
    def get_providers(self): return ["WebGpuExecutionProvider" if self.gpu else "CPUExecutionProvider"]
    def get_inputs(self): return [_Input()]
    def run(self, _names, feeds):
        if self.gpu == "crashes":
            os.abort()
        answer = numpy.zeros_like(feeds["input"])
        answer[..., 2 if self.gpu == "lies" else 1] = 1
        return [answer]
def get_available_providers(): return ["CPUExecutionProvider"]
def set_default_logger_severity(level): pass
"""
"""As much of an onnxruntime that takes plug-ins as a trial asks for; what the plug-in's library is called, it does."""

GPU_PLUGIN = "def get_library_path(): return {behaviour!r}\n"
"""The plug-in; ``behaviour``: "works", "lies", "crashes" or "finds nothing"."""


def packed(folder: Path, module: str) -> Path:
    """The installed package of this ``module``, as a wheel in ``folder``."""
    import importlib.metadata

    distribution = importlib.metadata.distribution(module.replace("_", "-"))
    tag = next(line[5:] for line in distribution.read_text("WHEEL").splitlines() if line.startswith("Tag: "))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{module}-{distribution.version}-{tag}.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        for path in distribution.files:
            if path.suffix != ".pyc" and path.name not in ("INSTALLER", "REQUESTED", "direct_url.json"):
                wheel.write(path.locate(), str(path))
    return file
