"""Cross-validation: one training for each fold, each in a process of its own; finished folds are not repeated."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from CovidSegLib.errors import CovidSegError, InputError
from CovidSegLib.system.processes import ending_steps, finish, huge_page_environment, start_child

from .run_folder import METRICS, WEIGHTS, read_json
from .trained_on import is_of_run


@dataclass(frozen=True)
class Folds:
    """What is the same for all folds. ``options``: those of ``fit`` without data, fold and run.

    ``also``: more cases to train on, ``FOLDER[:CASE,CASE][@FOLD,FOLD]``, with "@" only in these folds.
    ``facts``: what ``export`` puts into the cards of the fold networks.
    """

    data: Path
    runs: Path
    options: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    networks: Path | None = None
    name: str = "network"
    facts: Path | None = None

    def run(self, fold: int) -> Path:
        """The folder of one fold's run."""
        return self.runs / f"fold{fold}"

    def card(self, fold: int) -> Path | None:
        """The card of one fold's network; None where none is exported."""
        return self.networks and self.networks / f"{self.name}-fold{fold}.json"

    def check_networks(self, numbers: Sequence[int]) -> None:
        """Raise InputError where a network of another training has the name of one of these folds'."""
        for fold in numbers:
            card = self.card(fold)
            if card and card.is_file() and not is_of_run(read_json(card), self.run(fold)):
                raise InputError(
                    f"{card.name} in the folder of networks is of another training than {self.run(fold).name}.",
                    "Choose another --networks folder or --name, or move it away.",
                )

    def train(self, fold: int, cache: Path | None) -> None:
        """Train, judge and export the network of ``fold``, as far as it is not done; goes on where it was cut off."""
        run = self.run(fold)
        if not (run / WEIGHTS).is_file():
            also = [part for text in also_in_fold(self.also, fold) for part in ("--also", text)]
            shared = ["--cache", "none" if cache is None else str(cache)]
            _call("fit", "--data", self.data, *self.options, *also, *shared, "--test-fold", fold, "--run", run)
        if not (run / METRICS).is_file():
            _call("evaluate", "--data", self.data, "--run", run)
        card = self.card(fold)
        if card and not card.is_file():
            facts = ["--facts", self.facts] if self.facts else []
            where = ["--run", run, "--name", card.stem, "--to", card.parent]
            _call("export", *where, *facts, "--formats", "onnx", "--weights", "float16")

    def rows(self, folds: Sequence[int]) -> list[dict[str, float | str]]:
        """The scores of all held-out cases, from the runs' ``metrics.json``."""
        found = []
        for fold in folds:
            found += json.loads((self.run(fold) / METRICS).read_text(encoding="utf-8"))["cases"]
        return [{name: float("nan") if value is None else value for name, value in row.items()} for row in found]


def cross_train(folds: Folds, numbers: Sequence[int], cache: Path | None) -> None:
    """Train ``numbers`` one after the other; framed slices are kept in ``cache`` for all and removed at the end."""
    if not numbers:
        raise InputError("There are no folds to train.", "Give --folds, or a data set with folds.")
    folds.check_networks(numbers)
    for number in numbers:
        folds.train(number, cache)
    if cache == folds.runs / "cache":
        shutil.rmtree(cache, ignore_errors=True)  # pictures of patients do not stay behind


def also_in_fold(texts: Sequence[str], fold: int) -> list[str]:
    """Those of ``FOLDER[:CASE,CASE][@FOLD,FOLD]`` that are for this fold, without what follows the "@"."""
    chosen = []
    for text in texts:
        match = re.fullmatch(r"(.*)@(\d+(?:,\d+)*)", text)
        if match is None:
            chosen.append(text)
        elif str(fold) in match[2].split(","):
            chosen.append(match[1])
    return chosen


class StepError(CovidSegError):
    """A step of the cross-validation failed; its own process has said why."""


def _call(*arguments: object) -> None:
    command = [sys.executable, "-m", "CovidSegTraining.cli.crossval_child", *map(str, arguments)]
    # However this process ends, the child's input ends with it.
    process = start_child(command, stdin=subprocess.PIPE, stdout=None, environment=huge_page_environment())
    assert process.stdin is not None
    try:
        code = process.wait()
    finally:
        process.stdin.close()
        finish(ending_steps(process, ask=False))
    if code == 130:
        raise KeyboardInterrupt
    if code:
        raise StepError(f"covidseg-train {arguments[0]} failed.", "Its message is above; call again to go on.")
