"""The training loop: resumable, seeded, on all GPUs that TensorFlow sees, else on the CPU."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from CovidSegLib.errors import InputError, OutputError
from CovidSegLib.network.input_form import INPUT_SHAPE
from CovidSegLib.progress import Progress
from CovidSegLib.system.atomic_files import OWN_FILE, replace_file

from ..data.cases import Case
from ..data.streams import Sampling, TrainingStream
from ..network.architecture import build_network
from ..network.fused_norm import fuse
from .config import TrainingConfig
from .run_folder import BEST_WEIGHTS, WEIGHTS, TrainingLog, write_environment
from .start import start_from
from .trainer import Trainer, choose_strategy, gpus, set_precision
from .validation import Watch

LOG = logging.getLogger(__name__)
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
    start: str | Path | None = None,
    cache: Path | None = None,
    watched: list[Case] | None = None,
) -> Path:
    """Train on ``cases`` and return the file of the resulting weights, ``run/network.weights.h5``.

    ``start``: an installed model or a weights file to go on from (fine-tuning), see :mod:`CovidSegTraining.fit.start`.
    ``cache``: folder for framed slices, else None (see :class:`CovidSegTraining.data.streams.TrainingStream`).
    ``watched``: cases to look at while training, where the configuration has a ``validation_fold``.
    State goes to ``run/state`` every ``checkpoint_steps``; called again with the same folder and configuration,
    training goes on where it stopped. Raises InputError when the folder holds a run with other settings, no watched
    case shows infection, or nothing is started from that the configuration wants to ``keep``.
    """
    config.check_keep(start)
    run.mkdir(parents=True, exist_ok=True)
    config.check_run(run)
    if config.input_shape != INPUT_SHAPE:
        raise InputError(f"Slices are framed as {INPUT_SHAPE}, not {config.input_shape}.", "Leave input_shape out.")
    config.save(run)
    watch = Watch(watched, cache) if watched else None
    if gpus() and config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)
    write_environment(run, gpus() or ["CPU"], set_precision(config))
    strategy = choose_strategy()
    if config.batch % strategy.num_replicas_in_sync:
        raise InputError(
            f"A batch of {config.batch} cannot be shared by {strategy.num_replicas_in_sync} GPUs.", "Change the batch."
        )
    with strategy.scope():
        trainer = Trainer(_network(config, encoder, start), config, strategy)
    manager = tf.train.CheckpointManager(trainer.checkpoint, str(run / "state"), max_to_keep=2)
    if manager.restore_or_initialize():
        LOG.info("resumed at step %d", int(trainer.step))
    sampling = Sampling(config.shapes, config.batch, config.picture_weight)
    stream = TrainingStream(cases, config.augmentation, config.seed, progress, cache=cache, sampling=sampling)
    LOG.info("%d cases, %d slices, %d parameters", len(cases), len(stream), trainer.network.count_params())
    LOG.info("training to step %d; the first step also builds the graph, which may take minutes", config.steps)
    _Loop(trainer, config, run, manager, progress, watch).go(strategy.experimental_distribute_dataset, stream)
    return _finish(trainer, run, watched=watch is not None)


def _network(config: TrainingConfig, encoder: str | Path | None, start: str | Path | None) -> keras.Model:
    network = build_network((None, None) if config.other_shapes else config.input_shape, encoder)
    if encoder is not None or start is not None:
        _freeze(network, config.trained_from)
    if start is not None:
        start_from(network, start)
    return fuse(network) if config.fused_normalization and not gpus() else network


def _finish(trainer: Trainer, run: Path, *, watched: bool) -> Path:
    best = run / BEST_WEIGHTS
    if watched and best.is_file():
        trainer.network.load_weights(best)
        replace_file(run / WEIGHTS, trainer.network.save_weights, OWN_FILE)
    else:
        with trainer.result():
            replace_file(run / WEIGHTS, trainer.network.save_weights, OWN_FILE)
    return run / WEIGHTS


def _freeze(network: keras.Model, trained_from: str) -> None:
    """Let the encoder's layers before ``trained_from`` keep what they know; "" lets all learn."""
    if not trained_from:
        return
    encoder_order = [layer.name for layer in keras.applications.MobileNetV2(weights=None, include_top=False).layers]
    if trained_from not in {layer.name for layer in network.layers}.intersection(encoder_order):
        raise InputError(f"The network's encoder has no layer named {trained_from}.", "Correct trained_from.")
    for name in encoder_order[1 : encoder_order.index(trained_from)]:
        network.get_layer(name).trainable = False


