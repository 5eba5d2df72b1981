"""One training step, on a CPU, a GPU or several, and all of its state as one thing that can be kept and restored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from ..network.losses import segmentation_loss
from .config import TrainingConfig


def gpus() -> list[str]:
    """Names of the GPUs that TensorFlow sees ("GPU:0", …)."""
    return [device.name.removeprefix("/physical_device:") for device in tf.config.list_physical_devices("GPU")]


def choose_strategy(devices: list[str] | None = None) -> tf.distribute.Strategy:
    """One device: as it is; several GPUs (or ``devices``): the same network on each, kept equal after every step."""
    devices = gpus() if devices is None else devices
    return tf.distribute.MirroredStrategy(devices) if len(devices) > 1 else tf.distribute.get_strategy()


def set_precision(config: TrainingConfig) -> str:
    """Set and return Keras's policy: half precision with float32 weights on a GPU, unless the configuration says else.

    Call it before the network is built.
    """
    name = config.precision
    if name == "auto":
        name = "mixed_float16" if gpus() else "float32"
    keras.mixed_precision.set_global_policy(name)
    return name


def learning_rate(config: TrainingConfig) -> keras.optimizers.schedules.LearningRateSchedule:
    """Rises to its peak, then falls to the final rate; to no more than the peak, where that is smaller."""
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=config.learning_rate / 100,
        decay_steps=max(1, config.steps - config.warm_up_steps),
        alpha=min(1.0, config.final_learning_rate / config.learning_rate),
        warmup_target=config.learning_rate,
        warmup_steps=config.warm_up_steps,
    )


class Trainer:
    """Network, optimizer and the running mean of the weights. Make it inside the strategy's scope.

    ``network``: with the weights that the training starts from, also where it goes on from a state of its own.
    """

    def __init__(self, network: keras.Model, config: TrainingConfig, strategy: tf.distribute.Strategy) -> None:
        self.network = network
        self._strategy = strategy
        self.schedule = learning_rate(config)
        optimizer = keras.optimizers.AdamW(
            self.schedule, weight_decay=config.weight_decay, global_clipnorm=config.gradient_norm
        )
        if keras.mixed_precision.global_policy().compute_dtype == "float16":
            # Small gradients would vanish in half precision.
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        self.optimizer = optimizer
        self.optimizer.build(network.trainable_variables)
        self._variables = [weight.value for weight in network.weights]
        self._averages = [tf.Variable(value, trainable=False) for value in self._variables]
        self._decay, self._border_weight = config.average, config.border_weight
        self._start, self._keep = network.get_weights(), config.keep
        self.step = tf.Variable(0, dtype=tf.int64)
        self.checkpoint = tf.train.Checkpoint(
            network=network, optimizer=self.optimizer, averages=self._averages, step=self.step
        )

    @tf.function  # of sizes that are not known Keras's up-sampling could not be compiled: each is traced
    def train(self, inputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """One step on inputs float32 (n, h, w, 3) and labels int (n, h, w), or one part each per device; the loss."""
        losses = self._strategy.run(self._learn, (inputs, labels))
        loss = self._strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)
        self.step.assign_add(1)
        # The mean starts short, so that the random start is forgotten.
        done = tf.cast(self.step, tf.float32)
        decay = tf.minimum(self._decay, done / (done + 10.0))
        for average, value in zip(self._averages, self._variables, strict=True):
            # So written, the mean of a weight that is frozen is that weight, to the last bit.
            average.assign_sub((1 - decay) * (average - value))
        return loss

    def _learn(self, inputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = segmentation_loss(labels, self.network(inputs, training=True), self._border_weight)
            # Keras adds the gradients of all devices up.
            loss /= self._strategy.num_replicas_in_sync
            scaled = self.optimizer.scale_loss(loss)
        variables = self.network.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(scaled, variables), variables, strict=True))
        return loss

    @contextmanager
    def result(self) -> Iterator[None]:
        """While entered, the network has the resulting weights: running means, and the share ``keep`` of the start."""
        learned = [tf.identity(value) for value in self._variables]
        for value, average, start in zip(self._variables, self._averages, self._start, strict=True):
            value.assign(average + self._keep * (start - average))
        try:
            yield
        finally:
            for value, kept in zip(self._variables, learned, strict=True):
                value.assign(kept)
