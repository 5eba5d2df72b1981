"""Infection of one patient carried into the lungs of another: more severe cases than there are patients."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .dataset import DrawnLabel, is_infected

SMALLEST_PIXELS = 40
"""Less than this of a lesion inside the other lung is not carried over."""

_NOISE_PIXELS = 1.2
"""What is finer than this is a lung's noise and small vessels: the other lung keeps its own."""

_EDGE_PIXELS = 1.0


def carry_lesions(
    inputs: np.ndarray, labels: np.ndarray, given: np.ndarray, given_labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``inputs`` (rows, columns, 3; [-1, 1]) and ``labels`` (rows, columns) with the lesions of ``given`` in its lungs.

    Lesions stand as far above healthy lung as they did where they come from; vessels and noise of the lung that they
    come into stay, and what was denser there already. Both as they were, where no lung was drawn or little overlaps.
    """
    healthy, given_healthy = _healthy(labels), _healthy(given_labels)
    carried = is_infected(given_labels) & healthy
    if np.count_nonzero(carried) < SMALLEST_PIXELS or not given_healthy.any():
        return inputs, labels
    level, given_level = np.median(inputs[healthy, 1]), np.median(given[given_healthy, 1])
    smooth, lesion = _smoothed(inputs), _smoothed(given) + np.float32(level - given_level)
    weight = ndimage.gaussian_filter(carried.astype(np.float32), _EDGE_PIXELS) * (healthy | is_infected(labels))
    made = inputs + weight[..., None] * np.maximum(lesion - smooth, 0)
    return made.clip(-1, 1), np.where(carried, given_labels, labels)


def _healthy(labels: np.ndarray) -> np.ndarray:
    return (labels == DrawnLabel.LEFT_LUNG) | (labels == DrawnLabel.RIGHT_LUNG)


def _smoothed(inputs: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(inputs, (_NOISE_PIXELS, _NOISE_PIXELS, 0), truncate=2.5)
