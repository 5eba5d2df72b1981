"""The command ``covidseg-train``: fit, evaluate, export."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from CovidSegLib.errors import CovidSegError, InputError
from CovidSegLib.progress import Cancelled, Progress

LOG = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 0 (done), 2 (input or call is wrong) or 130 (cancelled)."""
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        args.run_command(args)
    except CovidSegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (Cancelled, KeyboardInterrupt):
        print("error: Cancelled.", file=sys.stderr)
        return 130
    return 0


def _fit(args: argparse.Namespace) -> None:
    from .memory import keep_freed_memory

    keep_freed_memory()
    from .config import TrainingConfig
    from .dataset import find_cases
    from .training import fit

    settings: dict[str, Any] = {"test_fold": args.test_fold, "seed": args.seed}
    settings |= {name: getattr(args, name) for name in ("steps", "learning_rate") if getattr(args, name) is not None}
    config = TrainingConfig(**settings)
    cases = [case for case in find_cases(args.data) if config.test_fold == 0 or case.fold != config.test_fold]
    for text in args.infection_free:
        folder, names = _folder_and_names(text)
        cases += find_cases(folder, names)
    if not cases:
        raise InputError("Every case is held out.", "Choose another --test-fold.")
    encoder = None if args.encoder == "none" else args.encoder
    if encoder not in (None, "imagenet") and not Path(encoder).is_file():
        raise InputError("The file of encoder weights does not exist.", "Give a file, 'imagenet' or 'none'.")
    if args.start is not None and not args.start.is_file():
        raise InputError("The weights to start from do not exist.", "Give network.weights.h5 of a finished run.")
    args.run.mkdir(parents=True, exist_ok=True)
    (args.run / "command.txt").write_text(_command(args), encoding="utf-8")
    cache = args.run / "cache" if args.cache is None else args.cache
    fit(cases, config, encoder, args.run, Progress(), start=args.start, cache=None if str(cache) == "none" else cache)
    if args.cache is None:
        shutil.rmtree(cache, ignore_errors=True)  # pictures of patients do not stay behind
    print(f"Weights of {len(cases)} cases are in the run folder; next: covidseg-train export.")


def _evaluate(args: argparse.Namespace) -> None:
    from CovidSegLib.network import models
    from CovidSegLib.pipeline import Options, open_engine

    from .dataset import find_cases
    from .evaluation import evaluate, mean_with_interval, table_text

    folder, names = _folder_and_names(args.data)
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


def _export(args: argparse.Namespace) -> None:
    from .export import export

    facts = json.loads(args.facts.read_text(encoding="utf-8")) if args.facts else {}
    command = args.run / "command.txt"
    if command.is_file():
        facts = {**facts, "command": command.read_text(encoding="utf-8").strip()}
    card = export(args.run, args.name, args.to, facts)
    print(f"Wrote {card.name} and its weights.")


def _folder_and_names(text: str) -> tuple[Path, tuple[str, ...]]:
    """``FOLDER`` or ``FOLDER:CASE,CASE`` in parts."""
    folder, _, names = str(text).partition(":")
    return Path(folder), tuple(name for name in names.split(",") if name)


def _command(args: argparse.Namespace) -> str:
    """The call as it can be repeated; folders by their last two names, since a card tells no paths of a machine."""
    parts = ["covidseg-train", "fit", "--data", _short(args.data)]
    for text in args.infection_free:
        folder, colon, names = text.partition(":")
        parts += ["--infection-free", f"{_short(folder)}{colon}{names}"]
    encoder = args.encoder if args.encoder in ("none", "imagenet") else Path(args.encoder).name
    parts += ["--encoder", encoder, "--test-fold", str(args.test_fold), "--seed", str(args.seed), "--run", "RUN"]
    for name in ("steps", "learning_rate"):
        if getattr(args, name) is not None:
            parts += [f"--{name.replace('_', '-')}", f"{getattr(args, name):g}"]
    if args.start is None:
        return shlex.join(parts) + "\n"
    earlier = args.start.parent / "command.txt"
    first = earlier.read_text(encoding="utf-8").strip() + "; then " if earlier.is_file() else ""
    return f"{first}{shlex.join(parts)} --start {args.start.name}\n"


def _short(folder: str | Path) -> str:
    return "/".join(Path(folder).parts[-2:])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="covidseg-train", description="Train, judge and export networks of CovidSeg.")
    commands = parser.add_subparsers(required=True, metavar="fit|evaluate|export")
    fit = commands.add_parser("fit", help="train a network; call again to resume")
    fit.add_argument("--data", type=Path, required=True, help="folder with images/, labels/ and metadata.csv")
    fit.add_argument("--infection-free", action="append", default=[], metavar="FOLDER[:CASE,CASE]")
    fit.add_argument("--encoder", default="imagenet", help="Keras weights file of MobileNetV2, 'imagenet' or 'none'")
    fit.add_argument("--test-fold", type=int, default=1, help="fold that is held out (0: none)")
    fit.add_argument("--steps", type=int, help="training steps (default: those of the shipped network)")
    fit.add_argument("--learning-rate", type=float, help="peak learning rate (default: that of the shipped network)")
    fit.add_argument("--start", type=Path, help="weights of an earlier run to go on from (network.weights.h5)")
    fit.add_argument(
        "--cache", type=Path, metavar="FOLDER|none",
        help="where framed slices are kept while training (default: in the run folder, until the end)",
    )  # fmt: skip
    fit.add_argument("--seed", type=int, default=20260501)
    fit.add_argument("--run", type=Path, required=True, help="folder for state, configuration and result")
    fit.set_defaults(run_command=_fit)
    evaluate = commands.add_parser("evaluate", help="score a network on held-out cases, through the shipped pipeline")
    evaluate.add_argument("--data", required=True, metavar="FOLDER[:CASE,CASE]")
    evaluate.add_argument("--fold", type=int, default=1, help="fold to judge on (0: all)")
    evaluate.add_argument("--model", default="default", help="name or card file")
    evaluate.add_argument("--engine", default="auto", choices=("auto", "onnx", "tensorflow"))
    evaluate.add_argument("--device", default="auto", choices=("auto", "cpu", "gpu"))
    evaluate.add_argument("--json", type=Path, help="write the scores as JSON")
    evaluate.add_argument("--update-card", action="store_true", help="write the scores into the model's card")
    evaluate.set_defaults(run_command=_evaluate)
    export = commands.add_parser("export", help="write ONNX and Keras weights and the model card")
    export.add_argument("--run", type=Path, required=True, help="folder of a finished fit")
    export.add_argument("--name", required=True)
    export.add_argument("--to", type=Path, required=True, help="folder for the three files")
    export.add_argument("--facts", type=Path, help="JSON that goes into the card: description, data, licence, finish")
    export.set_defaults(run_command=_export)
    return parser


if __name__ == "__main__":
    sys.exit(main())
