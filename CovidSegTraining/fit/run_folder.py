"""What a run's folder holds beside weights: the split, the environment, the log.

``config.json`` (see ``config``), ``command.txt``, ``split.json``, ``environment.json``, ``log.csv``, ``state/``,
``network.weights.h5`` when it is done, then ``model/``, ``metrics.json`` and ``figures/`` as they are made.
``.lock`` is held while something is trained.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import os
import platform
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from CovidSegLib.errors import InputError, OutputError
from CovidSegLib.system.atomic_files import OWN_FILE, replace_text
from CovidSegLib.system.file_states import file_state, refuse_protected, refuse_special
from CovidSegLib.system.locks import try_lock

from ..data.cases import Parts
from .config import NAME as CONFIG
from .config import RunSettings

WEIGHTS = "network.weights.h5"
BEST_WEIGHTS = "best.weights.h5"
LOG = "log.csv"
SPLIT = "split.json"
COMMAND = "command.txt"
LABELS = "labels"
BEFORE = "learned_before"
START = "started_from"
LOCK = ".lock"
METRICS = "metrics.json"
NETWORK = "model/network.json"

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

_FIGURES = tuple(f"figures/{name}.png" for name in ("curves", "cases", "bland_altman", "slices"))
"""What ``figures`` draws."""

_RESULTS = (BEST_WEIGHTS, LOG, METRICS, NETWORK, *_FIGURES)
"""What would be taken for a new training's own, were it left by an earlier one; other files are written anew."""

_BEGUN = ("state/checkpoint", "state/training_metadata.json", WEIGHTS)
"""What there is once something is trained: a state of TensorFlow's or of Keras's (the preset), or the result."""

_PACKAGES = ("covidseg", "tensorflow", "tensorflow-cpu", "keras", "numpy", "scipy", "nibabel", "onnx", "tf2onnx")


def check_place(file: Path | None, begins: str = "{") -> str:
    """Raise InputError or OutputError where ``file`` cannot be written, before any work is done for it.

    What is there is replaced only where it ``begins`` as what shall be written (JSON), so that no scan is.
    Returns its state as the command begins, for :func:`write_json`.
    """
    if file is None:
        return ""
    state = file_state(file)
    if file.is_dir() or not file.parent.is_dir():
        raise InputError("The output is a folder, or its folder does not exist.", "Choose another file.")
    check_folder(file.parent)
    if state:
        refuse_special(file)
        refuse_protected(file)
        with file.open("rb") as there:
            start = there.read(len(begins.encode()))
        if start and start != begins.encode():
            raise OutputError(f"{file.name} exists and is no earlier output of this command.", "Choose another file.")
    return state


def check_folder(folder: Path | None) -> None:
    """Raise OutputError where files cannot be made in ``folder``, which need not exist yet, before any work is done."""
    if folder is None:
        return
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise OutputError(f"{there.name} is a file, not a folder.", "Choose another folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"Files cannot be made in the folder {there.name}.", "Choose another folder.")


def check_there(folder: Path | None, option: str) -> None:
    """Raise InputError where the ``folder`` that an ``option`` names is none, before any work is done for it."""
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder.name or folder}: there is no such folder.", f"Check {option}.")


def check_finished(run: Path) -> None:
    """Raise InputError where ``run`` is no run, or has not come to its end: it has no weights to give away."""
    check_there(run, "--run")
    if not (run / WEIGHTS).is_file():
        raise InputError("The run has no weights yet.", "Let covidseg-train fit come to its end first.")


def check_network(run: Path) -> None:
    """As :func:`check_finished`; a run whose weights were removed since may have its network still."""
    if not (run / NETWORK).is_file():
        check_finished(run)


def check_run(run: Path) -> None:
    """Raise OutputError where a training cannot keep its state in ``run``: TensorFlow takes a path as a pattern."""
    check_folder(run)
    if set(str(run)) & set("[]*?"):
        raise OutputError("A training cannot go on in a run folder with [, ], * or ? in its path.", "Choose another.")


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Make the folder ``run``, and let no other process train in it meanwhile. Raises OutputError."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / LOCK).open("ab") as file:
        if not try_lock(file):
            raise OutputError(
                "Another training is at work in the run folder.", "Wait for its end, or choose another --run folder."
            )
        yield


def write_json(file: Path, data: object, state: str | None = OWN_FILE) -> None:
    """Write ``data`` as JSON, whole or not at all. Raises OutputError.

    ``state``: that of a file that is no run's own, when the command began (see :class:`.atomic_files.OutputSet`).
    """
    replace_text(json.dumps(data, indent=2) + "\n", file, state)


def read_json(file: Path) -> dict[str, Any]:
    """The table of names in a JSON file; raises InputError where it holds none."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file.name} is not a JSON file that can be read.", "Check the path.") from error
    if not isinstance(data, dict):
        raise InputError(f"{file.name} is not a table of names.", "Give a JSON object.")
    return data


@dataclass(frozen=True)
class Start:
    """What a training starts from: the SHA-256 of its weights, where they are a file of the user's or a model's.

    ``learned_from``: hashes of the names of the cases that these weights learned from.
    """

    digest: str = ""
    learned_from: tuple[str, ...] = ()


def write_split(run: Path, parts: Parts, start: Start) -> None:
    """Which cases and patients were trained on, watched and held out, by which labels, and what it started from."""
    start_of = {BEFORE: list(start.learned_from), START: start.digest}
    write_json(run / SPLIT, {**_split(parts), LABELS: _labels_digest(parts), **start_of})


def read_split(run: Path) -> dict[str, Any]:
    """What :func:`write_split` wrote; empty where there is nothing."""
    file = run / SPLIT
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def goes_on(run: Path, settings: RunSettings, parts: Parts, command: str, start: Start) -> bool:
    """Whether the run has trained anything that it can go on from.

    Raises InputError where it began with other settings, other cases or from other weights than it would go on with.
    """
    if not any((run / file).is_file() for file in _BEGUN):
        return False
    if not (run / CONFIG).is_file():
        raise InputError("The run folder holds a training of an earlier version.", "Choose another --run folder.")
    settings.check_run(run)
    _check_split(run, parts)
    _check_start(run, command, start)
    return True


def clear_results(run: Path) -> None:
    """Remove what a call that failed, or an earlier training, left: nothing of it may become the new one's result."""
    for name in (CONFIG, *_RESULTS):
        (run / name).unlink(missing_ok=True)


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
    if LABELS in before and before[LABELS] != _labels_digest(parts):  # runs of earlier versions do not tell
        raise InputError(
            "The run folder holds a training that began with other labels of its cases.",
            "Choose another --run folder, or put the labels back.",
        )


def _check_start(run: Path, command: str, start: Start) -> None:
    """Raise InputError where the run began from other weights than ``command`` does: other names, bytes or cases."""
    file, before = run / COMMAND, read_split(run)
    same = not file.is_file() or _start(file.read_text(encoding="utf-8")) == _start(command)
    same = same and before.get(BEFORE, list(start.learned_from)) == list(start.learned_from)
    if not same or before.get(START, start.digest) != start.digest:  # runs of earlier versions tell no digest
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


def _labels_digest(parts: Parts) -> str:
    """The SHA-256 of all label files that are trained on or watched, in hexadecimal."""
    digest = hashlib.sha256()
    for case in (*parts[0], *parts[1]):
        for file in filter(None, (case.labels, case.second)):
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


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
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, LOG_COLUMNS)
        writer.writeheader()
        writer.writerows(self.rows)
        replace_text(table.getvalue(), self._file, OWN_FILE)

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
