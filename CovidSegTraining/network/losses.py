"""The training loss: cross-entropy, soft Dice, and a Tversky term of infection, slice by slice.

The first two are of the whole batch; the Tversky term is the mean over its slices, so that a small lesion counts as
much as a large one and a slice without infection has a say of its own.

Labels are those of :class:`CovidSegTraining.data.dataset.DrawnLabel`; classes those of the architecture: neither, lung,
infection. Pixels marked UNKNOWN count nothing; where lungs were not drawn, only infection is known to be absent.
"""

from __future__ import annotations

import tensorflow as tf

from ..data.dataset import DISPUTED, DrawnLabel

FALSE_WEIGHT = 0.5
MISSED_WEIGHT = 0.5
"""Tversky weights (Salehi et al. 2017, arXiv:1706.05721). With 0.3 and 0.7 most scans were drawn 10 to 40 % too large;
equal weights gain 0.01 to 0.02 of Dice on those."""

SPECK_PIXELS = 20.0
"""Added above and below in the Tversky term, which is taken slice by slice: a slice without infection costs nothing
when nothing is found on it, and half when as much is found as two specks of this size."""

BORDER_PIXELS = 2
"""How far two readers' outlines of a lesion mostly lie apart, on the network's grid."""

_SMALL = 1e-6


def class_targets(labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Integer labels (n, h, w) → targets (n, h, w, 3), fully known (n, h, w), only not infected (n, h, w).

    Targets are one-hot; where two readers disagree about infection, half lung and half infection.
    """
    lung = (labels == DrawnLabel.LEFT_LUNG) | (labels == DrawnLabel.RIGHT_LUNG)
    planes = [labels == DrawnLabel.NEITHER, lung, labels == DrawnLabel.INFECTION]
    targets = tf.stack([tf.cast(plane, tf.float32) for plane in planes], axis=-1)
    targets += tf.cast(labels == DISPUTED, tf.float32)[..., None] * tf.constant([0, 0.5, 0.5])
    return targets, tf.reduce_sum(targets, axis=-1), tf.cast(labels == DrawnLabel.LUNG_NOT_DRAWN, tf.float32)


def border_of_infection(infected: tf.Tensor) -> tf.Tensor:
    """1 within :data:`BORDER_PIXELS` of the border of infection, on either side, else 0; both float32 (n, h, w)."""
    share, size = infected[..., None], 2 * BORDER_PIXELS + 1
    for window in ((size, 1), (1, size)):  # a quarter of the time of one window, or of dilating
        share = tf.nn.avg_pool2d(share, window, 1, "SAME")
    return tf.cast((share > _SMALL) & (share < 1 - _SMALL), tf.float32)[..., 0]


def segmentation_loss(labels: tf.Tensor, probabilities: tf.Tensor, border_weight: float = 1.0) -> tf.Tensor:
    """Loss of one batch: ``labels`` integer (n, h, w), ``probabilities`` float32 (n, h, w, 3) → scalar.

    ``border_weight``: how many times cross-entropy counts at the border of infection.
    """
    targets, known, free = class_targets(labels)
    clipped = tf.clip_by_value(probabilities, _SMALL, 1 - _SMALL)
    entropy = -tf.reduce_sum(targets * tf.math.log(clipped), axis=-1) - free * tf.math.log(1 - clipped[..., 2])
    if border_weight != 1:
        entropy *= 1 + (border_weight - 1) * border_of_infection(targets[..., 2])
    entropy = tf.reduce_sum(entropy) / tf.maximum(tf.reduce_sum(known + free), 1.0)

    seen = probabilities * known[..., None]
    overlap = tf.reduce_sum(seen * targets, axis=(0, 1, 2))
    size = tf.reduce_sum(seen + targets, axis=(0, 1, 2))
    dice = 1 - tf.reduce_mean((2 * overlap + 1) / (size + 1))

    infection, infected = probabilities[..., 2] * (known + free), targets[..., 2]
    hit = tf.reduce_sum(infection * infected, axis=(1, 2))
    false = tf.reduce_sum(infection * (1 - infected), axis=(1, 2))
    missed = tf.reduce_sum((1 - infection) * infected, axis=(1, 2))
    found = (hit + SPECK_PIXELS) / (hit + FALSE_WEIGHT * false + MISSED_WEIGHT * missed + SPECK_PIXELS)
    tversky = 1 - tf.reduce_mean(found)
    return entropy + dice + tversky
