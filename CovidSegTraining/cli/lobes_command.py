"""``covidseg-train lobes``: the model that tells lobes from the shape of the lungs, learned from drawn lobes alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from CovidSegLib.anatomy.lobe_model import LobeModel

_DESCRIPTION = """Learn where the fissures of a lung lie from its shape. DATA is a folder of labelmaps (.nii.gz, .nii,
.nrrd, .mha) in which experts drew the lobes: 1 left upper, 2 left lower, 3 right upper, 4 right middle, 5 right lower;
no CT is needed. Five folds are judged first; the model that is written has learned from all."""

_LICENCE = "CC BY-NC-SA 4.0"
_SOURCE = "Lobe masks of LUNA16 scans, Tang et al. 2019 (arXiv 1903.09879), CC BY-NC-SA 4.0"
_LIMITS = (
    "No fissure is seen: lobes lie where they lie in lungs of such a shape. Single cases are far off, the middle lobe "
    "most of all. Learned from adults without pneumonia; for research, not for diagnosis."
)


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add this file's subcommand."""
    lobes = commands.add_parser("lobes", help="learn lobes from the shape of lungs", description=_DESCRIPTION)
    lobes.add_argument("data", metavar="DATA", type=Path, help="folder of drawn lobes")
    lobes.add_argument("--to", type=Path, metavar="FOLDER", help="write NAME.npz and its card NAME.json here")
    lobes.add_argument("--name", default="covidseg-lobes-1")
    lobes.add_argument("--folds", type=int, default=5, help="how many parts are held out in turn (5)")
    lobes.add_argument(
        "--infections",
        type=Path,
        metavar="FOLDER",
        help="scans with drawn infection (1 left lung, 2 right lung, 3 infection) to test the score's range with",
    )
    lobes.add_argument("--source", default=_SOURCE, help="where the masks are from, for the card")
    lobes.add_argument("--licence", default=_LICENCE, help="of the model, for the card")
    lobes.add_argument("--json", type=Path, metavar="FILE", help="write the scores of every case as JSON too")
    lobes.set_defaults(run_command=_lobes)


def _lobes(args: argparse.Namespace) -> None:
    from dataclasses import asdict

    from CovidSegLib.errors import InputError
    from CovidSegLib.progress import Progress
    from CovidSegLib.system.file_states import states_of

    from ..data.lobe_cases import read_lobe_cases
    from ..fit.lobe_training import train
    from ..fit.run_folder import check_folder, check_place, write_json
    from ..judge.lobe_evaluation import judge, summary, table
    from ..judge.lobe_infections import read_infected
    from ..ship.card import check_name

    check_name(args.name)
    check_folder(args.to)
    state = check_place(args.json)
    states = dict(states_of(args.to / f"{args.name}.{kind}" for kind in ("npz", "json"))) if args.to else {}
    progress = Progress()
    cases = read_lobe_cases(args.data, progress)
    if not 2 <= args.folds <= len(cases) // 2:
        raise InputError("The cases cannot be parted into so many folds.", f"Give --folds from 2 to {len(cases) // 2}.")
    infections = () if args.infections is None else read_infected(args.infections, progress)
    results = judge(cases, args.folds, train, infections, progress)
    scores = summary(results)
    print(f"{scores['cases']} cases, {args.folds} folds; each judged by a model that did not learn from it.\n")
    print(table(results))
    if args.json is not None:
        write_json(args.json, {**scores, "each": [asdict(one) for one in results]}, state)
    if args.to is not None:
        card = _write(train(cases), args, {**scores, "folds": args.folds}, len(cases), states)
        print(f"\nWrote {card.name} and its model.")


def _write(
    model: LobeModel, args: argparse.Namespace, scores: dict[str, Any], count: int, states: dict[Path, str]
) -> Path:
    """Write model and card; returns the card. Its SHA-256 is that of the bytes that were written."""
    import hashlib

    from CovidSegLib.anatomy.lobe_model import model_bytes, read_lobe_model
    from CovidSegLib.system.atomic_files import NOTHING_THERE, replace_bytes

    from ..fit.run_folder import write_json

    args.to.mkdir(parents=True, exist_ok=True)
    data = model_bytes(model)
    file = f"{args.name}.npz"
    replace_bytes(data, args.to / file, states.get(args.to / file, NOTHING_THERE))
    card = {
        "name": args.name,
        "description": "Where the fissures of the lungs lie, told from the lungs' shape: an ensemble of surfaces.",
        "licence": args.licence,
        "training_data": [{"name": f"{count} drawn lobe masks", "source": args.source, "licence": args.licence}],
        "limits": _LIMITS,
        "scores": scores,
        "files": {"npz": {"name": file, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}},
    }
    place = args.to / f"{args.name}.json"
    write_json(place, card, states.get(place, NOTHING_THERE))
    read_lobe_model(place)
    return place
