"""The model that tells where the fissures of a lung lie from its shape: arrays in a file, and the card that names them.

Learned by ``covidseg-train lobes`` from masks alone. The file holds numbers and nothing that could be run.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError
from ..i18n import tr as _
from ..system.resource_files import resource
from .lobe_shape import GRID, HORIZONTAL_TERMS, OBLIQUE_TERMS, Lobe

DEFAULT_MODEL = "covidseg-lobes-1"

_POINTS = int(np.prod(GRID))
_TERMS = {"left": OBLIQUE_TERMS, "right": OBLIQUE_TERMS + HORIZONTAL_TERMS}
_FIELDS = ("mean", "components", "coefficients", "residuals", "usual")


@dataclass(frozen=True)
class LungModel:
    """What was learned of one lung; all float64.

    ``mean`` (points): the mean shape (see :meth:`.lobe_shape.CoarseLung.shape_points`); ``components`` (n, points):
    directions in which shapes differ, as long as one standard deviation of the first score; ``coefficients``
    (1 + n, terms): terms of the surfaces, constant first; ``residuals`` (cases, terms): by how much the prediction
    missed each training case while that was left out; ``usual`` (1 + n): how far a shape may be from those that were
    seen: root mean square of what no component explains, then each score without its sign.
    """

    mean: np.ndarray
    components: np.ndarray
    coefficients: np.ndarray
    residuals: np.ndarray
    usual: np.ndarray

    def scores(self, points: np.ndarray) -> tuple[np.ndarray, float]:
        """The scores (n) of a shape, and the root mean square of what is left of it."""
        off = points - self.mean
        squares = (self.components**2).sum(axis=1)
        scores = self.components @ off / squares
        return scores, float(np.sqrt(np.mean((off - scores @ self.components) ** 2)))

    def is_unusual(self, points: np.ndarray) -> bool:
        """Whether a shape is farther from those of the training than any of them is from the others."""
        scores, rest = self.scores(points)
        return bool(rest > self.usual[0] or (np.abs(scores) > self.usual[1:]).any())

    def members(self, points: np.ndarray) -> np.ndarray:
        """The ensemble for a shape (members, terms): the prediction with each error that it made, both ways round."""
        scores, _rest = self.scores(points)
        predicted = self.coefficients[0] + scores @ self.coefficients[1:]
        return np.concatenate([predicted + self.residuals, predicted - self.residuals])


@dataclass(frozen=True)
class LobeModel:
    """Both lungs' models.

    ``beside`` (2, 3): lower and upper limits of how the lungs lie beside each other (:func:`.lobe_shape.beside`).
    ``sha256``: of the file; ``card``: what is said of it.
    """

    left: LungModel
    right: LungModel
    beside: np.ndarray
    name: str = ""
    sha256: str = ""
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lowest_overlap(self) -> tuple[float, ...]:
        """The lowest Dice of each lobe (1 to 5) in the lungs that the model was judged on, by its card; else 1."""
        lobes = self.card.get("scores", {}).get("lobes", {})
        return tuple(float(lobes.get(str(int(lobe)), {}).get("lowest", 1.0)) for lobe in sorted(Lobe))


def model_bytes(model: LobeModel) -> bytes:
    """The model as the content of a file: a NumPy archive of float32 arrays."""
    arrays = {f"{side}_{name}": getattr(lung, name) for side, lung in _sides(model) for name in _FIELDS}
    arrays["beside"] = model.beside
    file = io.BytesIO()
    np.savez_compressed(file, **{name: array.astype(np.float32) for name, array in arrays.items()})
    return file.getvalue()


def _sides(model: LobeModel) -> tuple[tuple[str, LungModel], ...]:
    return ("left", model.left), ("right", model.right)


def read_lobe_model(card_file: Path | None = None) -> LobeModel:
    """The model whose card is ``card_file`` (default: the one that comes with CovidSeg).

    Raises ModelError where its file is missing, of another make, or not the one whose SHA-256 the card names.
    """
    path = resource(f"Lobes/{DEFAULT_MODEL}.json") if card_file is None else card_file
    try:
        state = path.stat().st_mtime_ns
    except OSError as error:
        raise ModelError(_("The model of the lobes has no card."), _again()) from error
    return _read(path, state)


@lru_cache(maxsize=2)
def _read(path: Path, _state: int) -> LobeModel:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        name, entry = str(card["name"]), card["files"]["npz"]
        if Path(entry["name"]).name != entry["name"]:
            raise ValueError("a file of another folder")
        data = (path.parent / entry["name"]).read_bytes()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(_("The model of the lobes cannot be read."), _again()) from error
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != entry["sha256"]:
        raise ModelError(_("The model of the lobes is not the one that its card names (SHA-256)."), _again())
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            left, right = (_lung(arrays, side) for side in ("left", "right"))
            beside = arrays["beside"].astype(np.float64)
            if beside.shape != (2, 3) or not np.isfinite(beside).all():
                raise ValueError("limits that are none")
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(_("The model of the lobes was made for another version of CovidSeg."), _again()) from error
    return LobeModel(left, right, beside, name, sha256, card)


def _lung(arrays: Mapping[str, np.ndarray], side: str) -> LungModel:
    lung = LungModel(*(arrays[f"{side}_{name}"].astype(np.float64) for name in _FIELDS))
    count, terms = len(lung.components), _TERMS[side]
    shapes = ((_POINTS,), (count, _POINTS), (1 + count, terms), (len(lung.residuals), terms), (1 + count,))
    if any(getattr(lung, name).shape != shape for name, shape in zip(_FIELDS, shapes, strict=True)):
        raise ValueError("arrays of other shapes")
    if not all(np.isfinite(getattr(lung, name)).all() for name in _FIELDS):
        raise ValueError("numbers that are none")
    return lung


def _again() -> str:
    return _("Install CovidSeg again.")
