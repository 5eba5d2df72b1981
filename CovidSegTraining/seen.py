"""What a network was trained on, told without names: so that it is never judged on that."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

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
