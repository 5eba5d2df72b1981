"""A network that went on from an installed one and learned in a few layers is stored as what changed."""

from __future__ import annotations

import json

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs the extra 'training'")

from kit.training_data import write_case  # noqa: E402

from CovidSegLib.network import models  # noqa: E402
from CovidSegLib.network.keras_engine import load_network  # noqa: E402
from CovidSegLib.network.model_import import import_model  # noqa: E402
from CovidSegTraining.agreement import phantom_slices  # noqa: E402
from CovidSegTraining.architecture import build_network  # noqa: E402
from CovidSegTraining.cli import main  # noqa: E402
from CovidSegTraining.start import start_from  # noqa: E402

LAST = "block_1_project_BN"
"""The last layer of the encoder that learns here."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder of a run that went on from the shipped network for two steps, with its ``model/mine.json``."""
    folder = tmp_path_factory.mktemp("base")
    write_case(folder / "data", "two", slices=2, seed=3)
    (folder / "c.json").write_text(json.dumps({"trained_from": "", "trained_until": LAST, "warm_up_steps": 1}))
    fit = ["fit", "--data", folder / "data", "--init", "default", "--config", folder / "c.json", "--test-fold", 0]
    assert main([*map(str, fit), "--steps", "2", "--batch", "2", "--run", str(folder / "run")]) == 0
    export = ["export", "--run", folder / "run", "--name", "mine", "--to", folder / "model"]
    assert main([*map(str, export), "--base", "default", "--weights", "int8"]) == 0
    return folder


def test_what_did_not_learn_is_the_same_to_the_last_bit_and_all_else_changed(exported):
    learned = build_network((224, 288), None)
    learned.load_weights(exported / "run/network.weights.h5")
    start = load_network(models.find("default"))
    encoder = [layer.name for layer in keras.applications.MobileNetV2(weights=None, include_top=False).layers]
    kept = set(encoder[encoder.index(LAST) + 1 :])
    for one, other in zip(learned.layers, start.layers, strict=True):
        if one.weights:
            same = all(map(np.array_equal, one.get_weights(), other.get_weights()))
            assert same == (one.name in kept), one.name


def test_the_files_are_the_old_weights_and_few_new_ones(exported):
    model, shipped = models.find(str(exported / "model/mine.json")), models.find("default")
    models.verify(model)
    assert model.card["files"]["keras"] == shipped.card["files"]["keras"]
    changes = exported / "model/mine.changes.h5"
    assert changes in model.files
    assert changes.stat().st_size < 0.4 * (exported / "model" / model.card["files"]["keras"]["name"]).stat().st_size


def test_both_engines_and_a_new_training_get_the_changed_network(exported):
    card = exported / "model/mine.json"
    assert set(json.loads(card.read_text())["agreement"]) == {"onnx", "keras", "rounding"}
    network = build_network((224, 288), None)
    start_from(network, card)
    learned = build_network((224, 288), None)
    learned.load_weights(exported / "run/network.weights.h5")
    inputs = phantom_slices()
    answers = [
        np.asarray(each(inputs, training=False)) for each in (network, learned, load_network(models.find("default")))
    ]
    assert np.abs(answers[0] - answers[1]).mean() < 0.5 * np.abs(answers[0] - answers[2]).mean()


def test_it_can_be_imported_under_a_name_of_its_own(exported, tmp_path, monkeypatch):
    monkeypatch.setenv("COVIDSEG_MODELS", str(tmp_path / "models"))
    imported = import_model(exported / "model/mine.json")
    assert len(imported.files) == 3
    assert all(file.is_file() and file.parent == tmp_path / "models" for file in imported.files)
    original = load_network(models.find(str(exported / "model/mine.json")))
    for one, other in zip(load_network(imported).get_weights(), original.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_changes_altered_by_one_byte_are_refused(exported, tmp_path):
    import shutil

    from CovidSegLib.errors import ModelError

    copy = shutil.copytree(exported / "model", tmp_path / "model")
    data = bytearray((copy / "mine.changes.h5").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "mine.changes.h5").write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256"):
        load_network(models.find(str(copy / "mine.json")))


def test_a_base_of_another_kind_is_refused(exported, tmp_path, capsys):
    call = ["export", "--run", exported / "run", "--name", "mine", "--to", tmp_path / "other", "--base", "nothing"]
    assert main(list(map(str, call))) == 2
    assert "There is no model named nothing" in capsys.readouterr().err
    assert not list(tmp_path.glob("other/*"))
