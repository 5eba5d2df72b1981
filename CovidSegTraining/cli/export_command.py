"""``covidseg-train export`` and ``card``: what ships."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from CovidSegLib.errors import InputError

LOG = logging.getLogger(__name__)


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add this file's subcommands."""
    export = commands.add_parser("export", help="write ONNX and Keras weights and the model card")
    export.add_argument("--run", type=Path, required=True, help="folder of a finished fit")
    export.add_argument("--name", required=True)
    export.add_argument("--to", type=Path, required=True, help="folder for the files")
    export.add_argument(
        "--facts", type=Path, help="JSON for the card: description, training_data, licence, finish, inputs"
    )
    export.add_argument("--formats", default="onnx,keras", help="of onnx, keras, savedmodel (default: onnx,keras)")
    export.add_argument("--half", action="store_true", help="the same as --weights float16")
    export.add_argument(
        "--weights",
        choices=("float32", "float16", "int8"),
        default="float32",
        help="what large kernels are stored as: float16 is half the size, int8 (ONNX alone) a quarter",
    )
    export.set_defaults(run_command=_export)
    card = commands.add_parser("card", help="put facts and scores into a model card, and write it for people")
    card.add_argument("--model", default="default", help="name or file of the model")
    card.add_argument(
        "--facts", type=Path, help="JSON with description, training_data, licence, limits, finish, inputs"
    )
    card.add_argument("--metrics", type=Path, help="JSON of evaluate --json, of one set or of --crossval")
    card.add_argument("--markdown", type=Path, metavar="FILE", help="write the card as a page too")
    card.set_defaults(run_command=_card)


def _export(args: argparse.Namespace) -> None:
    from ..fit.run_folder import check_finished, check_folder
    from ..needs import EXPORT, check_packages
    from ..ship.card import check_name, checked_facts

    check_name(args.name)
    check_folder(args.to)
    check_finished(args.run)
    _check_taken(args.to / f"{args.name}.json", args.run)
    if args.half and args.weights not in ("float32", "float16"):
        raise InputError("--half and --weights say different things.", "Leave one of them out.")
    facts = checked_facts(_read(args.facts))
    stored = "float16" if args.half else args.weights
    formats = [name.strip() for name in args.formats.split(",")]
    check_packages(EXPORT)
    LOG.info("loading TensorFlow, writing the weights and comparing what all formats say ...")
    from ..ship.export import export

    card = export(args.run, args.name, args.to, facts, formats=formats, stored=stored)
    print(f"Wrote {card.name} and its weights; all formats agree.")


def _check_taken(card: Path, run: Path) -> None:
    """Raise InputError where another network has this name: one name, one network, so that results can be told."""
    from ..fit.run_folder import read_json
    from ..fit.trained_on import is_of_run

    if card.is_file() and not is_of_run(read_json(card), run):
        raise InputError(
            f"{card.stem} is the name of another network in that folder.", "Choose another --name, or move it away."
        )


def _card(args: argparse.Namespace) -> None:
    from CovidSegLib.network import models
    from CovidSegLib.system.atomic_files import replace_text

    from ..fit.run_folder import check_folder, check_place
    from ..ship.card import as_markdown, checked_facts, update_card, with_facts, with_metrics

    model = models.find(args.model)
    state = check_place(args.markdown, f"# {model.name}\n")
    if args.facts or args.metrics:
        check_folder(model.folder)
    facts = checked_facts(_read(args.facts))
    metrics = None if args.metrics is None else _read(args.metrics)

    def changed(card: dict[str, Any]) -> dict[str, Any]:
        described = with_facts(card, facts)
        return described if metrics is None else with_metrics(described, metrics)

    about = update_card(model, changed) if args.facts or args.metrics else model.about
    text = as_markdown(about)
    if args.markdown is not None:
        replace_text(text, args.markdown, state)
    else:
        print(text, end="")


def _read(file: Path | None) -> dict[str, Any]:
    from ..fit.run_folder import read_json

    return {} if file is None else read_json(file)
