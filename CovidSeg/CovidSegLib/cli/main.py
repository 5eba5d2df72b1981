"""The way into ``covidseg``: parse, run, and turn what goes wrong into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from typing import NoReturn

from ..errors import CovidSegError
from ..progress import Cancelled
from . import batch, followup, models, report, sample, segment, training_case
from .console import CannotPrintError, one_line, say
from .faults import BUG_SENTENCE, CANCELLED, DONE, WRONG_CALL, exit_code, print_bug
from .interrupts import Interrupts


def main(argv: list[str] | None = None) -> int:
    """Run ``covidseg`` with ``argv`` (default: the process's own arguments); returns the exit code.

    Progress, warnings and errors go to standard error, results to standard output.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who called us; the work is wanted all the same
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - until the process ends
    for stream in (sys.stdout, sys.stderr):
        # File names may hold characters that the terminal has not.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with Interrupts() as interrupts:
        try:
            code = _run(argv, interrupts)
            sys.stdout.flush()
        except (KeyboardInterrupt, Cancelled):
            print("cancelled", file=sys.stderr)
            return CANCELLED
        except BrokenPipeError:  # nobody reads on, as with "| head"; the work itself is done
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        except OSError as error:
            return _print_no_more(error)
        return code


def _print_no_more(error: OSError) -> int:
    """Standard output or error is on a full disk or broken: say so where it can still be said; returns the code."""
    with suppress(OSError):
        print(f"error: Standard output cannot be written ({error.strerror}).", file=sys.stderr, flush=True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a stream that is no file
            os.dup2(nowhere, stream.fileno())
    return WRONG_CALL


def _run(argv: list[str] | None, interrupts: Interrupts) -> int:
    try:
        args = _parser().parse_args(argv)
        args.stop_asked = interrupts.asked
        return int(args.run(args))
    except SystemExit as end:  # --help, --version and wrong calls
        return end.code if isinstance(end.code, int) else DONE
    except (Cancelled, BrokenPipeError, CannotPrintError):
        raise
    except CovidSegError as error:
        say(f"error: {one_line(str(error))}", to_error=True)
        return exit_code(error)
    except Exception as error:
        print_bug(error)
        print(f"error: {BUG_SENTENCE}", file=sys.stderr)
        return exit_code(error)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a call in one line."""

    def error(self, message: str) -> NoReturn:
        print(f"error: {one_line(message)} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(WRONG_CALL)


class _Version(argparse.Action):
    """Prints the version, which is imported only then."""

    def __call__(self, *_: object) -> NoReturn:
        from .. import __version__

        say(f"covidseg {__version__}")
        sys.exit(DONE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="covidseg",
        description="Lungs and COVID-19 infection in chest CT.",
        epilog="Exit codes: 0 done, 1 fault of the program, 2 wrong input or call, 130 cancelled.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (segment, report, followup, batch, training_case, sample, models):
        command.add_parser(commands)
    return parser
