"""``covidseg-train fit`` and ``crossval``."""

from __future__ import annotations

import argparse
import logging
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from CovidSegLib.errors import InputError

from .check_command import folder_and_names

if TYPE_CHECKING:
    from ..data.cases import Case, Parts
    from ..fit.config import TrainingConfig
    from ..fit.run_folder import Start

LOG = logging.getLogger(__name__)

SETTINGS = ("test_fold", "validation_fold", "patience", "steps", "batch", "learning_rate", "keep", "seed")
"""Settings of the configuration that have an option of their own."""


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add this file's subcommands."""
    fit = commands.add_parser("fit", help="train a network; call again to resume")
    add_training_options(fit)
    fit.add_argument("--test-fold", type=int, help="fold that is held out (0: none; default 1)")
    fit.add_argument("--run", type=Path, required=True, help="folder for configuration, state, log and result")
    fit.set_defaults(run_command=_fit)
    crossval = commands.add_parser("crossval", help="fit, evaluate and export for every fold; call again to go on")
    add_training_options(crossval)
    crossval.add_argument("--runs", type=Path, required=True, help="folder of the runs, fold1, fold2, …")
    crossval.add_argument("--folds", type=_fold_numbers, metavar="N,N", help="folds to train (default: all)")
    crossval.add_argument(
        "--networks",
        type=Path,
        help="folder that the fold networks NAME-foldN are exported to; it may hold none of another training",
    )
    crossval.add_argument("--name", default="network", help="NAME of the fold networks")
    crossval.add_argument(
        "--facts", type=Path, help="JSON for their cards: description, training_data, licence, finish, inputs"
    )
    crossval.set_defaults(run_command=_crossval)


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Options of everything that trains."""
    parser.add_argument("--data", type=Path, required=True, help="folder of scans and labels (see check)")
    parser.add_argument(
        "--also", "--infection-free", action="append", default=[], metavar="FOLDER[:CASE,CASE]",
        help="more cases to train on, whatever the fold; in crossval, FOLDER:CASE@1,3 is for folds 1 and 3 alone",
    )  # fmt: skip
    parser.add_argument(
        "--also-by-fold", action="append", default=[], type=Path, metavar="FOLDER",
        help="more cases to train on, but for those of the test fold in this set's own folds",
    )  # fmt: skip
    parser.add_argument("--encoder", default="imagenet", help="Keras weights file of MobileNetV2, 'imagenet' or 'none'")
    parser.add_argument(
        "--init",
        "--start",
        metavar="MODEL",
        help="go on from an installed network, or from network.weights.h5 of a run",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="JSON with any settings of config.json")
    parser.add_argument("--steps", type=int, help="training steps (default: those of the shipped network)")
    parser.add_argument("--batch", type=int, help="slices a step")
    parser.add_argument("--learning-rate", type=float, help="peak learning rate")
    parser.add_argument(
        "--keep", type=float, help="share of --init in the resulting weights, so that less is forgotten"
    )
    parser.add_argument(
        "--validation-fold", type=int,
        help="fold to watch while training; its best weights are kept (in crossval it is watched in every fold, so "
        "--folds must name the others)",
    )  # fmt: skip
    parser.add_argument("--patience", type=int, help="stop after so many looks at the watched fold without improvement")
    parser.add_argument("--seed", type=int)
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER|none",
        help="where framed slices are kept while training (default: in the run folder, until the end)",
    )  # fmt: skip


def _fold_numbers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) for part in parts):  # fold 0 holds nobody out
        raise argparse.ArgumentTypeError(f"{text!r} are no folds; give numbers from 1 on, as 1,3")
    return [int(part) for part in parts]


def _crossval(args: argparse.Namespace) -> None:
    from ..data.cases import find_cases, with_folds
    from ..data.check import check_headers, check_patients
    from ..fit.crossval import Folds, cross_train
    from ..judge.evaluation import table_text
    from ..needs import EXPORT, TRAINING, check_packages

    check_packages((*TRAINING, *EXPORT))
    _check_outputs(args)
    cases = with_folds(find_cases(args.data))
    check_patients(cases)
    check_headers(cases)
    numbers = args.folds or sorted({case.fold for case in cases} - {0})
    _known_folds(cases, numbers)
    watched = _configuration(_of_fold(args, 0)).validation_fold
    if watched and watched in numbers:
        others = ",".join(map(str, sorted({case.fold for case in cases} - {0, watched})))
        raise InputError(
            f"Fold {watched} cannot be watched in every fold and judged in its own.",
            f"Judge the others alone, with --folds {others}, or watch none.",
        )
    for number in numbers:
        _check_earlier(args.runs / f"fold{number}", _of_fold(args, number))
    given = [("encoder", args.encoder), ("init", args.init), ("config", args.config)]
    given += [(name, getattr(args, name, None)) for name in SETTINGS]
    options = [f"--{name.replace('_', '-')}={value}" for name, value in given if value is not None]
    options += [f"--also-by-fold={folder}" for folder in args.also_by_fold]
    folds = Folds(args.data, args.runs, tuple(options), tuple(args.also), args.networks, args.name, args.facts)
    cross_train(folds, numbers, _cache(args, args.runs))
    print(table_text(folds.rows(numbers)))


def _check_outputs(args: argparse.Namespace) -> None:
    """Raise CovidSegError for what the last step of a fold would stumble over, hours later."""
    from ..fit.run_folder import check_folder, check_run, read_json
    from ..ship.card import check_name, checked_facts

    check_run(args.runs)
    check_folder(args.networks)
    check_name(args.name)
    checked_facts(read_json(args.facts) if args.facts else {})


def _of_fold(args: argparse.Namespace, number: int) -> argparse.Namespace:
    """The options of ``crossval`` as those of ``fit`` for one fold."""
    from ..fit.crossval import also_in_fold

    return argparse.Namespace(**{**vars(args), "test_fold": number, "also": also_in_fold(args.also, number)})


def _check_earlier(run: Path, args: argparse.Namespace) -> None:
    """Raise InputError where a fold was trained with other settings or cases before: its scores are not these."""
    from ..fit.run_folder import goes_on
    from ..fit.trained_on import start_of

    config = _configuration(args)
    goes_on(run, config, _parts(args, config), _command(args), start_of(args.init, encoder_weights(args)))


def _fit(args: argparse.Namespace) -> None:
    from ..fit.memory import keep_freed_memory

    keep_freed_memory()
    from ..fit.run_folder import COMMAND, check_run, clear_results, goes_on, locked, write_split
    from ..fit.trained_on import start_of
    from ..needs import TRAINING, check_encoder, check_packages
    from ..progress_log import telling

    check_packages(TRAINING)
    check_run(args.run)
    config = _configuration(args)
    encoder = encoder_weights(args)
    check_encoder(encoder)
    parts = _parts(args, config)
    start = start_of(args.init, encoder)
    LOG.info("%d cases to train on, %d to watch, %d held out: looking at their files ...", *map(len, parts))
    drawn = sum(not case.corrected for case in parts[0])
    if drawn:
        LOG.warning("Nobody corrected the labels of %d cases: the network would learn from itself.", drawn)
    _check_parts(parts, start)
    with locked(args.run):
        if not goes_on(args.run, config, parts, _command(args), start):
            clear_results(args.run)
        (args.run / COMMAND).write_text(_command(args), encoding="utf-8")
        write_split(args.run, parts, start)
        cache = _cache(args, args.run)
        LOG.info("loading TensorFlow ...")
        from ..fit.training import fit

        trained, watched, _ = parts
        fit(trained, config, encoder, args.run, telling(), start=args.init, cache=cache, watched=watched)
        if cache is not None and args.cache is None:
            shutil.rmtree(cache, ignore_errors=True)  # pictures of patients do not stay behind
    print(f"Weights of {len(trained)} cases are in the run folder; next: covidseg-train export.")


def _check_parts(parts: Parts, start: Start) -> None:
    """Raise InputError where these cases cannot be trained on, or one that is held out or watched is learned from."""
    from ..data.check import check_headers, check_parts, check_pictures
    from ..fit.trained_on import check_start

    trained, watched, held_out = parts
    check_start(start.learned_from, [case.name for case in (*watched, *held_out)])
    if not trained:
        raise InputError("Every case is held out.", "Choose another --test-fold.")
    check_parts(parts)
    check_pictures(trained, (*watched, *held_out))
    check_headers((*trained, *watched))


def _cache(args: argparse.Namespace, run: Path) -> Path | None:
    """Where framed slices are kept; None: nowhere."""
    if args.cache is None:
        return run / "cache"
    return None if str(args.cache) == "none" else args.cache


def _configuration(args: argparse.Namespace) -> TrainingConfig:
    from ..fit.config import TrainingConfig

    if args.config is not None and not args.config.is_file():
        raise InputError("The configuration file does not exist.", "Check --config.")
    try:
        text = args.config.read_text(encoding="utf-8-sig") if args.config else "{}"
    except ValueError as error:
        raise InputError("The configuration file is no text in UTF-8.", "Save it as UTF-8.") from error
    given = {name: getattr(args, name) for name in SETTINGS if getattr(args, name, None) is not None}
    config = TrainingConfig.from_json(text, **given)
    config.check_keep(args.init)
    return config


def _parts(args: argparse.Namespace, config: TrainingConfig) -> tuple[list[Case], list[Case], list[Case]]:
    """Cases to train on, to watch, and to hold out."""
    from ..data.cases import find_cases, with_folds

    cases = find_cases(args.data)
    if config.test_fold or config.validation_fold:
        cases = with_folds(cases)
        _known_folds(cases, (config.test_fold, config.validation_fold))
    held_out = [case for case in cases if config.test_fold and case.fold == config.test_fold]
    watched = [case for case in cases if config.validation_fold and case.fold == config.validation_fold]
    trained = [case for case in cases if case not in held_out and case not in watched]
    kept_out = {name for case in (*held_out, *watched) for name in (case.name, case.group)}
    for text in args.also:
        more = find_cases(*folder_and_names(text))
        seen = [case.name for case in more if {case.name, case.group} & kept_out]
        if seen:
            raise InputError(f"Case {seen[0]} of --also is held out or watched.", "Leave it out, or change the fold.")
        trained += more
    for folder in args.also_by_fold:
        trained += [case for case in with_folds(find_cases(folder)) if case.fold != (config.test_fold or None)]
    if not config.both_readers:
        trained, watched = ([replace(case, second=None) for case in part] for part in (trained, watched))
    return trained, watched, held_out


def _known_folds(cases: Iterable[Case], wanted: Iterable[int]) -> None:
    known = {case.fold for case in cases}
    for fold in wanted:
        if fold and fold not in known:
            raise InputError(
                f"No case is in fold {fold}.", f"There are the folds {', '.join(map(str, sorted(known)))}."
            )


def encoder_weights(args: argparse.Namespace) -> str | None:
    """The file of encoder weights, "imagenet", or None; raises InputError where there is no such file."""
    # The network that a training goes on from has an encoder of its own.
    encoder = None if args.encoder == "none" or (args.init and args.encoder == "imagenet") else args.encoder
    if encoder not in (None, "imagenet") and not Path(encoder).is_file():
        raise InputError("The file of encoder weights does not exist.", "Give a file, 'imagenet' or 'none'.")
    return encoder


def _command(args: argparse.Namespace) -> str:
    """The call as it can be repeated, without paths of the machine."""
    from ..fit.run_folder import COMMAND

    parts = ["covidseg-train", "fit", "--data", short_name(args.data)]
    for text in args.also:
        folder, names = folder_and_names(text)
        parts += ["--also", short_name(folder) + (":" + ",".join(names) if names else "")]
    for folder in args.also_by_fold:
        parts += ["--also-by-fold", short_name(folder)]
    parts += ["--encoder", Path(args.encoder).name]
    if args.config is not None:
        parts += ["--config", args.config.name]
    for name in SETTINGS:
        if getattr(args, name, None) is not None:
            parts += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
    parts += ["--run", "RUN"]
    if args.init is None:
        return shlex.join(parts) + "\n"
    init = Path(args.init)
    earlier = init.parent / COMMAND
    of_run = init.suffix == ".h5" and earlier.is_file()
    first = earlier.read_text(encoding="utf-8").strip() + "; then " if of_run else ""
    return f"{first}{shlex.join(parts)} --init {init.name}\n"


def short_name(folder: str | Path) -> str:
    """A folder by its last two names: what is kept of a run tells no paths of the machine."""
    return "/".join(Path(folder).parts[-2:])
