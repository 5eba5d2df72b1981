"""The exceptions that mean "tell the user": one sentence that says what is wrong, and a hint that says what to do.

Everything else that is raised is our own fault and keeps its traceback.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from .i18n import one_line

_SEES_HEADERS = re.compile(r"[/\\](pydicom|highdicom|nibabel|CovidSegLib[/\\]reading)[/\\]")
"""Code whose exceptions may quote what stands in a header."""


class CovidSegError(Exception):
    """Base of what a user is told about.

    ``str(error)`` joins sentence and hint, on one line.

    Parameters
    ----------
    sentence
        What is wrong.
    hint
        What to do about it; may be empty.

    Attributes
    ----------
    subject
        What of a call it is about, as it was typed (see :func:`about`). For the terminal alone, since a file may be
        called after a patient: never written to a file.
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


class ChangedMeanwhileError(OutputError):
    """Somebody saved the file that a result would replace after the run had begun."""


class OtherScanError(OutputError):
    """What is there already is the result of another scan of the same name."""


@contextmanager
def about(argument: object, kind: type[CovidSegError] = CovidSegError) -> Iterator[None]:
    """An error of ``kind`` that is raised inside concerns ``argument``, as it was typed; the innermost one counts."""
    try:
        yield
    except kind as error:
        error.subject = error.subject or str(argument)
        raise


def traceback_text(error: BaseException) -> str:
    """The traceback of ``error`` and of what led to it, without what code that sees headers says in it.

    Such exceptions quote values, and a value may name a patient. Their kinds and places stay.
    """
    text = "".join(traceback.format_exception(error))
    for one in _chain(error):
        seen = any(_SEES_HEADERS.search(frame.filename) for frame in traceback.extract_tb(one.__traceback__))
        if seen and str(one):
            text = text.replace(str(one), "(left out: it may be from a header)")
    return text


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    known: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in known:
            known.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__]


class WorkerDiedError(EngineError):
    """The child process ended in the middle of its work: killed, out of memory, or a fault of a driver."""


class ReadingDiedError(InputError):
    """The child process ended while it read a file: a library broke down on it, or its content took all memory."""
