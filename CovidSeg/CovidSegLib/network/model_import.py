"""Taking in a model from a file: a .zip, or a card beside its weights. Nothing is kept that does not match its card."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from ..errors import ModelError
from ..i18n import tr as _
from . import models
from .models import Model

MAX_BYTES = 1 << 30
"""More than any network of ours; a .zip may promise more than a disk holds."""

_HINT = _("Take the .zip as it was made, or the card (.json) with its weights in the same folder.")


def import_model(source: Path) -> Model:
    """Copy the model in ``source`` to the user's models; returns it as it is there.

    ``source``: a .zip with one card and its weights, or the card or one of the weights, the others beside it. All
    weights are compared with the SHA-256 in the card first. Raises ModelError; then no file was left behind or changed.
    """
    try:
        if source.suffix.lower() == ".zip":
            with tempfile.TemporaryDirectory(prefix="covidseg-") as folder:
                return _install(models.find(str(_unpack(source, Path(folder)))))
        return _install(models.find(str(source.with_suffix(".json"))))
    except (OSError, zipfile.BadZipFile) as error:
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise ModelError(
                _("The disk is full: the model was not imported."), _("Free some space and try again.")
            ) from error
        raise ModelError(_("The file cannot be read as a model."), _HINT) from error


def _unpack(source: Path, folder: Path) -> Path:
    """Card and weights of a .zip in ``folder``, under their bare names; returns the card."""
    with zipfile.ZipFile(source) as archive:
        entries = {os.path.basename(entry.filename): entry for entry in archive.infolist() if not entry.is_dir()}
        cards = [name for name in entries if name.lower().endswith(".json")]
        if len(cards) != 1:
            raise ModelError(_("The .zip must hold exactly one card (.json)."), _HINT)
        if sum(entry.file_size for entry in entries.values()) > MAX_BYTES:
            raise ModelError(_("The .zip is larger than any model."), _HINT)
        # Only what the card names is unpacked.
        wanted = [cards[0], *_weights_named(archive.read(entries[cards[0]]))]
        for name in wanted:
            if name not in entries:
                raise ModelError(_("The .zip lacks the weights {name}.").format(name=name), _HINT)
            with archive.open(entries[name]) as packed, (folder / name).open("wb") as file:
                shutil.copyfileobj(packed, file)
    return folder / cards[0]


def _weights_named(card: bytes) -> list[str]:
    try:
        names = [str(entry["name"]) for entry in json.loads(card)["files"].values()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(_("The model's card cannot be read."), _HINT) from error
    if any(os.path.basename(name) != name for name in names):
        raise ModelError(_("The model's card names weights outside its own folder."), _HINT)
    return names


def _install(model: Model) -> Model:
    models.verify(model)
    if model.name == models.DEFAULT_NAME or (models.MODELS_FOLDER / f"{model.name}.json").is_file():
        raise ModelError(
            _("A model named {name} came with CovidSeg.").format(name=model.name),
            _("Rename the one to import (name in its card)."),
        )
    if Path(model.name).name != model.name or model.name.startswith("."):
        raise ModelError(_("The model has a name that no file can have."), _("Rename it in its card."))
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
    card = json.loads(json.dumps(model.card))
    with tempfile.TemporaryDirectory(prefix=".import-", dir=target) as folder:
        staged = Path(folder)
        for kind, entry in card["files"].items():
            original = model.folder / entry["name"]
            entry["name"] = f"{model.name}.{kind}"  # so that two models never share a file
            shutil.copyfile(original, staged / entry["name"])
        (staged / f"{model.name}.json").write_text(json.dumps(card, indent=2), encoding="utf-8")
        # The card comes last: without it the weights are nothing.
        for file in sorted(staged.iterdir(), key=lambda file: file.suffix == ".json"):
            os.replace(file, target / file.name)
    return models.find(model.name)
