"""Models are found by name or file, and weights that were altered are never opened."""

from __future__ import annotations

import json
import shutil
from datetime import date

import pytest

from CovidSegLib.errors import ModelError
from CovidSegLib.network import models


@pytest.fixture
def copy(tmp_path):
    """A copy of the shipped model; returns its card file."""
    model = models.find("default")
    for file in (*model.files, model.folder / f"{model.name}.json"):
        shutil.copy(file, tmp_path)
    return tmp_path / f"{model.name}.json"


def test_the_shipped_model_is_found_by_name_and_is_whole():
    model = models.find("default")
    assert model.name in [each.name for each in models.installed()]
    models.verify(model)
    assert sum(file.stat().st_size for file in model.files) < 20e6


def test_the_card_says_what_the_model_is():
    card = models.find("default").card
    for field in ("description", "licence", "training_data", "command", "metrics", "classes", "inputs", "finish"):
        assert card.get(field), field
    assert "non-commercial" in card["licence"]
    assert date.fromisoformat(card["date"]) >= date(2026, 1, 1)


@pytest.mark.parametrize("suffix", [".json", ".onnx", ".keras"])
def test_a_model_is_found_by_its_file(copy, suffix):
    assert models.find(str(copy.with_suffix(suffix))).sha256 == models.find("default").sha256


@pytest.mark.parametrize("kind", ["onnx", "keras"])
def test_weights_altered_by_one_byte_are_refused(copy, kind):
    weights = copy.with_suffix(f".{kind}")
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    model = models.find(str(copy))
    with pytest.raises(ModelError, match="SHA-256"):
        model.read(kind)
    with pytest.raises(ModelError, match=kind):
        models.verify(model)


def test_missing_weights_are_named(copy):
    copy.with_suffix(".onnx").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        models.find(str(copy)).read("onnx")


def test_an_unknown_name_says_what_is_installed():
    with pytest.raises(ModelError, match=models.DEFAULT_NAME):
        models.find("other")


def test_a_broken_card_is_refused(copy):
    copy.write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="card"):
        models.find(str(copy))


def test_weights_without_a_card_are_refused(copy):
    copy.unlink()
    with pytest.raises(ModelError, match="no card"):
        models.find(str(copy.with_suffix(".onnx")))


def test_a_model_for_inputs_that_cannot_be_made_is_refused(copy):
    card = json.loads(copy.read_text(encoding="utf-8"))
    card["inputs"]["hu_window"] = [-1000, 400]
    copy.write_text(json.dumps(card), encoding="utf-8")
    assert models.find(str(copy)).about.inputs.hu_window == (-1000, 400)
    card["inputs"]["hu_window"] = [400, -1000]
    copy.write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError, match=r"does not say inputs.hu_window in the form"):
        models.find(str(copy))


def test_a_card_cannot_point_outside_its_folder(copy):
    card = json.loads(copy.read_text(encoding="utf-8"))
    card["files"]["onnx"]["name"] = "../elsewhere.onnx"
    copy.write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError, match="outside"):
        models.find(str(copy))
