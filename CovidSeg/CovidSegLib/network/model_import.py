"""Taking in a model from a file: a .zip, or a card beside its weights. Nothing is kept that does not match its card."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from ..errors import ModelError, OutputError
from ..i18n import tr as _
from ..system.atomic_files import OWN_FILE, OutputSet
from ..system.file_states import States, states_of
from ..system.locks import one_at_a_time
from ..system.unfinished import unfinished_folder
from . import models
from .card import MAX_CARD_BYTES, checked_card, load_card
from .models import MAX_BYTES, Model

_HINT = _("Take the .zip as it was made, or the card (.json) with its weights in the same folder.")
_STEP = 1 << 20
_ENCRYPTED = 1
"""The bit of a zip entry's flags that says so (APPNOTE.TXT 4.4.4)."""

Opener = Callable[[], IO[bytes]]


def import_model(source: Path) -> Model:
    """Copy the model in ``source`` to the user's models; returns it as it is there.

    ``source``: a .zip with one card and its weights, or the card or one of the weights, the others beside it. All
    weights are compared with the SHA-256 in the card before a byte is written. Raises ModelError; then no file was left
    behind or changed.
    """
    begun = states_of(models.user_models_folder().glob("*"))
    with _errors():
        if source.suffix.lower() != ".zip":
            model = models.find(str(source.with_suffix(".json")))
            models.verify(model)
            openers = {file.name: _opener(file) for file in model.files}
            return _install(model.card, openers, begun)
        if source.exists() and not source.is_file():  # a pipe would block for ever
            raise ModelError(_("The file cannot be read as a model."), _HINT)
        with zipfile.ZipFile(source) as archive:
            card, entries = _in_zip(archive)
            return _install(card, {name: partial(archive.open, entry) for name, entry in entries.items()}, begun)


@contextmanager
def _errors() -> Iterator[None]:
    """What can go wrong with a stranger's file becomes a ModelError."""
    try:
        yield
    except (ModelError, OutputError) as error:
        raise ModelError(error.sentence, error.hint or _HINT) from error
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise ModelError(
                _("The disk is full: the model was not imported."), _("Free some space and try again.")
            ) from error
        raise ModelError(_("The file cannot be read as a model."), _HINT) from error


def _in_zip(archive: zipfile.ZipFile) -> tuple[dict, dict[str, zipfile.ZipInfo]]:
    """The card, and the entries of the weights that it names, by their bare names. Raises as :func:`_errors` tells."""
    entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]  # or no name
    # macOS adds a hidden file beside each.
    named = [(os.path.basename(entry.filename), entry) for entry in entries]
    named = [(name, entry) for name, entry in named if not name.startswith(".")]
    cards = [entry for name, entry in named if name.lower().endswith(".json")]
    if len(cards) != 1:
        raise ModelError(_("The .zip must hold exactly one card (.json)."), _HINT)
    if sum(entry.file_size for entry in entries) > MAX_BYTES or cards[0].file_size > MAX_CARD_BYTES:
        raise ModelError(_("The .zip is larger than any model."), _HINT)
    _check_packing([entry for _, entry in named])
    card = load_card(archive.read(cards[0]))
    found = {}
    for weights in checked_card(card).files.values():
        alike = [entry for name, entry in named if name == weights.name]
        if len(alike) != 1:
            raise ModelError(_("The .zip lacks the weights {name}.").format(name=weights.name), _HINT)
        found[weights.name] = alike[0]
    return card, found


def _check_packing(entries: list[zipfile.ZipInfo]) -> None:
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise ModelError(_("The .zip is encrypted."), _("Make one without a password."))
    if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
        raise ModelError(_("The .zip is packed in a way that is not known."), _("Pack it as an ordinary .zip."))


def _opener(file: Path) -> Opener:
    return lambda: file.open("rb")


def _install(card: dict, openers: Mapping[str, Opener], begun: States) -> Model:
    """Check the weights that ``openers`` open by their names, then copy all to the user's models."""
    about = checked_card(card)
    for kind, weights in about.files.items():
        if _digest(openers[weights.name]) != weights.sha256:
            raise ModelError(
                _("The {kind} weights of {name} are not those its card names (SHA-256).").format(
                    kind=kind, name=about.name
                ),
                _HINT,
            )
    if about.name == models.DEFAULT_NAME or (models.MODELS_FOLDER / f"{about.name}.json").is_file():
        raise ModelError(
            _("A model named {name} came with CovidSeg.").format(name=about.name),
            _("Rename the one to import (name in its card)."),
        )
    target = _target()
    states: dict[Path, str | None] = {**dict(begun), _record(target, about.name): OWN_FILE}
    with one_at_a_time(target / ".import.lock"), unfinished_folder(target) as staged, OutputSet(states) as files:
        own = json.loads(json.dumps(card))
        for kind, weights in about.files.items():
            own["files"][kind]["name"] = f"{about.name}.{kind}"  # so that two models never share a file
            with openers[weights.name]() as original, (staged / f"{about.name}.{kind}").open("wb") as file:
                shutil.copyfileobj(original, file, _STEP)
        text = json.dumps(own, indent=2)
        _check_card_is_ours(target, about.name, text)
        (staged / f"{about.name}.json").write_text(text, encoding="utf-8")
        models.verify(models.find(str(staged / f"{about.name}.json")))  # a disk may be full
        # The card last: without it the weights are nothing.
        for part in sorted(staged.iterdir(), key=lambda part: part.suffix == ".json"):
            os.replace(part, files.add(target / part.name))
        files.add_text(_digest_of(text), _record(target, about.name))
        files.publish()
    return models.find(about.name)


def _record(folder: Path, name: str) -> Path:
    """Where it is kept what card an import wrote."""
    return folder / f".{name}.imported"


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check_card_is_ours(folder: Path, name: str, new: str) -> None:
    """Raise ModelError where the card ``name`` is there, is not ``new`` and not as an import wrote it."""
    card, record = folder / f"{name}.json", _record(folder, name)
    if not card.exists():
        return
    text = card.read_bytes().decode("utf-8", errors="replace")
    if text != new and not (record.is_file() and record.read_text(encoding="utf-8") == _digest_of(text)):
        raise ModelError(
            _("A card named {name} is there that no import wrote, or that somebody changed since.").format(name=name),
            _("Move it away, or rename the model to import (name in its card)."),
        )


def _digest(opener: Opener) -> str:
    digest = hashlib.sha256()
    with opener() as file:
        for piece in iter(lambda: file.read(_STEP), b""):
            digest.update(piece)
    return digest.hexdigest()


def _target() -> Path:
    """The folder for imported models, which is made where there is none. Raises ModelError."""
    target = models.user_models_folder()
    try:
        target.mkdir(parents=True, exist_ok=True)
        writable = os.access(target, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise ModelError(
            _("The folder for imported models cannot be written."),
            _("Ask for the right to write there, or name another one in the variable COVIDSEG_MODELS."),
        )
    return target
