"""In processes that tests fork the network computes the same slices once, where a test asks for that.

What it found lies in a folder that all processes of one run of the tests share: the variable names it. Whoever comes
first computes. On the CPU alone, and by what was computed from: weights, meanings of the classes, and slices.
"""

from __future__ import annotations

import os
from functools import wraps
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

VARIABLE = "COVIDSEG_TESTS_NETWORK_ONCE"


def install(engine: type[Any]) -> None:
    """Let ``engine`` (:class:`CovidSegLib.network.onnx_engine.OnnxEngine`) remember."""
    opened, predict = engine.__init__, engine.predict

    @wraps(opened)
    def remember(self: Any, model: Any, *values: Any, **options: Any) -> None:
        opened(self, model, *values, **options)
        self.made_of = sha256(model.read("onnx") + repr(model.about.meanings).encode()).hexdigest()

    @wraps(predict)
    def remembered(self: Any, inputs: np.ndarray) -> np.ndarray:
        folder = os.environ.get(VARIABLE)
        if not folder or self.device != "cpu":
            return predict(self, inputs)
        asked = f"{self.made_of} {inputs.dtype} {inputs.shape}".encode() + inputs.tobytes()
        place = Path(folder) / f"{sha256(asked).hexdigest()}.npy"
        if not place.exists():
            unfinished = place.with_suffix(f".{os.getpid()}.npy")
            np.save(unfinished, predict(self, inputs))
            unfinished.replace(place)
        return np.load(place)

    engine.__init__, engine.predict = remember, remembered
