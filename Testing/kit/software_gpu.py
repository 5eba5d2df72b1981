"""A GPU in software: SwiftShader, which Debian's chromium brings, through Vulkan's loader and the WebGPU plug-in.

Only child processes get it: in the tests' own process it would be the GPU of every other test. A slice of the
network's own size takes ten seconds there.
"""

from __future__ import annotations

import ctypes.util
from importlib.util import find_spec
from pathlib import Path

import pytest

_DRIVER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")


def software_gpu() -> dict[str, str]:
    """The environment of a process that has it; skips the test where it is not there."""
    missing = [
        what
        for what, there in {
            "the package onnxruntime-ep-webgpu (Python 3.11 or later)": find_spec("onnxruntime_ep_webgpu"),
            "SwiftShader (Debian's chromium)": _DRIVER.is_file(),
            "Vulkan's loader (Debian's libvulkan1)": ctypes.util.find_library("vulkan"),
        }.items()
        if not there
    ]
    if missing:
        pytest.skip(f"no GPU in software: needs {' and '.join(missing)}")
    return {"VK_DRIVER_FILES": str(_DRIVER), "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER": "1"}
