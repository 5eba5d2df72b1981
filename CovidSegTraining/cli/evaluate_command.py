"""``covidseg-train evaluate``: how good a network is."""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress

from .check_command import folder_and_names

if TYPE_CHECKING:
    from CovidSegLib.network.card import ModelCard
    from CovidSegLib.pipeline import Options

    from ..data.cases import Case

NETWORKS = Path(__file__).resolve().parents[1] / "folds"
"""Where the five fold networks of the shipped one are kept, outside of what Slicer installs."""


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add this file's subcommands."""
    evaluate = commands.add_parser("evaluate", help="score a network on held-out cases, through the shipped pipeline")
    evaluate.add_argument("--data", metavar="FOLDER[:CASE,CASE]")
    evaluate.add_argument("--fold", type=int, help="fold to judge on (0: all; default: the run's, else 1)")
    evaluate.add_argument("--run", type=Path, help="judge this run and write metrics.json into it")
    evaluate.add_argument(
        "--crossval", type=Path, metavar="DATA", help="recompute the whole table of the protocol from fold networks"
    )
    evaluate.add_argument("--networks", type=Path, default=NETWORKS, help="folder of the fold networks")
    evaluate.add_argument("--name", help="name of the fold networks, NAME-foldN (default: the only one in the folder)")
    evaluate.add_argument("--json", type=Path, help="write the scores as JSON too")
    evaluate.add_argument("--update-card", action="store_true", help="write the scores into the model's card")
    _add_engine_options(evaluate)
    evaluate.set_defaults(run_command=_evaluate)


def _add_engine_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="default")
    parser.add_argument("--engine", default="onnx")
    parser.add_argument("--device", default="auto")


def _evaluate(args: argparse.Namespace) -> None:
    from CovidSegLib.network import models

    from ..fit.run_folder import check_folder, check_place, check_there

    args.json_state = check_place(args.json)
    check_there(args.run, "--run")
    if args.update_card and args.run is None:
        check_folder(models.find(args.model).folder)
    if args.crossval is not None:
        _evaluate_folds(args)
    elif args.data is not None:
        _evaluate_cases(args)
    else:
        raise InputError("There is nothing to judge on.", "Give --data FOLDER, or --crossval DATA.")


def _evaluate_cases(args: argparse.Namespace) -> None:
    from CovidSegLib.network import models
    from CovidSegLib.pipeline import Options, open_engine

    from ..fit.run_folder import check_folder, check_network
    from ..judge.evaluation import evaluate
    from ..needs import EXPORT, check_packages
    from ..progress_log import telling
    from ..ship.card import SEEN

    if args.run is not None:
        check_network(args.run)
        check_packages(EXPORT)
    folder, names = folder_and_names(args.data)
    cases, fold = _judged(args, folder, names)
    run = args.run if fold is not None else None
    check_folder(run)
    if args.run is not None:
        from ..ship.export import run_model  # TensorFlow, which takes seconds

        args.model = str(run_model(args.run))
    options = Options(engine=args.engine, device=args.device, model=args.model)
    seen = _warn_of_seen(models.find(options.model).about, cases)
    engine = open_engine(options, Progress())
    rows = evaluate(cases, folder / "slices.csv", options, engine, telling())
    scores = {"mean": _means(rows), "cases": [_rounded(row) for row in rows]}
    try:
        _print(rows)
        if run is not args.run:
            print(
                "These are not the cases that the run held out: its metrics.json stays as it is (--json writes others)."
            )
    finally:  # also where nobody reads the table to its end
        _write(args, run, options, {"fold": fold, "engine": engine.name, SEEN: seen, **scores})


def _judged(args: argparse.Namespace, folder: Path, names: tuple[str, ...]) -> tuple[list[Case], int | None]:
    """The cases to judge on and their fold; None where they are not what the run held out."""
    from ..fit.config import TrainingConfig

    if args.run is None or args.fold is not None:
        fold = 1 if args.fold is None else args.fold
        return _cases(folder, names, fold), fold if args.run is None else None
    cases, own = held_out(args.run, folder, names)
    return cases, TrainingConfig.load(args.run).test_fold if own else None


