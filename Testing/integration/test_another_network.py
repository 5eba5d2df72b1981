"""A network with other sizes, another window and more classes is a card and weights: no code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from CovidSegLib import pipeline
from CovidSegLib.batch.plan import model_identity
from CovidSegLib.errors import EngineError, ModelError
from CovidSegLib.network import models
from CovidSegLib.options import Options
from CovidSegLib.phantom import make_phantom
from CovidSegLib.progress import Progress
from CovidSegLib.segmentation import Label
from Testing.kit.four_classes import SECOND, SHAPE, write_card, write_network


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COVIDSEG_MODELS", str(tmp_path))
    write_network(tmp_path)
    write_card(tmp_path)
    return tmp_path


class Listening:
    """An engine that notes what it was given."""

    def __init__(self, engine: pipeline.Engine) -> None:
        self.name, self.device, self._engine = engine.name, engine.device, engine
        self.given: set[tuple[int, ...]] = set()
        self.answered: list[np.ndarray] = []

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        self.given.add(inputs.shape[1:])
        self.answered.append(self._engine.predict(inputs))
        return self.answered[-1]


def test_a_network_of_other_sizes_and_four_classes_is_obeyed_by_its_card_alone(users: Path) -> None:
    options = Options("onnx", "cpu", "four", 1)
    engine = Listening(pipeline.open_engine(options, Progress()))
    phantom = make_phantom(slices=6)
    made = pipeline.segment(phantom.volume, options, Progress(), engine=engine)
    assert engine.given == {(*SHAPE, 3), (*SECOND, 3)}
    assert {answers.shape[-1] for answers in engine.answered} == {3}
    np.testing.assert_allclose(np.concatenate([a.sum(axis=-1).ravel() for a in engine.answered]), 1, atol=1e-5)
    lung = np.isin(phantom.truth, (Label.LEFT_LUNG, Label.RIGHT_LUNG))
    assert (made.labels[lung] > 0).mean() > 0.9  # values alone also tell the skin and the mattress to be lung
    assert {int(label) for label in np.unique(made.labels)} == set(Label)
    assert made.provenance.model == "four"


def test_what_a_network_looks_at_is_part_of_what_it_is_to_a_batch(users: Path) -> None:
    before = model_identity("four")
    write_card(users, inputs={"shape": SHAPE, "second_look": SECOND, "hu_window": [-1000.0, 300.0]})
    assert model_identity("four") != before


def test_a_card_that_says_another_number_of_classes_than_the_network_has_is_found_out(users: Path) -> None:
    write_card(users, classes=["neither", "lung", "infection"], means=None)
    options = Options("onnx", "cpu", "four", 1)
    engine = pipeline.open_engine(options, Progress())
    with pytest.raises(EngineError, match="does not answer with a probability"):
        engine.predict(np.zeros((1, *SHAPE, 3), np.float32))


def test_a_card_that_says_another_size_than_the_network_takes_is_found_out(users: Path) -> None:
    network = onnx.load(users / "four.onnx")
    for number, size in enumerate(SHAPE, 1):
        network.graph.input[0].type.tensor_type.shape.dim[number].dim_value = size
    onnx.save(network, users / "four.onnx")
    options = Options("onnx", "cpu", "four", 1)
    write_card(users, inputs={"shape": SHAPE})
    assert pipeline.open_engine(options, Progress()).device == "cpu"
    for inputs in ({"shape": SECOND}, {"shape": SHAPE, "second_look": SECOND}):
        write_card(users, inputs=inputs)
        with pytest.raises(EngineError, match="of another size than its card says"):
            pipeline.open_engine(options, Progress())


def test_classes_of_which_the_card_does_not_say_what_they_are_are_refused(users: Path) -> None:
    write_card(users, means=None)
    with pytest.raises(ModelError, match="does not say classes in the form"):
        models.find("four")
