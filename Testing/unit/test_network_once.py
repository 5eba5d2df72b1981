"""Tests that let the network compute the same slices once (kit/network_once) see no other network's answers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from Testing.kit import network_once


class Engine:
    """As much of an engine as is looked at; counts what it computes."""

    computed = 0

    def __init__(self, model: SimpleNamespace, device: str = "cpu") -> None:
        self.device, self._factor = device, float(model.read("onnx"))

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        type(self).computed += 1
        return inputs * self._factor


def model(weights: bytes, meanings: str = "lungs") -> SimpleNamespace:
    return SimpleNamespace(read=lambda _kind: weights, about=SimpleNamespace(meanings=meanings))


def test_only_the_same_slices_in_the_same_network_on_the_cpu_are_answered_from_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(network_once.VARIABLE, str(tmp_path))
    network_once.install(Engine)
    slices = np.arange(6.0).reshape(2, 3)
    calls = [
        (Engine(model(b"2")), slices, 1),
        (Engine(model(b"2")), slices, 1),
        (Engine(model(b"3")), slices, 2),
        (Engine(model(b"2"), "gpu"), slices, 3),
        (Engine(model(b"2")), slices + 1, 4),
        (Engine(model(b"2")), slices.reshape(3, 2), 5),
        (Engine(model(b"2"), "gpu"), slices, 6),
        (Engine(model(b"2", "classes")), slices, 7),
    ]
    for engine, inputs, computed in calls:
        assert np.array_equal(engine.predict(inputs), inputs * engine._factor)
        assert Engine.computed == computed
    monkeypatch.delenv(network_once.VARIABLE)
    calls[0][0].predict(slices)
    assert Engine.computed == 8
