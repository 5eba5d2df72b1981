"""What a network answers, checked: weights can match their card and still be of another kind of network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import EngineError
from ..i18n import tr as _

MEANINGS = ("neither", "lung", "infection")
"""What is told of each pixel; a network may have more classes, each of which means one of them."""


def checked_answers(answers: object, inputs: np.ndarray, meanings: Sequence[str] = MEANINGS) -> np.ndarray:
    """The probability of each of :data:`MEANINGS` for each pixel (n, rows, columns, 3).

    ``answers``: of a network to ``inputs`` (n, rows, columns, 3); ``meanings``: of its classes, as its card says.
    Raises EngineError for another shape, for what is no float, and for what is no number.
    """
    if (
        not isinstance(answers, np.ndarray)
        or answers.shape != (*inputs.shape[:3], len(meanings))
        or answers.dtype.kind != "f"
        or not np.isfinite(answers).all()
    ):
        raise EngineError(
            _("The network does not answer with a probability of lung and infection for each pixel."),
            _("Choose another model."),
        )
    if tuple(meanings) == MEANINGS:
        return answers
    return np.stack([answers[..., [one == meant for one in meanings]].sum(axis=-1) for meant in MEANINGS], axis=-1)
