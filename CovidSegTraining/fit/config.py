"""Everything that decides a training run, as data that is kept beside its result."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from CovidSegLib.errors import InputError
from CovidSegLib.network.input_form import INPUT_SHAPE
from CovidSegLib.system.typed_json import FormError, read_typed

from ..data.augmentation import Augmentation

NAME = "config.json"

_Settings = typing.TypeVar("_Settings", bound="RunSettings")


@dataclass(frozen=True)
class RunSettings:
    """Settings that are kept in a run's folder, as ``config.json``; what inherits it is a frozen dataclass, too."""

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls: type[_Settings], text: str, **given: Any) -> _Settings:
        """The inverse of :meth:`to_json`; keys that are left out have their defaults, those ``given`` come first.

        Raises InputError for a key that is not known or a value of another type.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise InputError("The configuration is not JSON.", "Start from the config.json of a run.") from error
        try:
            return read_typed(cls, {**data, **given} if isinstance(data, Mapping) else data)
        except FormError as error:
            raise _in_words(error) from error

    @classmethod
    def load(cls: type[_Settings], run: Path) -> _Settings:
        """The configuration of a run's folder; raises InputError where there is none."""
        file = run / NAME
        if not file.is_file():
            raise InputError("The folder holds no training run.", "Give the --run folder of covidseg-train fit.")
        return cls.from_json(file.read_text(encoding="utf-8"))

    def check_run(self, run: Path) -> None:
        """Raise InputError where the folder holds a run with other settings."""
        if (run / NAME).is_file() and type(self).load(run) != self:
            raise InputError("The run folder holds a training with other settings.", "Choose another --run folder.")

    def save(self, run: Path) -> None:
        """Write ``config.json`` into the run's folder."""
        (run / NAME).write_text(self.to_json(), encoding="utf-8")


@dataclass(frozen=True)
class TrainingConfig(RunSettings):
    """Settings of one run; the defaults are the recipe of the shipped network.

    ``test_fold``: cases of this fold are held out (0: none). ``trained_from``: the first encoder layer that learns
    ("": the encoder's first); what lies before it keeps the encoder's weights: generic edges and blobs. A step takes
    two thirds of the time with "block_3_expand", and infection is found a little worse (README, "What each part buys").
    ``average``: decay of the running mean of the weights that is kept as the result. ``keep``: the share in it of the
    weights that a fine-tuning started from, so that it forgets less (Wortsman et al. 2022,
    doi:10.1109/CVPR52688.2022.00780).

    ``other_shapes``: further sizes of slices beside ``input_shape``; each batch has one of them, drawn by chance.
    ``picture_weight``: how often a case of a single slice is drawn, against a slice of a short scan. ``both_readers``:
    where another reader's labels are given, infection that only one of two drew is half lung, half infection.
    ``border_weight``: how many times cross-entropy counts within 2 pixels of the border of infection.
    ``fused_normalization``: batch normalization in one operation (on a CPU, see ``fused_norm``).

    ``checkpoint_steps``: steps between two states that a training can go on from. ``validation_fold``: cases of this
    fold (never the test fold; 0: none) are watched every ``validation_steps`` steps instead of being trained on;
    ``patience``: after so many looks without a better infection Dice the training stops and keeps its best weights
    (0: never). ``precision``: "float32", "mixed_float16", or "auto", which is the second where there is a GPU.
    ``deterministic``: on a GPU, only operations that give the same result every time.
    """

    test_fold: int = 1
    steps: int = 3600
    batch: int = 8
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    warm_up_steps: int = 100
    weight_decay: float = 1e-4
    gradient_norm: float = 1.0
    average: float = 0.998
    keep: float = 0.0
    trained_from: str = ""
    input_shape: tuple[int, int] = INPUT_SHAPE
    other_shapes: tuple[tuple[int, int], ...] = ()
    picture_weight: float = 1.0
    both_readers: bool = False
    border_weight: float = 1.0
    fused_normalization: bool = True
    seed: int = 20260501
    augmentation: Augmentation = field(default_factory=Augmentation)
    checkpoint_steps: int = 100
    validation_fold: int = 0
    validation_steps: int = 200
    patience: int = 0
    precision: str = "auto"
    deterministic: bool = True

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if not value >= least:  # NaN is refused too
                raise InputError(f"{name} must be at least {least:g}, not {value}.", "Correct the configuration.")
            if value == math.inf:
                raise InputError(f"{name} must be a number, not infinite.", "Correct the configuration.")
        if self.seed > MOST_SEED:
            raise InputError(f"seed must be at most {MOST_SEED}, not {self.seed}.", "Correct the configuration.")
        if any(side < STRIDE or side % STRIDE for shape in self.shapes for side in shape):
            raise InputError(f"Sizes of slices must be multiples of {STRIDE}.", "Correct the configuration.")
        for name in ("average", "keep"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"{name} must be 0 or more and below 1, not {getattr(self, name)}.", "Correct the configuration."
                )
        if self.precision not in PRECISIONS:
            raise InputError(f"There is no precision {self.precision!r}.", f"Choose one of {', '.join(PRECISIONS)}.")
        if self.validation_fold and self.validation_fold == self.test_fold:
            raise InputError("The fold that is watched is the test fold: a leak.", "Choose another --validation-fold.")
        if self.patience and not self.validation_fold:
            raise InputError("Stopping early needs cases to watch.", "Give a --validation-fold too.")

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """All sizes of slices, rows and columns."""
        return (self.input_shape, *self.other_shapes)

    def check_keep(self, start: object) -> None:
        """Raise InputError where something of a ``start`` is to be kept and there is none (None)."""
        if self.keep and start is None:
            raise InputError("Only what goes on from a network can keep some of it.", "Give --init too, or no --keep.")


_LEAST = {
    "test_fold": 0, "steps": 1, "batch": 1, "learning_rate": 1e-12, "final_learning_rate": 0, "warm_up_steps": 0,
    "weight_decay": 0, "gradient_norm": 1e-12, "checkpoint_steps": 1, "validation_fold": 0, "validation_steps": 1,
    "patience": 0, "seed": 0, "picture_weight": 0, "border_weight": 0,
}  # fmt: skip
"""The smallest value of a setting that makes sense; rates and norms must only be more than nothing."""

STRIDE = 32
"""Of the encoder."""

MOST_SEED = 2**32 - 1
"""Of Keras."""

PRECISIONS = ("auto", "float32", "mixed_float16")


def _in_words(error: FormError) -> InputError:
    """What is wrong in a configuration, for the user."""
    if error.problem == "unknown":
        return InputError(f"The configuration has an unknown key {error.place}.", error.hint)
    if error.problem == "no table":
        return InputError(f"The configuration{error.place and ' of ' + error.place} {error.told}.", "Correct it.")
    return InputError(f"{error.place} in the configuration {error.told}.", "Correct it.")
