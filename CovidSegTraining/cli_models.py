"""``covidseg-train export``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add this file's subcommands."""
    export = commands.add_parser("export", help="write ONNX and Keras weights and the model card")
    export.add_argument("--run", type=Path, required=True, help="folder of a finished fit")
    export.add_argument("--name", required=True)
    export.add_argument("--to", type=Path, required=True, help="folder for the three files")
    export.add_argument("--facts", type=Path, help="JSON that goes into the card: description, data, licence, finish")
    export.set_defaults(run_command=_export)


def _export(args: argparse.Namespace) -> None:
    from .export import export

    facts = json.loads(args.facts.read_text(encoding="utf-8")) if args.facts else {}
    command = args.run / "command.txt"
    if command.is_file():
        facts = {**facts, "command": command.read_text(encoding="utf-8").strip()}
    card = export(args.run, args.name, args.to, facts)
    print(f"Wrote {card.name} and its weights.")
