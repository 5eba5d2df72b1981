"""The way into ``covidseg``: parse, run, and turn what goes wrong into one line and an exit code."""

from __future__ import annotations

import argparse
import sys
import traceback
from typing import NoReturn

from ..errors import CovidSegError
from ..progress import Cancelled
from ..system.command_line import CANCELLED, DONE, WRONG_CALL, CommandParser, exit_code, one_line
from ..system.interrupts import Interrupts
from ..system.memory import check_session, too_small
from ..system.printing import Printing
from . import (
    batch_command,
    followup_command,
    lobes_command,
    models_command,
    report_command,
    sample_command,
    segment_command,
    training_case_command,
)
from .console import BUG_SENTENCE, print_bug, say


def main(argv: list[str] | None = None) -> int:
    """Run ``covidseg`` with ``argv`` (default: the process's own arguments); returns the exit code.

    Progress, warnings and errors go to standard error, results to standard output. Where these take nothing more the
    work goes on; the code is then 2 for a full disk, and what the work deserves for a pipe that was closed. Without
    ``argv`` the process is taken to end with the command: after Ctrl-C it is deaf to further ones.
    """
    with Printing() as printing, Interrupts(process_ends=argv is None) as interrupts:
        try:
            try:
                args = build_parser().parse_args(argv)
                args.stop_asked = interrupts.asked
                check_session()
                code = int(args.run(args))
            except SystemExit as end:  # --help, --version and wrong calls
                code = end.code if isinstance(end.code, int) else DONE
            except Exception as error:
                code = _told(error, interrupts)
        except (KeyboardInterrupt, Cancelled):  # from the command, and while its error is told
            print("cancelled", file=sys.stderr)
            code = CANCELLED
            # Where Ctrl-C came inside of an exec (as dataclasses make their methods), Python ends itself by the signal,
            # although the exception was caught; the next exec forgets it (run_eval_code_obj in CPython's pythonrun.c).
            exec("")
        return printing.exit_code(code)


def _told(error: Exception, interrupts: Interrupts) -> int:
    """The exit code, after ``error`` was told in one line. Raises Cancelled where that is what it means."""
    if isinstance(error, Cancelled):
        raise error
    if isinstance(error, CovidSegError):
        subject = f"{error.subject}: " if error.subject else ""
        say(f"error: {one_line(f'{subject}{error}')}", to_error=True)
        return exit_code(error)
    if interrupts.asked():  # Ctrl-C during an import may come out as another exception
        raise Cancelled from error
    limited = too_small(traceback.format_exception_only(error)[-1])
    if limited is not None:
        say(f"error: {one_line(str(limited))}", to_error=True)
        return WRONG_CALL
    print_bug(error)
    print(f"error: {BUG_SENTENCE}", file=sys.stderr)
    return exit_code(error)


class _Version(argparse.Action):
    """Prints the version, which is imported only then."""

    def __call__(self, *_: object) -> NoReturn:
        from .. import __version__

        say(f"covidseg {__version__}")
        sys.exit(DONE)


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``covidseg``; each sub-command sets ``run``, a function of the parsed arguments."""
    parser = CommandParser(
        prog="covidseg",
        description="Lungs and COVID-19 infection in chest CT.",
        epilog="Exit codes: 0 done, 1 fault of the program, 2 wrong input or call, 130 cancelled.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (
        segment_command,
        report_command,
        followup_command,
        batch_command,
        training_case_command,
        lobes_command,
        sample_command,
        models_command,
    ):
        command.add_parser(commands)
    return parser
