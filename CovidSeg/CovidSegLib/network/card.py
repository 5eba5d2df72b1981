"""A model card, checked before anything of it is used: it may come from anywhere, and names files and numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from ..errors import ModelError
from ..i18n import tr as _
from ..system.typed_json import Form, FormError, read_typed
from .answers import MEANINGS
from .input_form import NetworkInputs

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


@dataclass(frozen=True)
class Weights:
    """A file of weights beside the card, and the SHA-256 of its bytes (hexadecimal)."""

    name: str
    sha256: str

    def check(self, kind: str) -> None:
        """Raise ModelError unless they can be a file of ``kind`` beside the card."""
        if Path(self.name).name != self.name or "\\" in self.name:
            raise ModelError(_("The model's card names weights outside its own folder."))
        if not (_NAME.fullmatch(self.name) and self.name.lower().endswith(f".{kind}")):
            raise _malformed(f"files.{kind}.name")
        if not _SHA256.fullmatch(self.sha256):
            raise _malformed(f"files.{kind}.sha256")


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What must have a form in a card; what is not named here may stand in it, too.

    ``files``: weights by their kind, one of :data:`KINDS`, in the card's order; ``inputs``: what the network takes;
    ``classes``: of its answers, in their order; ``means``: which of :data:`.answers.MEANINGS` each of them is (default:
    they are those); ``finish``: thresholds, see :data:`FINISH`.
    """

    name: str
    files: dict[str, Weights]
    inputs: NetworkInputs
    classes: tuple[str, ...] = MEANINGS
    means: tuple[str, ...] | None = None
    finish: dict[str, Annotated[float, Form()]] = field(default_factory=dict)
    title: str = ""
    description: str = ""
    licence: str = ""
    limits: str = ""
    training_note: str = ""
    date: str = ""
    command: str = ""
    training_data: tuple[dict[str, Any], ...] = ()
    trained_on: tuple[str, ...] = ()
    metrics: dict[str, Any] = field(default_factory=dict)
    onnx: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    agreement: dict[str, Any] = field(default_factory=dict)
    trained_weights: str = ""
    parameters: int = 0

    def __post_init__(self) -> None:
        if not self.files or set(self.files) - set(KINDS):
            raise _malformed("files")
        for kind, weights in self.files.items():
            weights.check(kind)
        if set(self.finish) - set(FINISH):
            raise _malformed("finish")
        if not isinstance(self.metrics.get("mean", {}), dict):
            raise _malformed("metrics")
        if set(self.meanings) != set(MEANINGS) or len(self.meanings) != len(self.classes):
            raise _malformed("classes" if self.means is None else "means")

    def score(self, measure: str) -> float | None:
        """The mean over the held-out scans ("lung", "infection_infected_slices", ...); None where it is not told."""
        found = self.metrics.get("mean", {}).get(measure)
        return found if isinstance(found, int | float) and not isinstance(found, bool) else None

    @property
    def meanings(self) -> tuple[str, ...]:
        """Which of :data:`.answers.MEANINGS` each class of the network's answers is."""
        return self.classes if self.means is None else self.means


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
    """``data`` as a card. Raises ModelError where anything in it has not the form that it must have."""
    if isinstance(data, Mapping) and not is_model_name(data.get("name")):
        raise ModelError(_("The model has a name that no file can have."))
    try:
        return read_typed(ModelCard, data, others=True)
    except FormError as error:
        raise _malformed(error.place) from error
    except ValueError as error:
        raise _malformed("inputs.hu_window") from error


def _malformed(field: str) -> ModelError:
    if not field:
        return ModelError(_("The model's card cannot be read."))
    return ModelError(_("The model's card does not say {field} in the form it must have.").format(field=field))
