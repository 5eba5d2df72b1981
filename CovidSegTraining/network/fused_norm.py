"""Batch normalization for training on a CPU, in one operation of TensorFlow instead of Keras's dozen.

Keras 3 puts it together from single operations there, which takes four times as long and a third of a training step.
Weights, moving averages and results are the same to within rounding; only training uses it, nothing exported holds it.
"""

from __future__ import annotations

import keras
import tensorflow as tf


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's, over the last axis of (n, h, w, channels), without a mask; named alike so that weight files agree."""

    def call(self, inputs, training=None, mask=None):
        """As Keras's: means of the batch while it trains, moving averages else."""
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        count = tf.cast(tf.size(inputs) / tf.shape(inputs)[-1], variance.dtype)
        # TensorFlow gives the variance of the population that a batch was drawn from, Keras keeps the batch's own.
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance * (count - 1) / count)):
            average.assign(average * self.momentum + tf.stop_gradient(value) * (1.0 - self.momentum))
        return outputs


def fuse(network: keras.Model) -> keras.Model:
    """A copy of ``network``, with its weights, whose batch normalization is this file's."""

    def layer_of(layer: keras.Layer) -> keras.Layer:
        kind = BatchNormalization if type(layer) is keras.layers.BatchNormalization else type(layer)
        return kind.from_config(layer.get_config())

    fused = keras.models.clone_model(network, clone_function=layer_of)
    fused.set_weights(network.get_weights())
    return fused
