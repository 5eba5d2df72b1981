"""Work in steps: a generator that yields while it is at work and returns its result, so that a window lives between."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

Result = TypeVar("Result")
Told = TypeVar("Told")


def result_of(steps: Generator[Any, None, Result]) -> Result:
    """Go through ``steps`` at once, and return what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def mapped(steps: Generator[Any, None, Result], report: Callable[[Any], Told]) -> Generator[Told, None, Result]:
    """``steps`` that yield ``report`` of what they yield."""
    while True:
        try:
            told = next(steps)
        except StopIteration as end:
            return end.value
        yield report(told)


def silently(steps: Generator[Any, None, Result]) -> Generator[None, None, Result]:
    """``steps`` without what they report: nobody shows how far they are."""
    return mapped(steps, lambda _told: None)
