"""Work in steps: a generator that yields while it is at work and returns its result, so that a window lives between."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

BUSY_SECONDS = 0.03
"""The longest that a window is kept from answering by work that has always more to do."""

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


def silently(
    steps: Generator[Any, None, Result], clock: Callable[[], float] = time.monotonic
) -> Generator[None, None, Result]:
    """``steps`` without what they report: nobody shows how far they are.

    A pause after each of many short steps would take longer than the work: there is one every :data:`BUSY_SECONDS` of
    ``clock``.
    """
    began = clock()
    try:
        while True:
            next(steps)
            if clock() - began >= BUSY_SECONDS:
                yield None
                began = clock()
    except StopIteration as end:
        return end.value
    finally:
        steps.close()
