"""What a run's folder holds beside weights: the split, the environment, the log.

``config.json`` (see ``config``), ``command.txt``, ``split.json``, ``environment.json``, ``log.csv``, ``state/``,
``network.weights.h5`` when it is done, then ``model/``, ``metrics.json`` and ``figures/`` as they are made.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import platform
import shlex
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from CovidSegLib.errors import InputError

from .cases import Case
from .config import NAME as CONFIG
from .config import RunSettings

WEIGHTS = "network.weights.h5"
BEST_WEIGHTS = "best.weights.h5"
LOG = "log.csv"
SPLIT = "split.json"
COMMAND = "command.txt"
BEFORE = "learned_before"
METRICS = "metrics.json"

LOG_COLUMNS = (
    "step",
    "loss",
    "learning_rate",
    "seconds_per_step",
    "waiting_percent",
    "validation_infection",
    "validation_lung",
)
"""``waiting_percent``: share of the time that the network waited for data; ``validation_...``: Dice, mostly empty."""

_BEGUN = ("state/checkpoint", "state/training_metadata.json", WEIGHTS)
"""What there is once something is trained: a state of TensorFlow's or of Keras's (the preset), or the result."""

_PACKAGES = ("covidseg", "tensorflow", "tensorflow-cpu", "keras", "numpy", "scipy", "nibabel", "onnx", "tf2onnx")


def check_place(file: Path | None) -> None:
    """Raise InputError where ``file`` cannot be written, before any work is done for it."""
    if file is not None and (file.is_dir() or not file.parent.is_dir()):
        raise InputError("The output is a folder, or its folder does not exist.", "Choose another file.")


def write_json(file: Path, data: object) -> None:
    """Write ``data`` as JSON, whole or not at all."""
    part = file.with_name(f".{file.name}.part")
    part.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    os.replace(part, file)


Parts = tuple[Sequence[Case], Sequence[Case], Sequence[Case]]
"""The cases that are trained on, watched and held out."""


def write_split(run: Path, parts: Parts, before: Sequence[str] = ()) -> None:
    """Which cases and patients were trained on, watched and held out.

    ``before``: fingerprints of the cases that the network it went on from learned from.
    """
    write_json(run / SPLIT, {**_split(parts), BEFORE: list(before)})


def read_split(run: Path) -> dict[str, list]:
    """What :func:`write_split` wrote; empty where there is nothing."""
    file = run / SPLIT
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def goes_on(run: Path, settings: RunSettings, parts: Parts, command: str) -> bool:
    """Whether the run has trained anything that it can go on from.

    Raises InputError where it began with other settings, other cases or from other weights than it would go on with.
    """
    if not any((run / file).is_file() for file in _BEGUN):
        return False
    if not (run / CONFIG).is_file():
        raise InputError("The run folder holds a training of an earlier version.", "Choose another --run folder.")
    settings.check_run(run)
    _check_split(run, parts)
    _check_command(run, command)
    return True


def _check_split(run: Path, parts: Parts) -> None:
    """Raise InputError where the run began with other cases: what it held out then may be trained on now.

    Folds that were dealt by chance are dealt anew when a case comes or goes.
    """
    before = read_split(run)
    now = _split(parts)
    if before and {part: before.get(part) for part in now} != now:
        raise InputError(
            "The run folder holds a training that began with other cases, or held out others.",
            "Choose another --run folder, or give it the cases it began with.",
        )


def _check_command(run: Path, command: str) -> None:
    """Raise InputError where the run began from other weights than ``command`` does."""
    file = run / COMMAND
    if file.is_file() and _start(file.read_text(encoding="utf-8")) != _start(command):
        raise InputError(
            "The run folder holds a training that began from other weights (--init, --encoder).",
            "Choose another --run folder, or give the same ones.",
        )


def _start(command: str) -> list[tuple[str, str]]:
    pairs = itertools.pairwise(shlex.split(command))
    return [(option, value) for option, value in pairs if option in ("--encoder", "--init")]


def _split(parts: Parts) -> dict[str, list[dict[str, object]]]:
    return {
        part: [{"case": case.name, "patient": case.group, "fold": case.fold} for case in cases]
        for part, cases in zip(("trained", "watched", "held_out"), parts, strict=True)
    }


def write_environment(run: Path, devices: list[str], precision: str) -> None:
    """Versions and devices, without any name or path of the machine."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    facts = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "devices": devices,
        "precision": precision,
        "packages": versions,
    }
    write_json(run / "environment.json", facts)


class TrainingLog:
    """``log.csv``, one row every few steps. Going on from ``step`` drops the rows that will be made again."""

    def __init__(self, run: Path, step: int) -> None:
        self._file = run / LOG
        self.rows = [row for row in read_log(run) if row["step"] <= step]
        part = self._file.with_name(f".{LOG}.part")
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, LOG_COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(part, self._file)

    def add(self, **values: float) -> None:
        """Append one row; what is not given stays empty."""
        self.rows.append(values)
        with self._file.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, LOG_COLUMNS).writerow(values)


def read_log(run: Path, key: str = "step") -> list[dict[str, float]]:
    """The rows of ``log.csv`` with a ``key``, without what is empty; a last line that was cut off is left out."""
    file = run / LOG
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    good = []
    for row in rows:
        try:
            good.append({name: float(value) for name, value in row.items() if value})
        except (TypeError, ValueError):
            break
    return [row for row in good if key in row]
