"""What a network answers, checked: weights can match their card and still be of another kind of network."""

from __future__ import annotations

import numpy as np

from ..errors import EngineError
from ..i18n import tr as _

CLASSES = 3
"""Neither, lung, infection."""


def checked_answers(answers: object, inputs: np.ndarray) -> np.ndarray:
    """``answers`` to ``inputs`` (n, rows, columns, 3), if they are a probability of each class for each pixel.

    Raises EngineError for another shape, for what is no float, and for what is no number.
    """
    if (
        not isinstance(answers, np.ndarray)
        or answers.shape != (*inputs.shape[:3], CLASSES)
        or answers.dtype.kind != "f"
        or not np.isfinite(answers).all()
    ):
        raise EngineError(
            _("The network does not answer with a probability of lung and infection for each pixel."),
            _("Choose another model."),
        )
    return answers
