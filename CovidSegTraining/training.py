"""The training loop: resumable, on a GPU if TensorFlow has one, else on the CPU."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress

from .architecture import build_network
from .config import TrainingConfig
from .dataset import Case
from .losses import segmentation_loss
from .streams import TrainingStream

LOG = logging.getLogger(__name__)
WEIGHTS_NAME = "network.weights.h5"
CHECKPOINT_STEPS = 100
LOG_STEPS = 25
PREFETCH = 4
"""Batches that lie ready."""

MOST_THREADS = 8
"""Threads that make samples, at most; one processor is left to the network."""


def fit(
    cases: list[Case],
    config: TrainingConfig,
    encoder: str | Path | None,
    run: Path,
    progress: Progress,
    *,
    start: Path | None = None,
    cache: Path | None = None,
) -> Path:
    """Train on ``cases`` and return the file of the averaged weights, ``run/network.weights.h5``.

    ``start``: weights of an earlier run of the same network to go on from (fine-tuning), else None.
    ``cache``: folder for framed slices, else None (see :class:`CovidSegTraining.streams.TrainingStream`).
    State goes to ``run/state`` every 100 steps; called again with the same folder and configuration, training goes
    on where it stopped. Raises InputError when the folder holds a run with other settings.
    """
    run.mkdir(parents=True, exist_ok=True)
    kept = run / "config.json"
    if kept.is_file() and kept.read_text(encoding="utf-8") != config.to_json():
        raise InputError("The run folder holds a training with other settings.", "Choose another --run folder.")
    config.save(run)
    keras.utils.set_random_seed(config.seed)
    network = _network(config, encoder)
    if start is not None:
        network.load_weights(start)
    trainer = _Trainer(network, config)
    manager = tf.train.CheckpointManager(trainer.checkpoint, str(run / "state"), max_to_keep=2)
    if manager.restore_or_initialize():
        LOG.info("resumed at step %d", int(trainer.step))
    stream = TrainingStream(cases, config.augmentation, config.seed, progress, cache=cache)
    LOG.info("%d cases, %d slices, %d parameters", len(cases), len(stream), network.count_params())
    _run_steps(trainer, stream, config, manager, progress)
    trainer.use_averages()
    target = run / WEIGHTS_NAME
    temporary = run / f"part.{WEIGHTS_NAME}"
    network.save_weights(temporary)
    temporary.replace(target)
    return target


def _network(config: TrainingConfig, encoder: str | Path | None) -> keras.Model:
    network = build_network(config.input_shape, encoder)
    if encoder is not None and config.trained_from:
        names = [layer.name for layer in network.layers]
        if config.trained_from not in names:
            raise InputError(f"The network has no layer named {config.trained_from}.", "Correct trained_from.")
        encoder_order = [layer.name for layer in keras.applications.MobileNetV2(weights=None, include_top=False).layers]
        for name in encoder_order[1 : encoder_order.index(config.trained_from)]:
            network.get_layer(name).trainable = False
    return network


class _Trainer:
    """Network, optimizer and the running mean of the weights, as one thing that can be kept and restored."""

    def __init__(self, network: keras.Model, config: TrainingConfig) -> None:
        self.network = network
        schedule = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=config.learning_rate / 100,
            decay_steps=max(1, config.steps - config.warm_up_steps),
            alpha=config.final_learning_rate / config.learning_rate,
            warmup_target=config.learning_rate,
            warmup_steps=config.warm_up_steps,
        )
        self.optimizer = keras.optimizers.AdamW(
            schedule, weight_decay=config.weight_decay, global_clipnorm=config.gradient_norm
        )
        self.optimizer.build(network.trainable_variables)
        self._variables = [weight.value for weight in network.weights]
        self._averages = [tf.Variable(value, trainable=False) for value in self._variables]
        self._decay = config.average
        self.step = tf.Variable(0, dtype=tf.int64)
        self.checkpoint = tf.train.Checkpoint(
            network=network, optimizer=self.optimizer, averages=self._averages, step=self.step
        )

    @tf.function(reduce_retracing=True)
    def train(self, inputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """One step; returns the loss."""
        with tf.GradientTape() as tape:
            loss = segmentation_loss(labels, self.network(inputs, training=True))
        variables = self.network.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        self.step.assign_add(1)
        # The mean starts short, so that the random start is forgotten.
        done = tf.cast(self.step, tf.float32)
        decay = tf.minimum(self._decay, done / (done + 10.0))
        for average, value in zip(self._averages, self._variables, strict=True):
            average.assign(decay * average + (1 - decay) * value)
        return loss

    def use_averages(self) -> None:
        """Put the running means into the network."""
        for value, average in zip(self._variables, self._averages, strict=True):
            value.assign(average)


def _run_steps(
    trainer: _Trainer,
    stream: TrainingStream,
    config: TrainingConfig,
    manager: tf.train.CheckpointManager,
    progress: Progress,
) -> None:
    done = int(trainer.step)
    losses: list[float] = []
    waited, started = 0.0, time.monotonic()
    batches = iter(_batches(stream, config, done * config.batch))
    for number in range(done + 1, config.steps + 1):
        asked = time.monotonic()
        inputs, labels = next(batches)
        waited += time.monotonic() - asked
        losses.append(float(trainer.train(inputs, tf.cast(labels, tf.int32))))
        if not np.isfinite(losses[-1]):
            raise FloatingPointError(f"the loss is not finite at step {number}")
        if number % LOG_STEPS == 0:
            seconds = time.monotonic() - started
            LOG.info(
                "step %d loss %.4f %.2f s/step, %.1f %% of the time waiting for data",
                number, float(np.mean(losses[-LOG_STEPS:])), seconds / (number - done), 100 * waited / seconds,
            )  # fmt: skip
        if number % CHECKPOINT_STEPS == 0 or number == config.steps:
            manager.save()
        progress.step("training", number, config.steps)


def _batches(stream: TrainingStream, config: TrainingConfig, first: int) -> tf.data.Dataset:
    """Batches of samples number ``first``, ``first + 1``, …, made in threads of their own while the network learns."""
    rows, columns = config.input_shape

    def sample(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        inputs, labels = tf.numpy_function(stream.sample, [number], (tf.float32, tf.uint8))
        return tf.ensure_shape(inputs, (rows, columns, 3)), tf.ensure_shape(labels, (rows, columns))

    threads = min(MOST_THREADS, max(1, (os.cpu_count() or 1) - 1))
    numbers = tf.data.Dataset.range(first, np.iinfo(np.int64).max)
    samples = numbers.map(sample, num_parallel_calls=threads, deterministic=True)
    return samples.batch(config.batch).prefetch(PREFETCH)
