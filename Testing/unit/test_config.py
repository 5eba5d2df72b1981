"""Settings of a run: typed, kept beside its result, and wrong ones are named."""

from __future__ import annotations

import json

import pytest

from CovidSegLib.errors import InputError
from CovidSegTraining.data.augmentation import Augmentation
from CovidSegTraining.fit.config import TrainingConfig
from CovidSegTraining.fit.run_folder import LOG, TrainingLog, read_log


def changed(**values) -> str:
    return json.dumps({**json.loads(TrainingConfig().to_json()), **values})


def test_a_configuration_survives_its_file():
    config = TrainingConfig(steps=7, augmentation=Augmentation(offset_hu=30), precision="float32")
    assert TrainingConfig.from_json(config.to_json()) == config


def test_what_is_left_out_has_its_default():
    assert TrainingConfig.from_json('{"steps": 9}') == TrainingConfig(steps=9)
    assert TrainingConfig.from_json('{"learning_rate": 1}').learning_rate == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed(learning_rat=1), "unknown key learning_rat. Did you mean learning_rate?"),
        (changed(augmentation={"blur": 1}), "unknown key augmentation.blur"),
        (changed(steps=1.5), "steps in the configuration must be int, not 1.5"),
        (changed(steps=True), "steps in the configuration must be int, not True"),
        (changed(deterministic=1), "deterministic in the configuration must be bool, not 1"),
        (changed(input_shape=[224]), "input_shape in the configuration must be"),
        (changed(augmentation={"scale": [0.5, "big"]}), "augmentation.scale in the configuration must be float"),
        (changed(augmentation=3), "augmentation is not a table of names"),
        (changed(batch=0), "batch must be at least 1, not 0"),
        (changed(learning_rate=-1), "learning_rate must be at least 1e-12, not -1"),
        (changed(average=1.0), "average must be 0 or more and below 1, not 1.0"),
        (changed(keep=1.0), "keep must be 0 or more and below 1, not 1.0"),
        (changed(warm_up_steps=-5), "warm_up_steps must be at least 0, not -5"),
        (changed(augmentation={"blur_chance": 1.5}), "augmentation.blur_chance cannot be 1.5"),
        (changed(augmentation={"scale": [1.3, 0.7]}), "augmentation.scale cannot be (1.3, 0.7)"),
        (changed(augmentation={"noise_hu": -1}), "augmentation.noise_hu cannot be -1"),
        (changed(precision="half"), "no precision 'half'"),
        (changed(validation_fold=1), "fold that is watched is the test fold: a leak"),
        (changed(patience=3), "Stopping early needs cases to watch"),
        ("{", "not JSON"),
    ],
)
def test_a_wrong_setting_is_named(text, message):
    with pytest.raises(InputError) as error:
        TrainingConfig.from_json(text)
    assert message in str(error.value)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no training run"):
        TrainingConfig.load(tmp_path)


def test_a_log_that_goes_on_drops_what_will_be_made_again(tmp_path):
    log = TrainingLog(tmp_path, 0)
    for step in (25, 50, 75):
        log.add(step=step, loss=1 / step)
    with (tmp_path / LOG).open("a") as file:
        file.write("100,0.0")  # cut off in the middle of a number and a line
    assert [row["step"] for row in TrainingLog(tmp_path, 50).rows] == [25, 50]
    assert [row["step"] for row in read_log(tmp_path)] == [25, 50]
