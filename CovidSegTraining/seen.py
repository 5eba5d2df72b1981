"""What a network was trained on, told without names: so that it is never judged on that."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from CovidSegLib.errors import InputError
from CovidSegLib.network import models

from .run_folder import BEFORE, read_split

CARD_KEY = "trained_on"


def fingerprint(case: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a case's name: a card tells no names of a hospital's cases."""
    return hashlib.sha256(case.encode()).hexdigest()[:16]


def fingerprints(cases: Iterable[str]) -> list[str]:
    """Of several cases, sorted."""
    return sorted(map(fingerprint, cases))


def was_trained_on(card: Mapping[str, Any], case: str) -> bool:
    """Whether the network of this card learned from ``case``, as far as its card says."""
    return fingerprint(case) in card.get(CARD_KEY, ())


def of_run(run: Path) -> list[str]:
    """Fingerprints of all that the network of a run learned from: its own cases, and those of what it went on from."""
    split = read_split(run)
    own = (row["case"] for part in ("trained", "watched") for row in split.get(part, []))
    return sorted({*fingerprints(own), *split.get(BEFORE, [])})


def of_start(source: str) -> list[str]:
    """The same of what a training starts from: a ``.h5`` file in a run's folder, or a model by name or file.

    Raises InputError or ModelError where there is no such thing.
    """
    path = Path(source)
    if path.suffix != ".h5":
        return sorted(models.find(source).card.get(CARD_KEY, ()))
    if not path.is_file():
        raise InputError("The weights to start from do not exist.", "Give network.weights.h5 of a run.")
    return of_run(path.parent)


def check_start(before: Iterable[str], kept_out: Iterable[str]) -> None:
    """Raise InputError where a case that is to be held out or watched is among what the start learned from."""
    seen = [case for case in kept_out if fingerprint(case) in set(before)]
    if seen:
        raise InputError(
            f"The network to start from has learned from {seen[0]}, which is held out or watched: a leak.",
            "Hold out other cases (--test-fold 0: none), or start from another network.",
        )
