"""The training package: streaming, sampling, augmentation, loss, and a training that can be cut off."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.network.input_form import INPUT_SHAPE, NetworkInputs
from CovidSegLib.progress import Cancelled, Progress
from CovidSegTraining.data.augmentation import Augmentation
from CovidSegTraining.data.dataset import DrawnLabel, FramedCase, find_cases
from CovidSegTraining.data.streams import TrainingStream, slice_weights
from CovidSegTraining.fit.config import TrainingConfig
from CovidSegTraining.fit.run_folder import BEST_WEIGHTS
from CovidSegTraining.ship.card import Facts, InputSizes
from Testing.kit.late import late, needs_tensorflow
from Testing.kit.training_data import write_case

needs_tensorflow()

tf, losses, small = late("tensorflow"), late("CovidSegTraining.network.losses"), late("Testing.kit.small_network")


def test_cases_are_found_with_their_folds(shared_data):
    cases = find_cases(shared_data / "scans")
    assert len(cases) == 16
    held_out = [case.name for case in cases if case.fold == 1]
    assert held_out == ["coronacases_001", "coronacases_006", "radiopaedia_29_86490_1", "radiopaedia_29_86491_1"]


def test_an_empty_data_set_and_a_missing_case_are_named(shared_data, tmp_path):
    with pytest.raises(InputError, match="no images"):
        find_cases(tmp_path)
    with pytest.raises(InputError, match="case named nobody"):
        find_cases(shared_data / "scans", ("nobody",))


def test_memory_does_not_grow_with_the_number_of_scans(shared_data):
    cases = [case for case in find_cases(shared_data / "scans") if case.name.startswith("radiopaedia")]
    peaks, most = [], 3
    for count in (1, most):
        tracemalloc.start()
        stream = TrainingStream(cases[:count], Augmentation(), 0, Progress())
        samples = stream.samples()
        for _ in range(8):
            next(samples)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    one_volume = 384 * 384 * 45  # bytes, as stored
    assert peaks[1] - peaks[0] < (most - 1) * 0.2 * one_volume


def test_infected_slices_and_short_scans_do_not_drown():
    weights = slice_weights(np.array([True, False, False, False]))
    assert weights[0] / weights[1] == pytest.approx(1 / 0.4)
    assert slice_weights(np.ones(100, bool)).sum() == pytest.approx(10)


def test_a_resumed_stream_goes_on_where_it_stopped(shared_data):
    cases = find_cases(shared_data / "scans", ("radiopaedia_36_86526_0",))
    stream = TrainingStream(cases, Augmentation(), 3, Progress())
    samples = stream.samples()
    started = [next(samples) for _ in range(4)]
    again = next(stream.samples(first=3))
    np.testing.assert_array_equal(again[0], started[3][0])
    np.testing.assert_array_equal(again[1], started[3][1])


STILL = Augmentation(
    warp_chance=0, left_right_chance=0, up_down_chance=0, blur_chance=0, sharpen_chance=0, contrast=(1, 1), offset_hu=0,
    noise_chance=0, single_slice_chance=0, thick_slice_chance=0, fade_chance=0, cut_chance=0, gravity_hu=0,
)  # fmt: skip
"""Changes nothing: each test lets one change alone happen."""


def test_augmentation_without_strength_changes_nothing(shared_data):
    framed = FramedCase(find_cases(shared_data / "scans", ("radiopaedia_36_86526_0",))[0])
    inputs, labels = framed.slice(20)
    same, same_labels = STILL(inputs, labels, np.random.default_rng(0))
    np.testing.assert_allclose(same, inputs, atol=1e-6)
    np.testing.assert_array_equal(same_labels, labels)


@pytest.mark.parametrize(("turned", "axis"), [("left_right_chance", 1), ("up_down_chance", 0)])
def test_a_slice_is_mirrored_together_with_its_labels(turned, axis):
    labels = np.random.default_rng(0).integers(0, 3, INPUT_SHAPE).astype(np.uint8)
    inputs = (labels / 4 - 0.5).astype(np.float32)[..., None].repeat(3, axis=-1)  # every value tells its label
    mirrored, mirrored_labels = dataclasses.replace(STILL, **{turned: 1.0})(inputs, labels, np.random.default_rng(0))
    np.testing.assert_array_equal(mirrored_labels, np.flip(labels, axis))
    np.testing.assert_allclose(mirrored, np.flip(inputs, axis), atol=1e-6)


def test_faded_infection_is_paler_and_all_else_stays():
    labels = np.full(INPUT_SHAPE, DrawnLabel.LEFT_LUNG, np.uint8)
    labels[60:120, 60:120] = DrawnLabel.INFECTION
    inputs = np.where(labels == DrawnLabel.INFECTION, 0.2, -0.6).astype(np.float32)[..., None].repeat(3, axis=-1)
    only_fade = dataclasses.replace(STILL, fade_chance=1, fade=(0.5, 0.5))
    faded, same_labels = only_fade(inputs, labels, np.random.default_rng(0))
    np.testing.assert_array_equal(same_labels, labels)
    np.testing.assert_allclose(faded[70:110, 70:110], -0.2, atol=1e-3)
    np.testing.assert_allclose(faded[:40], -0.6, atol=1e-6)


def test_an_image_that_ends_at_the_lungs_keeps_them_and_shows_tissue_outside():
    labels = np.zeros(INPUT_SHAPE, np.uint8)
    labels[60:150, 40:120], labels[60:150, 160:240], labels[80:100, 60:80] = (
        DrawnLabel.RIGHT_LUNG,
        DrawnLabel.LEFT_LUNG,
        3,
    )
    inputs = np.where(labels > 0, -0.6, -1).astype(np.float32)[..., None].repeat(3, axis=-1)
    cut, cut_labels = dataclasses.replace(STILL, cut_chance=1)(inputs, labels, np.random.default_rng(0))
    lung = labels > 0
    np.testing.assert_array_equal(cut_labels[lung], labels[lung])
    np.testing.assert_array_equal(cut[lung], inputs[lung])
    corners = np.ix_([0, -1], [0, -1])
    assert (cut_labels[corners] == DrawnLabel.LUNG_NOT_DRAWN).all()
    assert (cut[corners] > 0.6).all()
    no_lung = np.zeros_like(labels)
    np.testing.assert_array_equal(
        dataclasses.replace(STILL, cut_chance=1)(inputs, no_lung, np.random.default_rng(0))[1], no_lung
    )


def test_gravity_makes_the_back_denser_than_the_front_and_moves_no_label():
    labels = np.full(INPUT_SHAPE, DrawnLabel.LEFT_LUNG, np.uint8)
    inputs = np.full((*INPUT_SHAPE, 3), -0.5, np.float32)
    only_gravity = dataclasses.replace(STILL, gravity_hu=60)
    random = np.random.default_rng(0)
    slopes = np.array([np.ptp(only_gravity(inputs, labels, random)[0][:, 0, 1]) for _ in range(50)])
    assert slopes.max() <= 60 * 2 / 1500 + 1e-6
    assert slopes.max() > 50 * 2 / 1500
    back_minus_front = [np.diff(only_gravity(inputs, labels, random)[0][[0, -1], 0, 1])[0] for _ in range(50)]
    assert np.mean(np.array(back_minus_front) > 0) > 0.6


def test_a_warp_moves_labels_with_the_picture_and_marks_the_outside_as_not_drawn():
    inputs = np.full((*INPUT_SHAPE, 3), -0.5, np.float32)
    labels = np.zeros(INPUT_SHAPE, np.uint8)
    inputs[80:140, 100:190], labels[80:140, 100:190] = 0.5, DrawnLabel.INFECTION
    only_warp = dataclasses.replace(STILL, warp_chance=1, scale=(0.74, 0.75))
    warped, warped_labels = only_warp(inputs, labels, np.random.default_rng(1))
    bright = warped[..., 1] > 0
    drawn = warped_labels == DrawnLabel.INFECTION
    assert np.count_nonzero(bright != drawn) < 0.1 * np.count_nonzero(drawn)
    assert (warped_labels == DrawnLabel.LUNG_NOT_DRAWN).any()


def test_a_thick_slice_is_the_mean_of_three_and_keeps_the_labels_of_the_middle_one():
    inputs = np.stack([np.full(INPUT_SHAPE, value, np.float32) for value in (-0.8, -0.5, 0.4)], axis=-1)
    labels = np.full(INPUT_SHAPE, DrawnLabel.LEFT_LUNG, np.uint8)
    thick, same_labels = dataclasses.replace(STILL, thick_slice_chance=1, thick_share=(0.5, 0.5))(
        inputs, labels, np.random.default_rng(0)
    )
    np.testing.assert_allclose(thick, (-0.8 * 0.5 - 0.5 + 0.4 * 0.5) / 2, atol=1e-6)
    assert thick.shape == inputs.shape
    np.testing.assert_array_equal(same_labels, labels)


def test_a_sharp_kernel_overshoots_at_edges_and_leaves_flat_parts_alone():
    inputs = np.full((*INPUT_SHAPE, 3), -0.6, np.float32)
    inputs[:, INPUT_SHAPE[1] // 2 :] = 0.0
    labels = np.zeros(INPUT_SHAPE, np.uint8)
    sharp, _ = dataclasses.replace(STILL, sharpen_chance=1)(inputs, labels, np.random.default_rng(0))
    assert sharp.max() > 0.01
    assert sharp.min() < -0.61
    np.testing.assert_allclose(sharp[:, :100], -0.6, atol=1e-6)


def probabilities(labels: np.ndarray) -> np.ndarray:
    """A perfect answer (n, h, w, 3) to training labels."""
    classes = np.select([labels == 3, (labels == 1) | (labels == 2)], [2, 1], 0)
    return np.eye(3, dtype=np.float32)[classes]


def loss(labels: np.ndarray, answer: np.ndarray) -> float:
    return float(losses.segmentation_loss(tf.constant(labels.astype(np.int32)), tf.constant(answer)))


def test_the_loss_knows_what_each_label_says():
    labels = np.zeros((1, 16, 16), np.int32)
    labels[0, 2:8, 2:14], labels[0, 4:6, 4:8] = 1, 3
    perfect = probabilities(labels)
    assert loss(labels, perfect) < 0.01
    missed, false = perfect.copy(), perfect.copy()
    missed[labels == 3] = (0, 1, 0)
    rows = (np.zeros(8, int), np.full(8, 3), np.arange(4, 12))
    false[rows] = (0, 0, 1)
    assert loss(labels, missed) > loss(labels, false) > loss(labels, perfect)

    unknown = labels.copy()
    unknown[0, 10:] = DrawnLabel.UNKNOWN
    wild = perfect.copy()
    wild[0, 10:] = (0, 0, 1)
    assert loss(unknown, wild) == pytest.approx(loss(unknown, perfect), abs=1e-4)

    not_drawn = labels.copy()
    not_drawn[0, 10:] = DrawnLabel.LUNG_NOT_DRAWN
    lung_there = perfect.copy()
    lung_there[0, 10:] = (0, 1, 0)
    assert loss(not_drawn, lung_there) == pytest.approx(loss(not_drawn, perfect), abs=1e-4)
    assert loss(not_drawn, wild) > loss(not_drawn, perfect) + 0.5


def test_false_infection_on_a_free_slice_costs_as_much_beside_a_large_lesion_as_beside_a_small_one():
    costs = []
    for size in (4, 40):
        labels = np.ones((2, 48, 48), np.int32)
        labels[0, :size, :size] = DrawnLabel.INFECTION
        perfect = probabilities(labels)
        false = perfect.copy()
        false[1, 10:20, 10:20] = (0, 0, 1)
        only_tversky = loss(labels, false) - loss(labels, perfect) - _entropy_and_dice(labels, false)
        costs.append(only_tversky + _entropy_and_dice(labels, perfect))
    assert costs[0] == pytest.approx(costs[1], abs=1e-3)
    assert costs[0] > 0.25


def _entropy_and_dice(labels: np.ndarray, answer: np.ndarray) -> float:
    """What the loss says of the whole batch, in numpy."""
    targets, answer = probabilities(labels), np.clip(answer, 1e-6, 1 - 1e-6)
    entropy = -(targets * np.log(answer)).sum(-1).mean()
    overlap, size = (targets * answer).sum((0, 1, 2)), (targets + answer).sum((0, 1, 2))
    return float(entropy + 1 - ((2 * overlap + 1) / (size + 1)).mean())


def test_a_configuration_survives_its_file():
    config = TrainingConfig(steps=7, augmentation=Augmentation(offset_hu=30))
    assert TrainingConfig.from_json(config.to_json()) == config


@pytest.mark.slow
def test_a_training_that_was_cut_off_goes_on_and_a_finished_one_can_be_exported(shared_data, tmp_path):
    from CovidSegLib.network import models
    from CovidSegTraining.fit import training
    from CovidSegTraining.ship.export import export

    cases = find_cases(shared_data / "scans", ("radiopaedia_36_86526_0",))
    config = TrainingConfig(steps=3, batch=2, warm_up_steps=1, test_fold=0, checkpoint_steps=1)
    steps: list[int] = []

    def stop_after_one(report) -> None:
        if report.stage == "training":
            steps.append(round(report.fraction * 3))
            if len(steps) == 1:
                raise Cancelled("training")

    with pytest.raises(Cancelled):
        training.fit(cases, config, None, tmp_path / "run", Progress(stop_after_one))
    (tmp_path / "run" / BEST_WEIGHTS).write_text("left by another training, which watched a fold")
    weights = training.fit(cases, config, None, tmp_path / "run", Progress(stop_after_one))
    assert steps == [1, 2, 3]
    assert weights.is_file()
    with pytest.raises(InputError, match="other settings"):
        training.fit(cases, dataclasses.replace(config, steps=4), None, tmp_path / "run", Progress())
    facts = Facts(description="a test", inputs=InputSizes((96, 128)))
    card = export(tmp_path / "run", "tiny", tmp_path / "model", facts)
    models.verify(models.find(str(card)))
    assert models.find(str(card)).about.inputs == NetworkInputs((96, 128)), "there is no second look"
    assert sorted(file.name for file in card.parent.iterdir()) == ["tiny.json", "tiny.keras", "tiny.onnx"]


def test_a_share_of_the_start_is_kept_in_the_result_also_where_the_training_was_cut_off(tmp_path, monkeypatch):
    from CovidSegTraining.fit import training

    monkeypatch.setattr(training, "build_network", small.small_network)
    network, weights, start = small.small_network(INPUT_SHAPE), {}, tmp_path / "start.weights.h5"
    network.save_weights(start)
    weights["start"] = network.get_weights()
    cases = [write_case(tmp_path, "one", slices=2)]
    learning = TrainingConfig(steps=2, batch=1, warm_up_steps=1, test_fold=0, checkpoint_steps=1)
    keeping = dataclasses.replace(learning, keep=0.25)

    def stop(report) -> None:
        if report.stage == "training":
            raise Cancelled("training")

    with pytest.raises(Cancelled):
        training.fit(cases, keeping, None, tmp_path / "kept", Progress(stop), start=start)
    for name, config in (("learned", learning), ("kept", keeping)):
        network.load_weights(training.fit(cases, config, None, tmp_path / name, Progress(), start=start))
        weights[name] = network.get_weights()
    for begun, learned, kept in zip(*weights.values(), strict=True):
        np.testing.assert_allclose(kept, 0.75 * learned + 0.25 * begun, rtol=1e-4, atol=1e-6)
    assert not np.allclose(weights["start"][0], weights["learned"][0], rtol=1e-4, atol=1e-6)


def test_export_refuses_a_run_that_is_not_finished(tmp_path):
    from CovidSegTraining.ship.export import export

    with pytest.raises(InputError, match="no weights yet"):
        export(tmp_path, "tiny", tmp_path / "model", Facts())


def test_watched_cases_without_infection_are_refused_and_infection_between_the_looks_is_looked_at(
    tmp_path, monkeypatch
):
    from CovidSegTraining.fit import validation

    healthy = write_case(tmp_path, "healthy", slices=3, infected=False)
    with pytest.raises(InputError, match="None of the watched cases shows infection"):
        validation.Watch([healthy], None)
    ill = write_case(tmp_path, "ill", slices=3)
    monkeypatch.setattr(validation, "SLICES", 1)
    watch = validation.Watch([healthy, ill], tmp_path / "cache")
    found = watch.look(lambda inputs, training: np.eye(3)[np.zeros(inputs.shape[:3], int)], 2)
    assert found[0] == 0, "a network that finds nothing"


def test_a_rate_below_the_final_one_never_rises_above_its_peak():
    from CovidSegTraining.fit.trainer import learning_rate

    schedule = learning_rate(TrainingConfig(learning_rate=1e-6, steps=300))
    assert max(float(schedule(step)) for step in (50, 100, 200, 300)) <= 1.001e-6
    shipped = learning_rate(TrainingConfig(steps=300))
    assert float(shipped(300)) == pytest.approx(1e-5)


def test_two_specks_of_false_infection_on_a_free_slice_cost_half():
    from CovidSegTraining.network.losses import SPECK_PIXELS

    labels = np.ones((1, 48, 48), np.int32)
    false = probabilities(labels)
    false.reshape(-1, 3)[: int(2 * SPECK_PIXELS)] = (0, 0, 1)
    assert loss(labels, false) - _entropy_and_dice(labels, false) == pytest.approx(0.5, abs=1e-3)


def test_a_training_that_comes_apart_says_so_and_what_to_do(tmp_path):
    from types import SimpleNamespace

    from CovidSegTraining.fit.training import _Loop

    trainer = SimpleNamespace(step=0, train=lambda *_: float("nan"))
    loop = _Loop(trainer, TrainingConfig(), tmp_path, None, Progress(), None)
    with pytest.raises(InputError, match=r"no number any more at step 1.* smaller --learning-rate"):
        loop.go(lambda _: [(None, None)], SimpleNamespace(sample=print))
