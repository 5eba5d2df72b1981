"""``covidseg-train preset``: known networks, trained for comparison."""

from __future__ import annotations

import argparse
import logging
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from .fit_command import encoder_weights, short_name

if TYPE_CHECKING:
    from ..studies.seed import SeedSettings

LOG = logging.getLogger(__name__)


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add this file's subcommands."""
    preset = commands.add_parser("preset", help="train something known: 'seed', the notebook this began from")
    preset.add_argument("preset", choices=("seed",))
    preset.add_argument("--data", type=Path, required=True, help="folder of scans and labels (see check)")
    preset.add_argument("--encoder", default="imagenet", help="Keras weights file of MobileNetV2, 'imagenet' or 'none'")
    preset.add_argument("--split", choices=("random", "patient", "both"), default="both", help="how slices are split")
    preset.add_argument("--epochs", type=int, default=20)
    preset.add_argument("--size", type=int, default=224, help="rows and columns of the input")
    preset.add_argument("--run", type=Path, required=True, help="folder for log, weights, scores and pictures")
    preset.set_defaults(run_command=_preset, init=None)


def _preset(args: argparse.Namespace) -> None:
    from ..fit.memory import keep_freed_memory

    keep_freed_memory()
    from ..data.cases import find_cases
    from ..fit.run_folder import check_folder, locked
    from ..needs import TRAINING, check_encoder, check_packages
    from ..progress_log import telling

    check_packages((*TRAINING, "matplotlib"))
    check_folder(args.run)
    encoder, cases = encoder_weights(args), find_cases(args.data)
    check_encoder(encoder)
    LOG.info("loading TensorFlow ...")
    from ..studies.seed import SeedSettings, seed_table, train_seed

    results = []
    for split in ("random", "patient") if args.split == "both" else (args.split,):
        settings = SeedSettings(split=split, epochs=args.epochs, size=args.size)
        command = _command(args, settings)
        with locked(args.run / split):
            results.append(train_seed(cases, settings, encoder, command, args.run / split, telling()))
    print(seed_table(results))


def _command(args: argparse.Namespace, settings: SeedSettings) -> str:
    """The call of one split as it can be repeated, without paths of the machine."""
    parts = ["covidseg-train", "preset", "seed", "--data", short_name(args.data), "--encoder", Path(args.encoder).name]
    for name in ("split", "epochs", "size"):
        parts += [f"--{name}", str(getattr(settings, name))]
    return shlex.join([*parts, "--run", "RUN"]) + "\n"
