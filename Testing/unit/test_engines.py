"""Which engine and device compute, and what happens when a GPU fails."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from CovidSegLib.errors import EngineError
from CovidSegLib.network import models
from CovidSegLib.network.engines import GpuThenCpu, open_engine
from CovidSegLib.network.input_form import INPUT_SHAPE
from CovidSegLib.network.providers import CPU, PROVIDERS, NoDeviceError, Provider, installed_gpus
from CovidSegLib.progress import Progress, Report

TELEMETRY_SWITCH = "ORT_DISABLE_TELEMETRY"


class Fragile:
    """An engine whose GPU fails when it is opened or after some batches; the CPU returns what it gets."""

    name = "onnx"

    def __init__(self, device: str, good_batches: int) -> None:
        if device == "gpu" and good_batches < 0:
            raise EngineError("No driver.")
        self.device = device
        self._left = good_batches

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        if self.device == "gpu":
            self._left -= 1
            if self._left < 0:
                raise EngineError("Out of memory.")
        return inputs


@pytest.mark.parametrize("good_batches", [-1, 0, 2])
def test_a_failing_gpu_is_left_for_the_cpu_with_one_notice_and_no_lost_batch(good_batches):
    told: list[Report] = []
    engine = GpuThenCpu([lambda: Fragile("gpu", good_batches)], lambda: Fragile("cpu", 0), Progress(told.append))
    results = [engine.predict(np.full((1, 2), number)) for number in range(5)]
    assert [int(result[0, 0]) for result in results] == list(range(5))
    assert engine.device == "cpu"
    assert len([report for report in told if report.notice]) == 1


def test_a_failing_cpu_is_an_error():
    class Broken(Fragile):
        def predict(self, inputs: np.ndarray) -> np.ndarray:
            raise EngineError("Broken.")

    engine = GpuThenCpu([lambda: Broken("gpu", 1)], lambda: Broken("cpu", 1), Progress())
    with pytest.raises(EngineError, match="Broken"):
        engine.predict(np.zeros((1, 2)))


def test_the_best_gpu_that_opens_is_used_and_the_others_are_not_opened():
    opened: list[str] = []

    def gpu(name: str, error: EngineError | None) -> Callable[[], Fragile]:
        def opener() -> Fragile:
            opened.append(name)
            if error:
                raise error
            return Fragile(name, 9)

        return opener

    told: list[Report] = []
    gpus = [gpu("absent", NoDeviceError("")), gpu("broken", EngineError("")), gpu("good", None), gpu("other", None)]
    engine = GpuThenCpu(gpus, lambda: Fragile("cpu", 0), Progress(told.append))
    assert (engine.device, opened, told) == ("good", ["absent", "broken", "good"], [])


def test_a_computer_without_a_device_for_the_plug_in_computes_on_the_cpu_without_a_word():
    def absent() -> Fragile:
        raise NoDeviceError("")

    told: list[Report] = []
    assert GpuThenCpu([absent], lambda: Fragile("cpu", 0), Progress(told.append)).device == "cpu"
    assert not told


def test_auto_is_onnx_runtime():
    engine = open_engine(models.find("default"), "auto", "auto", Progress())
    assert engine.name == "onnx"
    assert engine.device == "cpu" or engine.device in [gpu.name for gpu in installed_gpus()]


def _missing() -> list[Provider]:
    return [provider for provider in PROVIDERS if provider is not CPU and not provider.is_installed]


@pytest.mark.parametrize("provider", _missing(), ids=lambda provider: provider.name)
def test_a_device_whose_package_is_not_installed_names_the_package(provider):
    with pytest.raises(EngineError, match=provider.title.split()[0]) as caught:
        open_engine(models.find("default"), "onnx", provider.name, Progress())
    assert provider.package in caught.value.hint


def test_tensorflow_does_not_take_the_devices_of_onnx_runtime():
    with pytest.raises(EngineError, match="ONNX Runtime"):
        open_engine(models.find("default"), "tensorflow", "webgpu", Progress())


@pytest.mark.parametrize(("engine", "device"), [("caffe", "cpu"), ("onnx", "tpu")])
def test_unknown_engines_and_devices_are_named(engine, device):
    with pytest.raises(EngineError, match=r"caffe|tpu"):
        open_engine(models.find("default"), engine, device, Progress())


def test_probabilities_add_up_to_one():
    engine = open_engine(models.find("default"), "onnx", "cpu", Progress())
    inputs = np.random.default_rng(0).uniform(-1, 1, (2, *INPUT_SHAPE, 3)).astype(np.float32)
    probabilities = engine.predict(inputs)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == inputs.shape
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-4)


def test_threads_change_no_probability_and_keep_the_order_of_the_slices():
    inputs = np.random.default_rng(1).uniform(-1, 1, (5, *INPUT_SHAPE, 3)).astype(np.float32)
    alone, together = (
        open_engine(models.find("default"), "onnx", "cpu", Progress(), threads).predict(inputs) for threads in (1, 3)
    )
    assert not np.array_equal(alone[0], alone[1])
    assert np.array_equal(alone, together)


def test_onnx_runtime_is_kept_from_reporting_over_the_network():
    program = "import os; from CovidSegLib.network import providers; providers.runtime(); print(os.environ['{0}'])"
    environment = {name: value for name, value in os.environ.items() if name != TELEMETRY_SWITCH}
    done = subprocess.run(
        [sys.executable, "-c", program.format(TELEMETRY_SWITCH)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1"