def _cases(folder: Path, names: tuple[str, ...], fold: int) -> list[Case]:
    from ..data.cases import find_cases, with_folds

    cases = find_cases(folder, names)
    chosen = [case for case in with_folds(cases) if case.fold == fold] if fold and not names else cases
    if not chosen:
        raise InputError(f"No case is in fold {fold}.", "Choose another --fold, or 0 for all.")
    return chosen


def held_out(run: Path, folder: Path, names: tuple[str, ...]) -> tuple[list[Case], bool]:
    """The cases of ``folder`` that the run held out; of another set all, or ``names`` alone.

    And whether they are all that it held out; of a run that held out none, any are.
    """
    from ..data.cases import find_cases
    from ..fit.run_folder import read_split

    cases = find_cases(folder, names)
    known = {row["case"] for row in read_split(run).get("held_out", [])}
    chosen = [case for case in cases if case.name in known] or cases
    return chosen, not known or known == {case.name for case in chosen}


def _warn_of_seen(card: ModelCard, cases: list[Case]) -> int:
    """How many of ``cases`` the network learned from; says so."""
    from ..fit.trained_on import was_trained_on

    seen = [case.name for case in cases if was_trained_on(card, case.name)]
    if seen:
        print(f"warning: {len(seen)} of {len(cases)} cases were trained on (the first: {seen[0]}): no fair judgement.")
    return len(seen)


def _evaluate_folds(args: argparse.Namespace) -> None:
    from CovidSegLib.pipeline import Options

    from ..judge.protocol import counted, cross_validate, fold_networks, protocol_table, table_rows
    from ..progress_log import telling

    networks = fold_networks(args.networks, args.name or _only_name(args.networks))
    options = Options(engine=args.engine, device=args.device, model=args.model)
    result = cross_validate(args.crossval, networks, options, telling())
    record = result.as_record()
    table = [_finite(dataclasses.asdict(row)) for row in table_rows(result)]
    cases = {name: [_rounded(row) for row in rows] for name, rows in record.items()}
    mean = _means(counted(record["scans"]))
    scores = {"folds": sorted(networks), "engine": args.engine, "table": table, "mean": mean, **cases}
    try:
        _print(record["scans"])
        print(f"\n{protocol_table(result)}")
    finally:
        _write(args, args.run, options, scores)


def _only_name(folder: Path) -> str:
    names = sorted({card.stem.rpartition("-fold")[0] for card in folder.glob("*-fold*.json")})
    if len(names) != 1:
        known = ", ".join(names) or "none"
        raise InputError("Which fold networks to judge is not clear.", f"Give their --name; there are: {known}.")
    return names[0]


def _write(args: argparse.Namespace, run: Path | None, options: Options, metrics: dict[str, Any]) -> None:
    from CovidSegLib.network import models

    from ..fit.run_folder import METRICS, write_json

    if run is not None:
        write_json(run / METRICS, metrics)
    if args.json:
        write_json(args.json, metrics, args.json_state)
    if args.update_card:
        from ..ship.card import update_card

        update_card(models.find(options.model), lambda card: {**card, "metrics": metrics})


def _print(rows: list[dict[str, Any]]) -> None:
    from ..judge.evaluation import OUTLINE_COLUMNS, table_text

    print(table_text(rows))
    print("\nInfection and lung as outlines and volumes:\n")
    print(table_text(rows, OUTLINE_COLUMNS))


def _means(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Not rounded: a table that rounds them again would tell another third digit."""
    from ..judge.evaluation import mean_with_interval

    return _finite(
        {name: mean_with_interval(float(row[name]) for row in rows)[0] for name in rows[0] if name != "case"}
    )


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in _finite(row).items()}


def _finite(value: Any) -> Any:
    """JSON has no NaN: what cannot be measured on a scan is null."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
