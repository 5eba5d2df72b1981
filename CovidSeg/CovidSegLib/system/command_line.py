"""What the commands have in common: how a wrong call is refused, and what their exit codes mean."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

from ..errors import CovidSegError, WorkerDiedError
from ..visible import visible

DONE, OWN_FAULT, WRONG_CALL, CANCELLED = 0, 1, 2, 130
"""Exit codes. A child process that was killed counts as our own fault: it says nothing about the input."""


def exit_code(error: Exception) -> int:
    """The exit code that ``error`` leads to."""
    return WRONG_CALL if isinstance(error, CovidSegError) and not isinstance(error, WorkerDiedError) else OWN_FAULT


def one_line(text: str) -> str:
    """``text`` without line breaks; other characters that act are shown (:func:`CovidSegLib.visible.visible`)."""
    return visible(" ".join(text.split()))


class CommandParser(argparse.ArgumentParser):
    """Says what is wrong with a call in one line, and names the help of the command that it was meant for."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse's, but nothing is passed on to the parser above as not known."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """End with :data:`WRONG_CALL`."""
        print(f"error: {one_line(message)} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(WRONG_CALL)