class _Loop:
    """The steps of one call of :func:`fit`, from where the trainer stands."""

    def __init__(
        self,
        trainer: Trainer,
        config: TrainingConfig,
        run: Path,
        manager: tf.train.CheckpointManager,
        progress: Progress,
        watch: Watch | None,
    ) -> None:
        self._trainer, self._config, self._run = trainer, config, run
        self._manager, self._progress, self._watch = manager, progress, watch
        self._log = TrainingLog(run, int(trainer.step))

    def go(self, distribute, stream: TrainingStream) -> None:
        """Train to the last step, or until nothing gets better; ``distribute`` gives each device its part."""
        config, done = self._config, int(self._trainer.step)
        batches = iter(distribute(_batches(stream, config, done * config.batch)))
        losses: list[float] = []
        waited, started = 0.0, time.monotonic()
        for number in range(done + 1, config.steps + 1):
            if self._has_stopped():
                break
            asked = time.monotonic()
            inputs, labels = next(batches)
            waited += time.monotonic() - asked
            losses.append(float(self._trainer.train(inputs, labels)))
            if not np.isfinite(losses[-1]):
                raise InputError(
                    f"The training came apart: its loss is no number any more at step {number}.",
                    "Begin again in another --run folder, with a smaller --learning-rate.",
                )
            last = number == config.steps
            look = self._watch is not None and (number % config.validation_steps == 0 or last)
            if number % LOG_STEPS == 0 or look or last:
                seconds = time.monotonic() - started
                self._tell(number, losses[-LOG_STEPS:], seconds / (number - done), 100 * waited / seconds, look=look)
            if number % config.checkpoint_steps == 0 or last:
                self._save_state()
            self._progress.step("training", number, config.steps)

    def _save_state(self) -> None:
        try:
            self._manager.save()
        except tf.errors.OpError as error:
            raise OutputError("The state of the training cannot be written.", "Make room, and call again.") from error

    def _tell(self, number: int, losses: list[float], pace: float, waiting: float, *, look: bool) -> None:
        loss = float(np.mean(losses))
        values = {
            "step": number,
            "loss": round(loss, 5),
            "learning_rate": float(f"{float(self._trainer.schedule(number)):.4g}"),
            "seconds_per_step": round(pace, 3),
            "waiting_percent": round(waiting, 2),
        }
        text = f"step {number} loss {loss:.4f} {pace:.2f} s/step, waited {waiting:.1f} % of the time for data"
        if look and self._watch is not None:
            with self._trainer.result():
                infection, lung = self._watch.look(self._trainer.network, self._config.batch)
                if infection > max((row.get("validation_infection", -1.0) for row in self._log.rows), default=-1.0):
                    replace_file(self._run / BEST_WEIGHTS, self._trainer.network.save_weights, OWN_FILE)
            values |= {"validation_infection": round(infection, 5), "validation_lung": round(lung, 5)}
            text += f"; watched cases: infection {infection:.3f} lung {lung:.3f}"
        LOG.info("%s", text)
        self._log.add(**values)

    def _has_stopped(self) -> bool:
        """Whether the last ``patience`` looks were all no better than the best before them."""
        looks = [row["validation_infection"] for row in self._log.rows if "validation_infection" in row]
        patience = self._config.patience
        if not patience or len(looks) <= patience or max(looks[:-patience]) < max(looks[-patience:]):
            return False
        LOG.info("stopped early: no better for %d looks", patience)
        return True


def _batches(stream: TrainingStream, config: TrainingConfig, first: int) -> tf.data.Dataset:
    """Batches of samples number ``first``, ``first + 1``, …, made in threads of their own while the network learns."""
    rows, columns = (None, None) if config.other_shapes else config.input_shape

    def sample(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        inputs, labels = tf.numpy_function(stream.sample, [number], (tf.float32, tf.uint8), stateful=False)
        labels = tf.cast(tf.ensure_shape(labels, (rows, columns)), tf.int32)
        return tf.ensure_shape(inputs, (rows, columns, 3)), labels

    threads = min(MOST_THREADS, max(1, (os.cpu_count() or 1) - 1))
    numbers = tf.data.Dataset.range(first, np.iinfo(np.int64).max)
    samples = numbers.map(sample, num_parallel_calls=threads, deterministic=True)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return samples.batch(config.batch, drop_remainder=True).prefetch(PREFETCH).with_options(options)
