"""``covidseg-train evaluate``."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress

from .cli_data import folder_and_names


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add this file's subcommands."""
    evaluate = commands.add_parser("evaluate", help="score a network on held-out cases, through the shipped pipeline")
    evaluate.add_argument("--data", required=True, metavar="FOLDER[:CASE,CASE]")
    evaluate.add_argument("--fold", type=int, default=1, help="fold to judge on (0: all)")
    evaluate.add_argument("--model", default="default", help="name or card file")
    evaluate.add_argument("--engine", default="auto", choices=("auto", "onnx", "tensorflow"))
    evaluate.add_argument("--device", default="auto", choices=("auto", "cpu", "gpu"))
    evaluate.add_argument("--json", type=Path, help="write the scores as JSON")
    evaluate.add_argument("--update-card", action="store_true", help="write the scores into the model's card")
    evaluate.set_defaults(run_command=_evaluate)


def _evaluate(args: argparse.Namespace) -> None:
    from CovidSegLib.network import models
    from CovidSegLib.pipeline import Options, open_engine

    from .dataset import find_cases
    from .evaluation import evaluate, mean_with_interval, table_text

    folder, names = folder_and_names(args.data)
    cases = [case for case in find_cases(folder, names) if args.fold == 0 or case.fold == args.fold]
    if not cases:
        raise InputError(f"No case is in fold {args.fold}.", "Choose another --fold, or 0 for all.")
    options = Options(engine=args.engine, device=args.device, model=args.model)
    engine = open_engine(options, Progress())
    rows = evaluate(cases, folder / "slices.csv", options, engine, Progress())
    print(table_text(rows))
    means = {name: mean_with_interval(float(row[name]) for row in rows)[0] for name in rows[0] if name != "case"}
    if args.json:
        args.json.write_text(json.dumps({"cases": rows, "mean": means}, indent=2) + "\n", encoding="utf-8")
    if args.update_card:
        model = models.find(args.model)
        card = {**model.card, "metrics": {"fold": args.fold, "engine": engine.name, "mean": _rounded(means)}}
        card["metrics"]["cases"] = [_rounded(row) for row in rows]
        path = model.folder / f"{model.name}.json"
        part = path.with_name(f".{path.name}.part")
        part.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        os.replace(part, path)


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    # JSON has no NaN: what cannot be measured on a scan is null.
    return {
        name: value if isinstance(value, str) else (round(value, 4) if value == value else None)
        for name, value in row.items()
    }
