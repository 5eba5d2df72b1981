"""``covidseg-train`` as its users call it: real processes, real runs, one of them killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from CovidSegTraining.cli import main
from Testing.kit.late import late, needs_tensorflow
from Testing.kit.no_sockets import AVAILABLE, forbid_sockets
from Testing.kit.training_data import write_case

needs_tensorflow()

small = late("Testing.kit.small_network")

STILL = {
    "warm_up_steps": 5,
    "average": 0.8,
    "checkpoint_steps": 10,
    "augmentation": {
        "warp_chance": 0, "left_right_chance": 0, "up_down_chance": 0, "blur_chance": 0, "contrast": [1, 1],
        "offset_hu": 0, "noise_chance": 0, "single_slice_chance": 0, "fade_chance": 0, "gravity_hu": 0,
    },
}  # fmt: skip
"""No augmentation: two slices are to be learned by heart."""


def start(*arguments: object, program: Sequence[str] = ("-m", "CovidSegTraining.cli")) -> subprocess.Popen[str]:
    command = [sys.executable, *program, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **pipes, text=True, preexec_fn=prepare)


def prepare() -> None:
    """The first socket that the command opens ends it; started in the background, it still hears Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if AVAILABLE:
        forbid_sockets()


SMALL_NETWORK = """
import sys
from CovidSegLib.system.processes import no_ipv6_probe
no_ipv6_probe()
from CovidSegTraining.cli import main
from CovidSegTraining.fit import training
from CovidSegTraining.ship import export
from Testing.kit.small_network import learning_network
training.build_network = export.build_network = learning_network
sys.exit(main())
"""
"""``covidseg-train`` whose network has a few weights: building and teaching the whole one takes two minutes."""


@pytest.fixture
def two_slices(tmp_path) -> tuple[Path, list[object]]:
    """A data set of two slices, and the call that learns them by heart in a run's folder."""
    write_case(tmp_path / "data", "two", slices=2, seed=3)
    (tmp_path / "still.json").write_text(json.dumps(STILL))
    call = ["fit", "--data", tmp_path / "data", "--encoder", "none", "--config", tmp_path / "still.json"]
    call += ["--test-fold", 0, "--steps", 80, "--batch", 2, "--learning-rate", 4e-3, "--run", tmp_path / "run"]
    return tmp_path, call


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_two_slices_are_learned_by_heart(two_slices, whole, monkeypatch):
    program, rate = ("-m", "CovidSegTraining.cli"), 0.004
    if not whole:
        program, rate = ("-c", SMALL_NETWORK), 0.02
        monkeypatch.setattr("CovidSegTraining.ship.export.build_network", small.learning_network)
    folder, call = two_slices
    call[call.index("--learning-rate") + 1] = rate
    run = start(*call, program=program)
    _, errors = run.communicate(timeout=600)
    assert run.returncode == 0, errors
    assert "of the time for data" in errors
    assert main(["evaluate", "--data", str(folder / "data"), "--run", str(folder / "run"), "--device", "cpu"]) == 0
    scores = json.loads((folder / "run/metrics.json").read_text())["mean"]
    assert scores["infection_infected_slices"] > 0.9
    assert scores["lung"] > 0.95
    _look_at_the_folder(folder / "run", rate)


def _look_at_the_folder(run: Path, rate: float) -> None:
    """A run is one folder that tells all, and keeps no picture of a patient."""
    names = {"config.json", "split.json", "environment.json", "command.txt", "log.csv", "network.weights.h5", "model"}
    assert names <= {file.name for file in run.iterdir()}
    assert not (run / "cache").exists()
    assert json.loads((run / "split.json").read_text())["trained"] == [{"case": "two", "patient": "two", "fold": 0}]
    with (run / "log.csv").open(newline="") as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    assert steps == [25, 50, 75, 80]
    card = json.loads((run / "model/network.json").read_text())
    assert card["agreement"]["onnx"]["pixels_that_differ"] <= 1e-4
    assert f"--learning-rate {rate}" in card["command"]
    told = "".join((run / name).read_text() for name in ("environment.json", "command.txt", "config.json"))
    assert str(run.parent.parent) not in told
    assert os.uname().nodename not in (run / "environment.json").read_text()


