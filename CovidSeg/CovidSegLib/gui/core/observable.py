"""A signal in plain Python: a list of functions to call.

Signals of Qt that are declared in Python crash PythonQt, and these need no Qt at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Signal(Generic[P]):
    """Functions that are called, in the order in which they were connected, each time the signal is emitted."""

    def __init__(self) -> None:
        self._functions: list[Callable[P, object]] = []

    def connect(self, function: Callable[P, object]) -> None:
        """Call ``function`` from now on."""
        self._functions.append(function)

    def disconnect(self, function: Callable[P, object]) -> None:
        """Call ``function`` no longer; does nothing if it was not connected."""
        if function in self._functions:
            self._functions.remove(function)

    def emit(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call all functions."""
        for function in tuple(self._functions):
            function(*args, **kwargs)
