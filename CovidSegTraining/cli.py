"""The command ``covidseg-train``; ``cli_*`` hold its subcommands."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import NoReturn

from CovidSegLib.errors import CovidSegError
from CovidSegLib.printing import Printing
from CovidSegLib.progress import Cancelled

from . import cli_data, cli_figures, cli_fit, cli_judge, cli_models, cli_preset


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 0 (done), 2 (input or call is wrong), 130 (cancelled) or 1 (our own fault).

    Neither a reader of the output that goes away, as with "| head", nor a full disk stops the work; the latter is 2.
    """
    with Printing() as printing:
        return printing.exit_code(_run(argv))


def _run(argv: list[str] | None) -> int:
    args = parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    for library in ("absl", "tf2onnx"):
        logging.getLogger(library).setLevel(logging.WARNING)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return args.run_command(args) or 0
    except CovidSegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (Cancelled, KeyboardInterrupt):
        print("error: Cancelled.", file=sys.stderr)
        return 130
    except Exception:
        # Told here and let go: an exception that lives on until Python ends keeps TensorFlow's data threads alive, and
        # the two would wait for each other for ever.
        logging.getLogger(__name__).exception("covidseg-train failed, by a fault of its own")
        return 1


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a call in one line, as ``covidseg`` does."""

    def error(self, message: str) -> NoReturn:
        print(f"error: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(2)


def parser() -> argparse.ArgumentParser:
    """The command's parser; each subcommand sets ``run_command``, a function of the parsed arguments."""
    parser = _Parser(prog="covidseg-train", description="Train, judge and export networks of CovidSeg.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (cli_data, cli_fit, cli_judge, cli_figures, cli_models, cli_preset):
        module.add_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
