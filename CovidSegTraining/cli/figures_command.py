"""``covidseg-train figures``: pictures of a run, or of the scores in a JSON file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress

from .check_command import folder_and_names

if TYPE_CHECKING:
    from ..data.cases import Case
    from ..judge.figures import FigurePanel

MOST_PANELS = 6
PAIRS = {
    "percent of lung infected": ("percent_infected", "percent_infected_truth"),
    "infection, mL": ("infection_ml", "infection_ml_truth"),
    "lung, mL": ("lung_ml", "lung_ml_truth"),
}
BARS = {
    "infection, infected slices": "infection_infected_slices",
    "infection, all slices": "infection_all_slices",
    "lung": "lung",
}

_NAMES = _CURVES, _CASES, _AGREEMENT, _SLICES = "curves.png", "cases.png", "bland_altman.png", "slices.png"


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add this file's subcommands."""
    figures = commands.add_parser("figures", help="draw curves, scores by case, Bland-Altman plots, slices")
    figures.add_argument("--run", type=Path, help="draw this run: its log, its metrics.json, its network")
    figures.add_argument("--metrics", type=Path, help="draw the scores of this JSON file (evaluate --json)")
    figures.add_argument("--to", type=Path, help="folder for the pictures (default: figures/ of the run)")
    figures.add_argument("--data", metavar="FOLDER[:CASE,CASE]", help="draw panels of these cases too")
    figures.add_argument("--model", help="network of the panels (default: the run's, else the shipped one)")
    figures.set_defaults(run_command=_figures)


def _figures(args: argparse.Namespace) -> None:
    from CovidSegLib.system.atomic_files import OutputSet
    from CovidSegLib.system.file_states import states_of

    from ..fit.run_folder import check_folder, check_there
    from ..needs import check_packages

    target = args.to or (args.run / "figures" if args.run else None)
    if target is None:
        raise InputError("There is no place for the pictures.", "Give --run or --to.")
    check_there(args.run, "--run")
    check_folder(target)
    states = dict(states_of(target / name for name in _NAMES))
    check_packages(("matplotlib",))
    from ..judge.figures import panels

    made: list[str] = []
    with OutputSet(states) as files:

        def place(name: str) -> Path:
            target.mkdir(parents=True, exist_ok=True)
            made.append(name)
            return files.add(target / name)

        _of_log(args.run, place)
        _of_scores(_metrics(args), place)
        if args.data is not None:
            panels(_panels(args), place(_SLICES))
        if not made:
            raise InputError("There is nothing to draw yet.", "Give --metrics or --data, or evaluate the run first.")
        files.publish()
    print("\n".join(made))


def _metrics(args: argparse.Namespace) -> list[dict[str, Any]]:
    from ..fit.run_folder import METRICS

    file = args.metrics or (args.run / METRICS if args.run else None)
    if file is None or (args.metrics is None and not file.is_file()):
        return []
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return data["scans"] if "scans" in data else data["cases"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError("The file of metrics cannot be read.", "Give a file of evaluate --json.") from error


def _of_log(run: Path | None, place: Callable[[str], Path]) -> None:
    from ..fit.run_folder import read_log
    from ..judge.figures import curves

    rows = read_log(run) if run else []
    names = ("loss", "validation_infection", "validation_lung")
    if rows:
        curves(rows, place(_CURVES), names=names, x="step", score="Dice of the watched fold")


def _of_scores(rows: list[dict[str, Any]], place: Callable[[str], Path]) -> None:
    from ..judge.figures import bars, bland_altman

    if rows:
        bars(rows, BARS, place(_CASES))
        pairs = {title: names for title, names in PAIRS.items() if names[0] in rows[0]}
        if pairs:
            bland_altman(rows, pairs, place(_AGREEMENT))


def _panels(args: argparse.Namespace) -> list[FigurePanel]:
    from CovidSegLib.pipeline import Options, open_engine

    from ..data.cases import find_cases
    from ..fit.run_folder import check_network
    from .evaluate_command import held_out

    folder, names = folder_and_names(args.data)
    model = args.model or "default"
    if args.run and not args.model:
        check_network(args.run)
        from ..ship.export import run_model

        model = str(run_model(args.run))
        cases, _ = held_out(args.run, folder, names)
    else:
        cases = find_cases(folder, names)
    options = Options(model=model)
    engine = open_engine(options, Progress())
    return [_panel(case, options, engine) for case in cases[:MOST_PANELS]]


def _panel(case: Case, options: Any, engine: Any) -> FigurePanel:
    """The slice with most infection drawn (else most lung) of one case."""
    import numpy as np

    from CovidSegLib.pipeline import segment
    from CovidSegLib.segmentation import Label

    from ..data.dataset import open_files
    from ..judge.evaluation import read_scan
    from ..judge.figures import FigurePanel

    truth = open_files(case)[1]
    planes = [truth.labels(k) for k in range(len(truth))]
    planes = [np.where(plane > Label.INFECTION, 0, plane) for plane in planes]
    k = max(range(len(planes)), key=lambda n: (np.sum(planes[n] == Label.INFECTION), np.count_nonzero(planes[n])))
    volume = read_scan(case.image)
    result = segment(volume, options, Progress(), engine=engine)
    order = volume.grid.order
    found = order.to_upright(result.labels)[k]
    name = f"{case.name}, slice {k + 1} of {len(planes)}"
    return FigurePanel(name, order.to_upright(volume.voxels)[k], {"true": planes[k], "predicted": found})
