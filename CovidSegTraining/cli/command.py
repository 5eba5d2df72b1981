"""What ``covidseg-train`` does with a call: its parser, its subcommands, its exit codes."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import sys

from CovidSegLib.errors import CovidSegError, OutputError, traceback_text
from CovidSegLib.progress import Cancelled
from CovidSegLib.system.command_line import CANCELLED, DONE, OWN_FAULT, WRONG_CALL, CommandParser
from CovidSegLib.system.printing import Printing
from CovidSegLib.system.processes import no_ipv6_probe

from ..needs import is_optional, missing_package
from . import (
    check_command,
    evaluate_command,
    export_command,
    figures_command,
    fit_command,
    lobes_command,
    preset_command,
)

_PLACE_IS_WRONG = {
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EIO", "EISDIR", "ENOTDIR", "ENAMETOOLONG")
    if hasattr(errno, name)
}
"""What the system says of a place that the user chose; other errors of files are our own fault."""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 0 (done), 2 (input or call is wrong), 130 (cancelled) or 1 (our own fault).

    Neither a pipe that is closed at its other end, as with "| head", nor a full disk stops the work; the latter is 2.
    """
    with Printing() as printing:
        return printing.exit_code(_run(argv))


def _run(argv: list[str] | None) -> int:
    args = build_parser().parse_args(argv)
    no_ipv6_probe()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    for library in ("absl", "tf2onnx"):
        logging.getLogger(library).setLevel(logging.WARNING)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return args.run_command(args) or DONE
    except CovidSegError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_CALL
    except ImportError as error:
        if is_optional(error.name):
            print(f"error: {missing_package(error.name or '')}", file=sys.stderr)
            return WRONG_CALL
        logging.getLogger(__name__).error("covidseg-train failed, by a fault of its own\n%s", traceback_text(error))
        return OWN_FAULT
    except (Cancelled, KeyboardInterrupt):
        print("error: Cancelled.", file=sys.stderr)
        return CANCELLED
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _PLACE_IS_WRONG:
            print(f"error: {_of_place(error)}", file=sys.stderr)
            return WRONG_CALL
        # Told here and let go: an exception that lives on until Python ends keeps TensorFlow's data threads alive, and
        # the two would wait for each other for ever.
        logging.getLogger(__name__).error("covidseg-train failed, by a fault of its own\n%s", traceback_text(error))
        return OWN_FAULT


def _of_place(error: OSError) -> OutputError:
    """What the system says of a file, as a sentence that tells no path."""
    name = os.path.basename(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else ""
    sentence = f"{name or 'A file'} cannot be read or written ({os.strerror(error.errno or 0)})."
    return OutputError(sentence, "Is there room, and may you write there?")


def build_parser() -> argparse.ArgumentParser:
    """The command's parser; each subcommand sets ``run_command``, a function of the parsed arguments."""
    parser = CommandParser(prog="covidseg-train", description="Train, judge and export networks of CovidSeg.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (
        check_command,
        fit_command,
        evaluate_command,
        figures_command,
        export_command,
        lobes_command,
        preset_command,
    ):
        module.add_commands(commands)
    return parser
