"""What was computed last, for whoever asks the same again and again: what is told of a scan after each edit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class LastAnswer(Generic[Answer]):
    """Keeps one answer, and computes it anew when something else is asked. It lives as long as its owner.

    >>> last = LastAnswer()
    >>> last.to(3, lambda: print("computed") or 9)
    computed
    9
    >>> last.to(3, lambda: print("computed") or 9)
    9

    Two threads may ask at once: each has the answer to its own question.
    """

    def __init__(self) -> None:
        self._kept: tuple[object, Answer] | None = None

    def to(self, question: object, compute: Callable[[], Answer]) -> Answer:
        """The answer to ``question``, which is compared by ``==``: use bytes instead of arrays.

        What ``compute`` raises is raised, and nothing is kept of it.
        """
        kept = self._kept
        if kept is None or kept[0] != question:
            self._kept = kept = question, compute()
        return kept[1]
