"""Small wheels for tests of the installation: packages that say what the test wants, in folders of the test."""

from __future__ import annotations

import zipfile
from pathlib import Path

WORKS = """
class SessionOptions: pass
class _Input: name = "input"
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
