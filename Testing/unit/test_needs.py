"""What a command of covidseg-train cannot do is said in seconds, in a sentence, before TensorFlow is loaded."""

from __future__ import annotations

import logging
import socket
import sys
import time
from pathlib import Path

import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.progress import Report
from CovidSegTraining import needs, progress_log
from CovidSegTraining.cli import main
from Testing.kit.training_data import write_case

_CALLS = {
    "check": "check data",
    "fit": "fit --data data --encoder none --test-fold 0 --run run",
    "crossval": "crossval --data data --encoder none --runs runs",
    "preset": "preset seed --data data --encoder none --run run",
    "export": "export --run finished --name x --to models",
    "figures": "figures --run finished",
    "evaluate": "evaluate --data data --fold 0",
    "evaluate a run": "evaluate --data data --run finished",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a data set of a few cases, and a run that has come to its end. The extra is not installed."""
    for name in "abcde":
        write_case(tmp_path / "data", name, slices=2, seed=ord(name))
    (tmp_path / "finished").mkdir()
    (tmp_path / "finished/network.weights.h5").touch()
    monkeypatch.chdir(tmp_path)
    for name in needs.OPTIONAL:
        monkeypatch.setitem(sys.modules, name, None)
    return tmp_path


@pytest.mark.parametrize("call", _CALLS.values(), ids=_CALLS.keys())
def test_without_the_extra_a_command_names_the_package_and_how_to_get_it(folder: Path, call: str, capsys) -> None:
    before = sorted(folder.rglob("*"))
    assert main(call.split()) == 2
    output, errors = capsys.readouterr()
    line = errors.splitlines()[-1]
    assert line.startswith("error: This command needs the Python package ")
    assert "pip install 'covidseg[cpu,training]'" in line
    assert (output, "Traceback" in errors) == ("", False)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    "call",
    [
        "export --run nowhere --name x --to models",
        "export --run data --name x --to models",
        "figures --run nowhere",
        "evaluate --data data --run nowhere",
        "evaluate --data data --run data",
    ],
)
def test_that_there_is_no_run_is_said_before_tensorflow_is_asked_for(folder: Path, call: str, capsys) -> None:
    assert main(call.split()) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(
        "error: nowhere: there is no such folder." if "nowhere" in call else "error: The run has no weights"
    )
    assert errors.count("\n") == 1


def test_that_imagenet_cannot_be_had_is_said_in_seconds(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with socket.socket() as silent:  # takes no call, as a firewall that drops everything
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for source in (f"http://127.0.0.1:{silent.getsockname()[1]}/w", "http://127.0.0.1:9/w"):
            monkeypatch.setattr(needs, "_SOURCE", source)
            monkeypatch.setattr(needs, "_ANSWER_SECONDS", 0.2)
            with pytest.raises(InputError, match="ImageNet's weights cannot be downloaded"):
                needs.check_encoder("imagenet")
    needs.check_encoder(None)
    needs.check_encoder("a file")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / needs._WEIGHTS).touch()
    needs.check_encoder("imagenet")  # Keras has them already


def test_the_weights_are_those_that_keras_takes() -> None:
    mobilenet = pytest.importorskip("keras.src.applications.mobilenet_v2", reason="needs the extra 'training'")
    assert needs._SOURCE.startswith(mobilenet.BASE_WEIGHT_PATH)


def test_long_work_says_what_it_does(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    teller = progress_log._Teller(at_once=True)
    with caplog.at_level(logging.INFO):
        for second in range(0, 40, 4):
            now[0] = float(second)
            teller.hear(Report("looking at cases", second / 40))
        teller.hear(Report("training", 0.1))
        teller.hear(Report("training", notice="A notice."))
    assert caplog.messages == [
        "looking at cases ...",
        "looking at cases: 30 %",
        "looking at cases: 60 %",
        "looking at cases: 90 %",
        "training ...",
        "A notice.",
    ]