def test_a_call_that_cannot_work_says_so_in_one_line(two_slices, capsys):
    folder, call = two_slices
    wrong = {
        "encoder weights does not exist": ["--encoder", str(folder / "none.h5")],
        "configuration file does not exist": ["--config", str(folder / "none.json")],
        "unknown key stepz": ["--config", str(folder / "bad.json")],
        "parted into 5 folds": ["--test-fold", "1"],
        "There is no model named nothing": ["--init", "nothing", "--run", str(folder / "other")],
        "Slices are framed as": ["--config", str(folder / "small.json")],
        "encoder weights cannot be read": ["--encoder", str(folder / "bad.h5")],
        "weights to start from cannot be read": ["--init", str(folder / "bad.h5")],
        "Only what goes on from a network can keep": ["--keep", "0.5"],
    }
    (folder / "bad.h5").write_text("no weights")
    (folder / "small.json").write_text('{"input_shape": [64, 64]}')
    (folder / "bad.json").write_text('{"stepz": 3}')
    for message, options in wrong.items():
        assert main([*map(str, call), *options]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("error: ")
        assert message in error


@pytest.mark.slow
def test_a_fault_while_slices_are_drawn_ends_the_training(two_slices):
    """The cache is broken under the feet of a training: it says so and ends, and does not wait for ever."""
    folder, call = two_slices
    run = start(*call, "--cache", folder / "cache")
    deadline = time.monotonic() + 300
    while not (framed := list((folder / "cache").glob("*.json"))):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.truncate(framed[0].with_suffix(".slices"), 100)
    _, errors = run.communicate(timeout=300)
    assert run.returncode == 1
    assert "by a fault of its own" in errors


@pytest.mark.slow
def test_one_seed_gives_one_result_though_a_training_is_killed_and_another_seed_another(tmp_path):
    write_case(tmp_path / "data", "one", slices=3)
    (tmp_path / "c.json").write_text('{"checkpoint_steps": 2}')
    call = ["fit", "--data", tmp_path / "data", "--encoder", "none", "--test-fold", 0, "--steps", 6, "--batch", 2]
    call += ["--config", tmp_path / "c.json"]
    killed = start(*call, "--seed", 1, "--run", tmp_path / "killed")
    wait_for(killed, tmp_path / "killed/state/checkpoint")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "killed/network.weights.h5").exists()
    for name, seed in (("killed", 1), ("whole", 1), ("other", 2)):
        run = start(*call, "--seed", seed, "--run", tmp_path / name)
        _, errors = run.communicate(timeout=600)
        assert run.returncode == 0, errors
        assert ("resumed at step" in errors) == (name == "killed")
    assert largest_difference(tmp_path / "killed", tmp_path / "whole") == 0
    assert largest_difference(tmp_path / "killed", tmp_path / "other") > 0.01


