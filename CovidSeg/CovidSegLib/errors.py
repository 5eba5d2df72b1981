"""The exceptions that mean "tell the user": one sentence that says what is wrong, and a hint that says what to do.

Everything else that is raised is our own fault and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .i18n import one_line


class CovidSegError(Exception):
    """Base of what a user is told about.

    Parameters: ``sentence`` says what is wrong; ``hint`` says what to do about it (may be empty).
    ``str(error)`` joins the two, on one line. ``subject``: what of a call it is about, as it was typed (see
    :func:`about`); for the terminal alone, since a file may be called after a patient: never written to a file.
    """

    def __init__(self, sentence: str, hint: str = "") -> None:
        self.sentence = one_line(sentence)
        self.hint = one_line(hint)
        self.subject = ""
        super().__init__(self.sentence, self.hint)

    def __str__(self) -> str:
        return f"{self.sentence} {self.hint}".strip()


class InputError(CovidSegError):
    """The scan, or the call, cannot be used as it is."""


class ModelError(CovidSegError):
    """The network's weights or its card are missing, altered or of another make."""


class EngineError(CovidSegError):
    """The runtime that computes the network is absent or failed."""


class OutputError(CovidSegError):
    """A result cannot be written where it was asked for."""


@contextmanager
def about(argument: object, kind: type[CovidSegError] = CovidSegError) -> Iterator[None]:
    """An error of ``kind`` that is raised inside concerns ``argument``, as it was typed; the innermost one counts."""
    try:
        yield
    except kind as error:
        error.subject = error.subject or str(argument)
        raise


class WorkerDiedError(EngineError):
    """The child process ended in the middle of its work: killed, out of memory, or a fault of a driver."""


class ReadingDiedError(InputError):
    """The child process ended while it read a file: a library broke down on it, or its content took all memory."""
