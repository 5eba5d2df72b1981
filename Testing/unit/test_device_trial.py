"""Whether a GPU may compute: it must give the CPU's masks, once for each driver, and the verdict is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CovidSegLib import device_trial
from CovidSegLib.device_trial import MOST_DIFFERENT, admit, trial_slices
from CovidSegLib.errors import EngineError
from CovidSegLib.network import models
from CovidSegLib.network.input_form import INPUT_SHAPE
from CovidSegLib.network.providers import CPU, NoDeviceError, Provider

GPU = Provider("stand-in", "stand-in GPU", "StandInExecutionProvider", "stand-in")
MODEL = models.find("default")
INPUTS = np.linspace(-1, 1, 2 * 100 * 200 * 3, dtype=np.float32).reshape(2, 100, 200, 3)


class Stand:
    """An engine whose GPU answers as the CPU does, but for so many ``wrong`` pixels of a slice."""

    name = "onnx"

    def __init__(self, provider: Provider, wrong: int = 0) -> None:
        self.device = provider.name
        self._wrong = 0 if provider is CPU else wrong

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        answer = inputs.copy()
        answer.reshape(len(inputs), -1, 3)[:, : self._wrong] = (1, 0, -1)  # else the last class is the likeliest
        return answer


class Opener:
    """Opens stand-ins and counts; ``wrong`` pixels, or ``error`` instead of a GPU."""

    def __init__(self, wrong: int = 0, error: BaseException | None = None) -> None:
        self.opened: list[str] = []
        self._wrong, self._error = wrong, error

    def __call__(self, provider: Provider) -> Stand:
        self.opened.append(provider.name)
        if self._error and provider is not CPU:
            raise self._error
        return Stand(provider, self._wrong)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of verdicts, in a folder of its own; all engines are equally fast unless a test says else."""
    monkeypatch.setenv("COVIDSEG_CACHE", str(tmp_path / "cache"))
    _speeds(monkeypatch, gpu=1.0, cpu=2.0)
    return tmp_path / "cache" / "devices.json"


def _speeds(monkeypatch: pytest.MonkeyPatch, *, gpu: float, cpu: float) -> None:
    monkeypatch.setattr(device_trial, "_seconds", lambda engine, _inputs: cpu if engine.device == "cpu" else gpu)


def _admit(opener: Opener, *, faster: bool = True) -> Stand:
    return admit(MODEL, GPU, opener, faster, inputs=INPUTS)


def test_a_gpu_that_computes_as_the_cpu_does_is_tried_once() -> None:
    first, again = Opener(), Opener()
    assert _admit(first).device == _admit(again).device == "stand-in"
    assert (first.opened, again.opened) == (["stand-in", "cpu"], ["stand-in"])


def test_rounding_at_the_border_of_two_classes_is_no_other_mask() -> None:
    allowed = int(MOST_DIFFERENT * 100 * 200)
    assert _admit(Opener(wrong=allowed)).device == "stand-in"


def test_a_gpu_with_other_masks_is_refused_also_when_it_is_asked_for_and_not_tried_again(kept: Path) -> None:
    refused = Opener(wrong=int(MOST_DIFFERENT * 100 * 200) + 1)
    for _attempt in range(2):
        with pytest.raises(EngineError, match="stand-in GPU computes other masks"):
            _admit(refused, faster=False)
    assert refused.opened == ["stand-in", "cpu"]
    assert "different" in kept.read_text(encoding="utf-8")


@pytest.mark.parametrize("gpu", [3.0, 30.0])
def test_a_slower_gpu_is_used_only_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, gpu: float) -> None:
    _speeds(monkeypatch, gpu=gpu, cpu=2.0)
    with pytest.raises(EngineError, match="slower"):
        _admit(Opener())
    assert _admit(Opener(), faster=False).device == "stand-in"


class EndedError(Exception):
    """Stands for the end of the process in the middle of a trial."""


def _end_in_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what a process leaves that is killed there: by its driver, or by a user who cancels."""
    with monkeypatch.context() as killed:
        keep = device_trial._keep
        killed.setattr(device_trial, "_keep", lambda file, key, value: keep(file, key, value) if value else None)
        with pytest.raises(EndedError):
            _admit(Opener(error=EndedError()))


def test_a_gpu_whose_trial_was_ended_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    _end_in_the_trial(monkeypatch)
    again, then = Opener(), Opener()
    assert _admit(again).device == _admit(then).device == "stand-in"
    assert (again.opened, then.opened) == (["stand-in", "cpu"], ["stand-in"])


def test_a_gpu_that_took_the_process_with_it_twice_is_not_tried_again(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _attempt in range(2):
        _end_in_the_trial(monkeypatch)
    untouched = Opener()
    with pytest.raises(EngineError, match="ended twice while it tried the stand-in GPU") as caught:
        _admit(untouched, faster=False)
    assert not untouched.opened
    assert str(kept) in caught.value.hint


@pytest.mark.parametrize("error", [NoDeviceError("none"), EngineError("no driver"), KeyboardInterrupt()])
def test_what_says_itself_why_it_cannot_is_tried_again(error: BaseException) -> None:
    with pytest.raises(type(error)):
        _admit(Opener(error=error))
    assert _admit(Opener()).device == "stand-in"


def test_another_driver_is_tried_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    _admit(Opener())
    monkeypatch.setattr(device_trial, "describe_device", lambda _provider: "another driver")
    again = Opener()
    _admit(again)
    assert again.opened == ["stand-in", "cpu"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[1]", b'{"a": 1', b""])
def test_a_damaged_file_of_verdicts_is_as_good_as_none(kept: Path, content: bytes) -> None:
    kept.parent.mkdir()
    kept.write_bytes(content)
    assert _admit(Opener()).device == "stand-in"
    assert "equal" in kept.read_text(encoding="utf-8")


def test_where_nothing_can_be_kept_each_run_tries_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("COVIDSEG_CACHE", str(tmp_path / "file"))
    for _attempt in range(2):
        opener = Opener()
        assert _admit(opener).device == "stand-in"
        assert opener.opened == ["stand-in", "cpu"]


def test_a_gpu_is_tried_on_two_slices_that_show_lung() -> None:
    slices = trial_slices()
    assert slices.shape == (2, *INPUT_SHAPE, 3)
    assert all((plane < -0.2).mean() > 0.2 for plane in slices)
