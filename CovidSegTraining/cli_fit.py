"""``covidseg-train fit``."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress

from .cli_data import folder_and_names


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add this file's subcommands."""
    fit = commands.add_parser("fit", help="train a network; call again to resume")
    fit.add_argument("--data", type=Path, required=True, help="folder with images/, labels/ and metadata.csv")
    fit.add_argument("--infection-free", action="append", default=[], metavar="FOLDER[:CASE,CASE]")
    fit.add_argument("--encoder", default="imagenet", help="Keras weights file of MobileNetV2, 'imagenet' or 'none'")
    fit.add_argument("--test-fold", type=int, default=1, help="fold that is held out (0: none)")
    fit.add_argument("--steps", type=int, help="training steps (default: those of the shipped network)")
    fit.add_argument("--learning-rate", type=float, help="peak learning rate (default: that of the shipped network)")
    fit.add_argument("--start", type=Path, help="weights of an earlier run to go on from (network.weights.h5)")
    fit.add_argument("--seed", type=int, default=20260501)
    fit.add_argument("--run", type=Path, required=True, help="folder for state, configuration and result")
    fit.set_defaults(run_command=_fit)


def _fit(args: argparse.Namespace) -> None:
    from .memory import keep_freed_memory

    keep_freed_memory()
    from .check import check_headers, check_patients
    from .config import TrainingConfig
    from .dataset import find_cases
    from .training import fit

    settings: dict[str, Any] = {"test_fold": args.test_fold, "seed": args.seed}
    settings |= {name: getattr(args, name) for name in ("steps", "learning_rate") if getattr(args, name) is not None}
    config = TrainingConfig(**settings)
    cases = [case for case in find_cases(args.data) if config.test_fold == 0 or case.fold != config.test_fold]
    for text in args.infection_free:
        folder, names = folder_and_names(text)
        cases += find_cases(folder, names)
    check_headers(cases)
    check_patients(cases)
    if not cases:
        raise InputError("Every case is held out.", "Choose another --test-fold.")
    encoder = None if args.encoder == "none" else args.encoder
    if encoder not in (None, "imagenet") and not Path(encoder).is_file():
        raise InputError("The file of encoder weights does not exist.", "Give a file, 'imagenet' or 'none'.")
    if args.start is not None and not args.start.is_file():
        raise InputError("The weights to start from do not exist.", "Give network.weights.h5 of a finished run.")
    args.run.mkdir(parents=True, exist_ok=True)
    (args.run / "command.txt").write_text(_command(args), encoding="utf-8")
    fit(cases, config, encoder, args.run, Progress(), start=args.start)
    print(f"Weights of {len(cases)} cases are in the run folder; next: covidseg-train export.")


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
