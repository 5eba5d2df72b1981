"""The networks that are installed: weights, and the card that says what they are.

A model is three files of one stem in ``Resources/Models``: ``NAME.json`` (the card), ``NAME.onnx`` and ``NAME.keras``.
The card holds the SHA-256 of both weights; bytes that do not match are never handed to a runtime.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..i18n import tr as _
from ..system.resource_files import resource
from ..system.user_folders import MODELS
from .card import MAX_CARD_BYTES, ModelCard, checked_card, load_card

DEFAULT_NAME = "covidseg-mobilenetv2-1"
MAX_BYTES = 1 << 30
"""More than any network of ours."""

MODELS_FOLDER = resource("Models")
"""Where models are installed."""


def user_models_folder() -> Path:
    """Where models are imported to: a folder of the user, so that Slicer's own need not be writable.

    COVIDSEG_MODELS names another one.
    """
    return MODELS.path()


_AGAIN = _("Install CovidSeg again, or choose another model.")
_IMPORT_AGAIN = _("Import the model again, or choose another one.")


def _hint(folder: Path) -> str:
    """What to do about a model in ``folder``."""
    return _IMPORT_AGAIN if folder == user_models_folder() else _AGAIN


@dataclass(frozen=True)
class Model:
    """A network on disk. ``card``: the model card as data, of checked form; ``folder``: where its files lie."""

    name: str
    folder: Path
    card: dict[str, Any]

    @cached_property
    def about(self) -> ModelCard:
        """What is used of the card. Raises ModelError where it is malformed."""
        return checked_card(self.card)

    @property
    def sha256(self) -> str:
        """SHA-256 of the ONNX weights, the identity of the network; of its others where it has none of those."""
        weights = self.about.files
        return (weights.get("onnx") or next(iter(weights.values()))).sha256

    @property
    def files(self) -> tuple[Path, ...]:
        """All weights, in the order of the card."""
        return tuple(self.folder / weights.name for weights in self.about.files.values())

    def read(self, kind: str) -> bytes:
        """The verified bytes of the weights as ``kind`` ("onnx" or "keras").

        Raises ModelError if they are missing or altered.
        """
        weights = self.about.files.get(kind)
        if weights is None:
            raise ModelError(_("The model {name} has no {kind} weights.").format(name=self.name, kind=kind), _AGAIN)
        try:
            data = _content(self.folder / weights.name, MAX_BYTES)
        except OSError as error:
            raise ModelError(
                _("The {kind} weights of {name} cannot be read.").format(kind=kind, name=self.name), _hint(self.folder)
            ) from error
        if hashlib.sha256(data).hexdigest() != weights.sha256:
            raise ModelError(
                _("The {kind} weights of {name} are not those its card names (SHA-256).").format(
                    kind=kind, name=self.name
                ),
                _hint(self.folder),
            )
        return data


def installed() -> list[Model]:
    """All models that came with CovidSeg, then those that were imported, each by name."""
    return _sorted_out()[0]


def unreadable() -> list[Path]:
    """The cards that :func:`installed` leaves out, since they cannot be opened: one must not take the others away."""
    return _sorted_out()[1]


def _sorted_out() -> tuple[list[Model], list[Path]]:
    found, bad = [], []
    for folder in (MODELS_FOLDER, user_models_folder()):
        for card in sorted(folder.glob("*.json")):
            try:
                found.append(_open(card))
            except ModelError:
                bad.append(card)
    return found, bad


def find(name: str) -> Model:
    """The model of this name ("default" for the shipped one), or the one whose card or weights file ``name`` is.

    Raises ModelError where there is none, or where its card is malformed.
    """
    if name == "default":
        name = DEFAULT_NAME
    path = Path(name)
    if path.suffix in (".json", ".onnx", ".keras"):
        return _open(path.with_suffix(".json"))
    cards = [folder / f"{name}.json" for folder in (MODELS_FOLDER, user_models_folder())]
    card = next((card for card in cards if card.is_file()), None)
    if path.name != name or card is None:
        known = ", ".join(model.name for model in installed()) or "none"
        raise ModelError(
            _("There is no model named {name}.").format(name=path.name), _("Installed: {known}.").format(known=known)
        )
    return _open(card)


def verify(model: Model) -> None:
    """Read all weights of ``model``; raises ModelError if any is missing or altered."""
    for kind in model.about.files:
        model.read(kind)


def _open(card_file: Path) -> Model:
    try:
        card = load_card(_content(card_file, MAX_CARD_BYTES))
    except FileNotFoundError as error:
        raise ModelError(_("The model has no card."), _("Put NAME.json beside NAME.onnx and NAME.keras.")) from error
    except (OSError, ValueError) as error:  # the last: a name with a zero byte
        raise ModelError(_("The model's card cannot be read."), _hint(card_file.parent)) from error
    except ModelError as error:
        raise ModelError(error.sentence, _hint(card_file.parent)) from error
    return Model(card["name"], card_file.parent, card)


def _content(file: Path, most: int) -> bytes:
    """What is in a file of no more than ``most`` bytes; OSError for anything else: a pipe would block for ever."""
    if file.exists() and not (file.is_file() and file.stat().st_size <= most):
        raise OSError("not such a file")
    return file.read_bytes()
