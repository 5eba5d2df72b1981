"""A signal in plain Python, a list of functions to call, and a value that tells of its changes by one.

Signals of Qt that are declared in Python crash PythonQt, and these need no Qt at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
Value = TypeVar("Value")


class Signal(Generic[P]):
    """Functions that are called, in the order in which they were connected, each time the signal is emitted."""

    def __init__(self) -> None:
        self._functions: list[Callable[P, object]] = []

    def connect(self, function: Callable[P, object]) -> None:
        """Call ``function`` from now on."""
        self._functions.append(function)

    def emit(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call all functions."""
        for function in tuple(self._functions):
            function(*args, **kwargs)


class Observable(Generic[Value]):
    """A ``value``; ``changed`` is emitted with each one that is set, also with one that is equal to the last."""

    def __init__(self, value: Value) -> None:
        self._value = value
        self.changed: Signal[[Value]] = Signal()

    @property
    def value(self) -> Value:
        """The latest."""
        return self._value

    @value.setter
    def value(self, value: Value) -> None:
        self._value = value
        self.changed.emit(value)
