"""Libraries that take seconds to load and much memory: loaded when a test first uses them, not to collect the tests."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest


class Late:
    """Stands for the module ``name``, which is imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest looks whether what a file names is a test or a fixture
            raise AttributeError(name)
        return getattr(import_module(self._name), name)


def late(name: str) -> Any:
    """The module ``name``, later."""
    return Late(name)


def needs_tensorflow() -> None:
    """Skip the file of tests that calls where TensorFlow is not installed."""
    if find_spec("tensorflow") is None:
        pytest.skip("needs the extra 'training'", allow_module_level=True)