@pytest.mark.parametrize("moment", ["split.json", pytest.param("state/checkpoint", marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_training_of_a_fold_ends_with_the_cross_validation(tmp_path, how, moment):
    for number in range(2):
        write_case(tmp_path / "data", f"case{number}", slices=2, seed=number)
    (tmp_path / "data/metadata.csv").write_text("case,fold\ncase0,1\ncase1,2\n")
    (tmp_path / "c.json").write_text(json.dumps({**STILL, "checkpoint_steps": 1}))
    run = tmp_path / "runs/fold1"
    call = ["crossval", "--data", tmp_path / "data", "--encoder", "none", "--config", tmp_path / "c.json"]
    crossval = start(*call, "--batch", 2, "--runs", tmp_path / "runs")
    wait_for(crossval, run / moment)
    crossval.send_signal(how)
    _, errors = crossval.communicate(timeout=60)  # returns when the child, which has these pipes too, has ended as well
    assert crossval.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert "fault" not in errors
    assert not (run / "network.weights.h5").exists()


def wait_for(process: subprocess.Popen[str], file: Path) -> None:
    """Wait until ``file`` is there, written by ``process``."""
    deadline = time.monotonic() + 300
    while not file.is_file():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def largest_difference(run: Path, other: Path) -> float:
    """Of any weight of two runs."""
    import h5py

    differences = []
    with h5py.File(run / "network.weights.h5") as one, h5py.File(other / "network.weights.h5") as two:
        one.visititems(
            lambda name, item: (
                differences.append(abs(item[()] - two[name][()]).max()) if hasattr(item, "dtype") else None
            )
        )
    return max(differences)


def test_a_picture_that_is_held_out_under_another_name_is_not_trained_on(tmp_path, capsys):
    for number in range(3):
        write_case(tmp_path / "data", f"case{number}", slices=2, seed=min(number, 1))
    (tmp_path / "data/metadata.csv").write_text("case,fold\ncase0,1\ncase1,1\ncase2,2\n")
    for kind in ("images", "labels"):
        source, target = (tmp_path / "data" / kind / f"case{number}.nii.gz" for number in (1, 2))
        target.write_bytes(source.read_bytes())
    call = ["fit", "--data", tmp_path / "data", "--encoder", "none", "--steps", 1, "--run", tmp_path / "run"]
    assert main(list(map(str, call))) == 2
    assert "the same picture as case2: a leak" in capsys.readouterr().err


def test_a_run_goes_on_with_its_own_cases_and_start_alone(tmp_path, capsys, monkeypatch):
    """Else what it held out could be trained on, and its scores would be too good."""
    monkeypatch.setattr("CovidSegTraining.fit.training.build_network", small.small_network)
    for number in range(3):
        write_case(tmp_path / "data", f"case{number}", slices=2, seed=number)
    (tmp_path / "data/metadata.csv").write_text("case,fold\ncase0,1\ncase1,2\ncase2,3\n")
    (tmp_path / "still.json").write_text(json.dumps(STILL))
    call = ["fit", "--data", tmp_path / "data", "--encoder", "none", "--steps", 1, "--batch", 2]
    call += ["--run", tmp_path / "r"]
    call = [*map(str, call), "--config", str(tmp_path / "still.json")]
    assert main([*call, "--also", str(tmp_path / "data:case0")]) == 2
    assert "case0 of --also is held out" in capsys.readouterr().err
    assert main(call) == 0
    before = {file: file.read_bytes() for file in (tmp_path / "r").glob("*.*")}
    weights = str(tmp_path / "r/network.weights.h5")
    assert main([*call[:-4], "--init", weights, "--test-fold", "2", "--run", str(tmp_path / "leak"), *call[-2:]]) == 2
    assert "has learned from case1, which is held out" in capsys.readouterr().err
    assert not (tmp_path / "leak").exists()
    assert main([*call, "--init", "default"]) == 2
    assert "from other weights" in capsys.readouterr().err
    write_case(tmp_path / "data", "another", slices=2, seed=9)
    with (tmp_path / "data/metadata.csv").open("a") as table:
        table.write("another,2\n")
    assert main(call) == 2
    assert "with other cases" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in (tmp_path / "r").glob("*.*")} == before


@pytest.mark.slow
def test_the_watched_fold_decides_when_to_stop_and_what_is_kept(tmp_path):
    for number in range(3):
        write_case(tmp_path / "data", f"case{number}", slices=3, seed=number)
    (tmp_path / "data/metadata.csv").write_text("case,fold\ncase0,1\ncase1,2\ncase2,3\n")
    (tmp_path / "c.json").write_text(json.dumps({**STILL, "validation_steps": 1, "learning_rate": 1e-9}))
    call = ["fit", "--data", tmp_path / "data", "--encoder", "none", "--steps", 40, "--batch", 2, "--patience", 2]
    run = start(*call, "--config", tmp_path / "c.json", "--validation-fold", 2, "--run", tmp_path / "run")
    _, errors = run.communicate(timeout=600)
    assert run.returncode == 0, errors
    assert "stopped early" in errors
    assert (tmp_path / "run/best.weights.h5").is_file()
    split = json.loads((tmp_path / "run/split.json").read_text())
    assert [[row["case"] for row in split[part]] for part in ("trained", "watched", "held_out")] == [
        ["case2"], ["case1"], ["case0"],
    ]  # fmt: skip


def test_a_fine_tuned_network_starts_from_the_installed_one(tmp_path):
    import keras
    import numpy as np

    from CovidSegLib.errors import InputError, ModelError
    from CovidSegLib.network import models
    from CovidSegTraining.fit.start import start_from
    from CovidSegTraining.network.architecture import build_network

    model = models.find("default")
    network = build_network(tuple(model.card["inputs"]["shape"]), None)
    start_from(network, "default")
    (tmp_path / "network.keras").write_bytes(model.read("keras"))
    installed = keras.saving.load_model(tmp_path / "network.keras", compile=False, safe_mode=True)
    for mine, theirs in zip(network.get_weights(), installed.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(InputError, match="belong to another network"):
        start_from(other, "default")
    altered = tmp_path / "altered.json"
    altered.write_text(json.dumps({**model.card, "files": {"keras": {"name": "network.keras", "sha256": "0" * 64}}}))
    with pytest.raises(ModelError, match="SHA-256"):
        start_from(network, altered)


@pytest.mark.slow
def test_the_seed_is_reproduced_from_split_to_pictures(tmp_path, capsys):
    for number in range(2):
        write_case(tmp_path / "data", f"case{number}", slices=6, seed=number)
    call = ["preset", "seed", "--data", tmp_path / "data", "--encoder", "none", "--epochs", 1, "--size", 64]
    assert main([*map(str, call), "--run", str(tmp_path / "run")]) == 0
    table = capsys.readouterr().out
    assert "pixel accuracy" in table
    for split in ("random", "patient"):
        assert f"| {split}" in table
        files = {str(file.relative_to(tmp_path / "run" / split)) for file in (tmp_path / "run" / split).rglob("*.*")}
        assert {"figures/slices.png", "figures/curves.png", "metrics.json", "network.weights.h5", "log.csv"} <= files
    assert main([*map(str, call), "--run", str(tmp_path / "run")]) == 0
    again = capsys.readouterr().out
    assert table.endswith(again)  # the table alone: what is done is not done again
    assert "loss" not in again
    assert main([*map(str, call[:-1]), "96", "--run", str(tmp_path / "run")]) == 2


@pytest.mark.slow
def test_the_seed_goes_on_with_its_own_settings_cases_and_encoder_alone(tmp_path, capsys):
    for number in range(2):
        write_case(tmp_path / "data", f"case{number}", slices=6, seed=number)
    call = ["preset", "seed", "--data", tmp_path / "data", "--split", "random", "--run", tmp_path / "run"]
    call += ["--encoder", "none", "--size", 32, "--epochs"]
    run = tmp_path / "run/random"
    killed = start(*call, 1000)
    wait_for(killed, run / "state/training_metadata.json")
    killed.kill()
    killed.communicate()
    call = list(map(str, call))
    (tmp_path / "encoder.h5").touch()
    before = {file: file.read_bytes() for file in run.glob("*.*")}
    assert main([*call, "2"]) == 2
    assert "with other settings" in capsys.readouterr().err
    assert main([*call, "1000", "--encoder", str(tmp_path / "encoder.h5")]) == 2
    assert "from other weights" in capsys.readouterr().err
    write_case(tmp_path / "data", "another", slices=6, seed=9)
    assert main([*call, "1000"]) == 2
    assert "with other cases" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in run.glob("*.*")} == before
    assert str(tmp_path) not in (run / "command.txt").read_text()
