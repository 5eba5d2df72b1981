"""A training step: the loss at borders and between readers, fused batch normalization, batches of several sizes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from CovidSegLib.progress import Progress
from CovidSegTraining.data.dataset import DISPUTED, DrawnLabel
from Testing.kit.late import late, needs_tensorflow
from Testing.kit.training_data import write_case

needs_tensorflow()

tf, keras = late("tensorflow"), late("keras")
fused_norm, losses = late("CovidSegTraining.network.fused_norm"), late("CovidSegTraining.network.losses")
small = late("Testing.kit.small_network")

SMALL = {"atol": 1e-5, "rtol": 1e-5}


def test_fused_normalization_is_kerass_in_results_gradients_and_moving_averages():
    random = np.random.default_rng(0)
    inputs = tf.constant(random.normal(2, 3, (4, 10, 12, 7)).astype(np.float32))
    weights = [random.normal(1, 0.2, 7).astype(np.float32) for _ in range(3)] + [np.full(7, 2.0, np.float32)]
    found = []
    for kind in (keras.layers.BatchNormalization, fused_norm.BatchNormalization):
        layer = kind(momentum=0.9)
        layer.build(inputs.shape)
        layer.set_weights(weights)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            total = tf.reduce_mean(tf.sin(outputs) * tf.range(7, dtype=tf.float32))
        gradients = tape.gradient(total, [inputs, layer.gamma.value, layer.beta.value])
        found.append([outputs, *gradients, *layer.get_weights(), layer(inputs, training=False)])
        layer.trainable = False
        found[-1] += [layer(inputs, training=True), *layer.get_weights()]
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, **SMALL)


def test_a_fused_network_has_the_same_weights_and_the_same_file(tmp_path):
    network = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization(momentum=0.9)])
    network.build((None, 8, 8, 3))
    fused = fused_norm.fuse(network)
    assert isinstance(fused.layers[1], fused_norm.BatchNormalization)
    assert fused.layers[1].momentum == 0.9
    fused.set_weights([weight + 1 for weight in network.get_weights()])
    fused.save_weights(tmp_path / "fused.weights.h5")
    network.load_weights(tmp_path / "fused.weights.h5")
    for ours, theirs in zip(fused.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_border_of_infection_is_two_pixels_wide_on_either_side():
    infected = np.zeros((1, 20, 20), np.float32)
    infected[0, 5:15, 10:] = 1
    border = losses.border_of_infection(tf.constant(infected)).numpy()[0]
    assert border[10].tolist() == [0] * 8 + [1] * 4 + [0] * 8
    assert border[:, 17].tolist() == [0] * 3 + [1] * 4 + [0] * 6 + [1] * 4 + [0] * 3
    assert not losses.border_of_infection(tf.zeros((1, 9, 9))).numpy().any()


def _loss(labels: np.ndarray, infection: np.ndarray | float, border_weight: float = 1.0) -> float:
    chances = np.zeros((*labels.shape, 3), np.float32)
    chances[..., 2] = infection
    chances[..., 1] = 1 - chances[..., 2]
    return float(losses.segmentation_loss(tf.constant(labels.astype(np.int32)), tf.constant(chances), border_weight))


def test_a_fault_at_the_border_costs_more_where_it_counts_more_and_one_far_away_does_not():
    labels = np.full((1, 32, 32), DrawnLabel.LEFT_LUNG, np.uint8)
    labels[0, :, 16:] = DrawnLabel.INFECTION
    true = (labels == DrawnLabel.INFECTION).astype(np.float32)
    for column, dearer in ((15, True), (2, False)):
        wrong = true.copy()
        wrong[0, :, column] = 1
        added = _loss(labels, wrong, 5.0) - _loss(labels, wrong)
        assert (added > 0.5) == dearer


def test_where_readers_disagree_half_infection_costs_least_and_either_side_the_same():
    labels = np.full((1, 32, 32), DrawnLabel.LEFT_LUNG, np.uint8)
    labels[0, :8], labels[0, 8:16] = DrawnLabel.INFECTION, DISPUTED
    true = (labels == DrawnLabel.INFECTION).astype(np.float32)
    costs = []
    for share in (0.1, 0.5, 0.9):
        answer = true.copy()
        answer[labels == DISPUTED] = share
        costs.append(_loss(labels, answer))
    assert costs[1] == min(costs)
    assert costs[0] == pytest.approx(costs[2], abs=0.1)


def test_batches_of_two_sizes_train_one_network(tmp_path, monkeypatch):
    from CovidSegTraining.fit import training
    from CovidSegTraining.fit.config import TrainingConfig

    def noted(shape, encoder):
        made.append(shape)
        return small.small_network(shape, encoder)

    made: list[tuple] = []
    monkeypatch.setattr(training, "build_network", noted)
    cases = [write_case(tmp_path, "one", slices=2)]
    config = TrainingConfig(steps=6, batch=1, test_fold=0, other_shapes=((96, 128),), seed=1)
    weights = training.fit(cases, config, None, tmp_path / "run", Progress(), cache=tmp_path / "cache")
    small.small_network((64, 64), None).load_weights(weights)
    assert made[0] == (None, None)


@pytest.mark.slow
def test_two_devices_learn_as_one():
    """Two virtual processors stand for two GPUs: after a step both hold the same weights."""
    program = """
import numpy as np, tensorflow as tf
processor, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from CovidSegTraining.network.architecture import build_network
from CovidSegTraining.fit.config import TrainingConfig
from CovidSegTraining.fit.trainer import Trainer, choose_strategy
strategy = choose_strategy(["CPU:0", "CPU:1"])
with strategy.scope():
    trainer = Trainer(build_network((64, 64), None), TrainingConfig(steps=6, warm_up_steps=1, keep=0.5), strategy)
inputs = np.random.default_rng(0).normal(size=(4, 64, 64, 3)).astype("f4")
data = tf.data.Dataset.from_tensors((inputs, (inputs[..., 1] > 0).astype("i4"))).unbatch().batch(4).repeat(6)
losses = [float(trainer.train(*batch)) for batch in strategy.experimental_distribute_dataset(data)]
one, other = (copy.numpy() for copy in trainer.network.weights[0].value.values)
assert np.array_equal(one, other)
assert losses[-1] < losses[0], losses
learned = trainer.network.get_weights()
with trainer.result():
    one, other = (copy.numpy() for copy in trainer.network.weights[0].value.values)
    assert np.array_equal(one, other) and not np.array_equal(one, learned[0])
assert all(map(np.array_equal, learned, trainer.network.get_weights()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
