"""Everything that decides a training run, as data that is kept beside its result."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from CovidSegLib.network.inputs import INPUT_SHAPE

from .augmentation import Augmentation


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one run; the defaults are the recipe of the shipped network.

    ``test_fold``: cases of this fold are held out (0: none). ``trained_from``: the first encoder layer that learns;
    what lies before it keeps the encoder's weights: generic edges and blobs, and two fifths of a step's time.
    ``average``: decay of the running mean of the weights that is kept as the result.
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
    trained_from: str = "block_3_expand"
    input_shape: tuple[int, int] = INPUT_SHAPE
    seed: int = 20260501
    augmentation: Augmentation = field(default_factory=Augmentation)

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> TrainingConfig:
        """The inverse of :meth:`to_json`."""
        data = json.loads(text)
        augmentation = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data["augmentation"].items()
        }
        data["augmentation"] = Augmentation(**augmentation)
        data["input_shape"] = tuple(data["input_shape"])
        return cls(**data)

    def save(self, run: Path) -> None:
        """Write ``config.json`` into the run's folder."""
        (run / "config.json").write_text(self.to_json(), encoding="utf-8")
