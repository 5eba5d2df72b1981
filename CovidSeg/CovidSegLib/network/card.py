"""A model card, checked before anything of it is used: it may come from anywhere, and names files and numbers."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..i18n import tr as _
from .inputs import HU_WINDOW, INPUT_SHAPE, SECOND_SHAPE

KINDS = ("onnx", "keras")
"""What weights can be kept as; also the endings of their files."""

FINISH = ("lung", "infection", "lung_part", "infection_ml")
"""What a card may set of :class:`CovidSegLib.anatomy.finish.FinishOptions`."""

MAX_CARD_BYTES = 8 << 20
"""A card holds the scores of every case it was judged on: some hundred bytes each."""

_NAME = re.compile(r"\w([\w .,+()@=-]{0,118}[\w)])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TAKEN = ("default",)
_ENDINGS = (".json", ".zip", *(f".{kind}" for kind in KINDS))

_FORMS: dict[str, type] = {
    **dict.fromkeys(("title", "description", "licence", "limits", "training_note", "date", "command"), str),
    **dict.fromkeys(("classes", "training_data", "trained_on"), list),
    **dict.fromkeys(("metrics", "finish", "onnx", "training", "agreement"), dict),
    "trained_weights": str,
    "parameters": int,
}
"""The forms of facts that a card may hold; what is not named here may have any."""


@dataclass(frozen=True)
class Weights:
    """A file of weights beside the card, and the SHA-256 of its bytes (hexadecimal)."""

    name: str
    sha256: str


@dataclass(frozen=True)
class ModelCard:
    """What is used of a card. ``weights`` by their kind, one of :data:`KINDS`, in the card's order."""

    name: str
    weights: dict[str, Weights]
    looks_twice: bool
    finish: dict[str, float]


def is_model_name(name: object) -> bool:
    """Whether a model can be called so: files are named after it, and ``--model`` finds it by it."""
    return (
        isinstance(name, str)
        and _NAME.fullmatch(name) is not None
        and name.lower() not in _TAKEN
        and not name.lower().endswith(_ENDINGS)
    )


def load_card(content: bytes) -> dict[str, Any]:
    """The card in ``content`` as data, checked (:func:`checked_card`). Raises ModelError."""
    try:
        data = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # the last: lists in lists in lists
        raise ModelError(_("The model's card cannot be read.")) from error
    checked_card(data)
    return data


def checked_card(data: Any) -> ModelCard:
    """What is used of a card. Raises ModelError where anything in it has not the form that it must have."""
    card = _of_form(data, dict, "")
    if not is_model_name(card.get("name")):
        raise ModelError(_("The model has a name that no file can have."))
    for field, form in _FORMS.items():
        if field in card:
            _of_form(card[field], form, field)
    _check_parts(card)
    return ModelCard(card["name"], _weights(card), _looks_twice(card), _finish(card.get("finish", {})))


def _check_parts(card: dict[str, Any]) -> None:
    for one in card.get("training_data", []):
        _of_form(one, dict, "training_data")
    for one in card.get("trained_on", []):
        _of_form(one, str, "trained_on")
    _of_form(card.get("metrics", {}).get("mean", {}), dict, "metrics")


def _weights(card: dict[str, Any]) -> dict[str, Weights]:
    found = {}
    for kind, entry in _of_form(card.get("files"), dict, "files").items():
        if kind not in KINDS:
            raise _malformed("files")
        entry = _of_form(entry, dict, f"files.{kind}")
        name, sha256 = (_of_form(entry.get(field), str, f"files.{kind}.{field}") for field in ("name", "sha256"))
        if Path(name).name != name or "\\" in name:
            raise ModelError(_("The model's card names weights outside its own folder."))
        if not (_NAME.fullmatch(name) and name.lower().endswith(f".{kind}")):
            raise _malformed(f"files.{kind}.name")
        if not _SHA256.fullmatch(sha256):
            raise _malformed(f"files.{kind}.sha256")
        found[kind] = Weights(name, sha256)
    if not found:
        raise _malformed("files")
    return found


def _looks_twice(card: dict[str, Any]) -> bool:
    """Whether there is a second look; ModelError where the inputs are not those that this version makes."""
    inputs = _of_form(card.get("inputs"), dict, "inputs")
    wanted = {"shape": INPUT_SHAPE, "hu_window": HU_WINDOW, "second_look": SECOND_SHAPE}
    for field, value in wanted.items():
        if field != "second_look" or field in inputs:
            given = _of_form(inputs.get(field), list, f"inputs.{field}")
            if given != list(value):
                raise ModelError(
                    _("The model {name} was trained for other inputs than this version makes.").format(
                        name=card["name"]
                    )
                )
    return "second_look" in inputs


def _finish(given: dict[str, Any]) -> dict[str, float]:
    for field, value in given.items():
        if field not in FINISH or not _is_finite(value):
            raise _malformed("finish")
    return given


def _is_finite(value: Any) -> bool:
    """Whether it is a number that computing can be done with; JSON may hold whole ones of any length."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _of_form(value: Any, form: type, field: str) -> Any:
    if not isinstance(value, form) or (form is int and isinstance(value, bool)):
        raise _malformed(field)
    return value


def _malformed(field: str) -> ModelError:
    if not field:
        return ModelError(_("The model's card cannot be read."))
    return ModelError(_("The model's card does not say {field} in the form it must have.").format(field=field))
