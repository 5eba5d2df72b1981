"""What a network was trained on, told without names: so that it is never judged on that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from CovidSegLib.errors import InputError
from CovidSegLib.network import models
from CovidSegLib.network.card import ModelCard

from .config import TrainingConfig
from .run_folder import BEFORE, WEIGHTS, Start, read_split

CARD_KEY = "trained_on"
WEIGHTS_KEY = "trained_weights"
"""SHA-256 of the run's weights that a card's files were made from."""


def name_hash(case: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a case's name: a card tells no names of a hospital's cases."""
    return hashlib.sha256(case.encode()).hexdigest()[:16]


def name_hashes(cases: Iterable[str]) -> list[str]:
    """Of several cases, sorted."""
    return sorted(map(name_hash, cases))


def was_trained_on(card: ModelCard, case: str) -> bool:
    """Whether the network of this card learned from ``case``, as far as its card says."""
    return name_hash(case) in card.trained_on


def of_run(run: Path) -> list[str]:
    """Hashes of the names of all cases that the network of a run learned from: its own, and those of its start."""
    split = read_split(run)
    own = (row["case"] for part in ("trained", "watched") for row in split.get(part, []))
    return sorted({*name_hashes(own), *split.get(BEFORE, [])})


def is_of_run(card: Mapping[str, Any], run: Path) -> bool:
    """Whether the network of this card is the result of ``run``.

    Cards of earlier versions do not name the weights they were made from: their settings and cases are compared.
    """
    if not (run / WEIGHTS).is_file():
        return False
    if WEIGHTS_KEY in card:
        return card[WEIGHTS_KEY] == file_digest(run / WEIGHTS)
    settings = json.loads(TrainingConfig.load(run).to_json())
    same = {**settings, **card.get("training", {})} == settings  # what came later has its default
    return same and sorted(card.get(CARD_KEY, ())) == of_run(run)


def start_of(init: str | None, encoder: str | None) -> Start:
    """What a training starts from.

    ``init``: a ``.h5`` file in a run's folder, or a model by name or file; else ``encoder``: a file, "imagenet", None.
    Raises InputError or ModelError where there is no such thing.
    """
    if init is None:
        return Start("" if encoder in (None, "imagenet") else file_digest(Path(encoder)))
    path = Path(init)
    if path.suffix != ".h5":
        card = models.find(init).about
        return Start(card.files["keras"].sha256 if "keras" in card.files else "", tuple(sorted(card.trained_on)))
    if not path.is_file():
        raise InputError("The weights to start from do not exist.", "Give network.weights.h5 of a run.")
    return Start(file_digest(path), tuple(of_run(path.parent)))


def file_digest(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def check_start(before: Iterable[str], kept_out: Iterable[str]) -> None:
    """Raise InputError where a case that is to be held out or watched is among what the start learned from."""
    seen = [case for case in kept_out if name_hash(case) in set(before)]
    if seen:
        raise InputError(
            f"The network to start from has learned from {seen[0]}, which is held out or watched: a leak.",
            "Hold out other cases (--test-fold 0: none), or start from another network.",
        )
