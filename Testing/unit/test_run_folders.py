"""A run's folder holds one training: from one start, of one set of cases, and nothing that another one left.

The learning itself is stood in for: what it would leave is all that these tests are about.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable

import pytest

from CovidSegLib.errors import InputError
from CovidSegTraining.cli import main
from CovidSegTraining.fit.run_folder import BEFORE, BEST_WEIGHTS, COMMAND, LABELS, LOCK, SPLIT, START, WEIGHTS, locked
from Testing.kit.late import needs_tensorflow
from Testing.kit.training_data import write_case

needs_tensorflow()

Fit = Callable[..., int]


@pytest.fixture
def fit(tmp_path, monkeypatch) -> Fit:
    """``covidseg-train fit`` on three cases of three folds, with more options."""

    def learn(cases, config, encoder, run, progress, **options) -> None:
        config.save(run)
        (run / WEIGHTS).write_text(" ".join(case.name for case in cases))

    monkeypatch.setattr("CovidSegTraining.fit.training.fit", learn)
    for number in (1, 2, 3):
        write_case(tmp_path / "data", f"case{number}", slices=2, seed=number)
    (tmp_path / "data/metadata.csv").write_text("case,fold\ncase1,1\ncase2,2\ncase3,3\n")
    call = ["fit", "--data", tmp_path / "data", "--encoder", "none", "--run", tmp_path / "run"]
    return lambda *options: main([*map(str, call), *map(str, options)])


def test_nothing_of_an_earlier_training_becomes_the_result_of_the_next(fit, tmp_path):
    run = tmp_path / "run"
    left = ("config.json", BEST_WEIGHTS, "log.csv", "metrics.json", "model/network.json", "figures/cases.png")
    own = run / "figures/my own.png"
    for file in (*(run / name for name in left), own):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    assert fit("--test-fold", 3) == 0
    assert [name for name in left if (run / name).is_file()] == ["config.json"]
    assert (run / "config.json").read_text() != "{}"
    assert own.is_file()
    (run / "metrics.json").touch()
    assert fit("--test-fold", 3) == 0
    assert (run / "metrics.json").is_file(), "a training that goes on keeps what was judged"


@pytest.mark.parametrize("option", ["--init", "--encoder"])
def test_other_weights_of_the_same_name_are_another_start(fit, tmp_path, option, capsys):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "network.weights.h5").write_text(name)
    assert fit(option, tmp_path / "one/network.weights.h5") == 0
    before = (tmp_path / "run" / SPLIT).read_text()
    assert fit(option, tmp_path / "two/network.weights.h5") == 2
    assert "began from other weights" in capsys.readouterr().err
    assert (tmp_path / "run" / SPLIT).read_text() == before
    shutil.copytree(tmp_path / "one", tmp_path / "moved")
    assert fit(option, tmp_path / "moved/network.weights.h5") == 0


def test_runs_of_earlier_versions_tell_less_and_go_on(fit, tmp_path):
    assert fit() == 0
    split = json.loads((tmp_path / "run" / SPLIT).read_text())
    for key in (LABELS, BEFORE, START):
        del split[key]
    (tmp_path / "run" / SPLIT).write_text(json.dumps(split))
    (tmp_path / "run" / LOCK).unlink()
    assert fit() == 0
    assert json.loads((tmp_path / "run" / SPLIT).read_text()).keys() > split.keys()


def test_labels_that_were_corrected_meanwhile_are_another_training(fit, tmp_path, capsys):
    assert fit("--test-fold", 3) == 0
    corrected = write_case(tmp_path / "corrected", "any", slices=2, infected=False).labels
    shutil.copyfile(corrected, tmp_path / "data/labels/case3.nii.gz")
    assert fit("--test-fold", 3) == 0, "held out: nothing was learned from them"
    shutil.copyfile(corrected, tmp_path / "data/labels/case2.nii.gz")
    assert fit("--test-fold", 3) == 2
    assert "other labels" in capsys.readouterr().err


def test_the_command_tells_seed_and_rate_as_they_were_given(fit, tmp_path):
    assert fit("--seed", 20260502, "--learning-rate", 0.000123456789) == 0
    command = (tmp_path / "run" / COMMAND).read_text()
    assert "--seed 20260502 " in command
    assert "--learning-rate 0.000123456789 " in command


def test_a_command_in_the_folder_of_the_call_is_not_that_of_an_installed_network(fit, tmp_path, monkeypatch):
    (tmp_path / COMMAND).write_text("covidseg-train fit --of another\n")
    monkeypatch.chdir(tmp_path)
    assert fit("--init", "default") == 0
    assert "another" not in (tmp_path / "run" / COMMAND).read_text()


def test_two_trainings_cannot_share_a_folder(fit, tmp_path, capsys):
    with locked(tmp_path / "run"):
        assert fit() == 2
        assert "Another training is at work" in capsys.readouterr().err
        assert [file.name for file in (tmp_path / "run").iterdir()] == [LOCK]
    assert fit() == 0


def test_more_cases_may_be_of_patients_or_names_that_are_trained_on(fit, tmp_path, capsys):
    """A follow-up in another folder, and another hospital that counts its cases the same way."""
    other = tmp_path / "other"
    for name in ("case2", "later"):
        write_case(other, name, slices=2, seed=9)
    (other / "metadata.csv").write_text("case,patient,fold\ncase2,,5\nlater,case3,4\n")
    assert fit("--also", other) == 0
    (other / "metadata.csv").write_text("case,patient,fold\ncase2,,5\nlater,case1,1\n")
    assert fit("--also", other, "--run", tmp_path / "new") == 2
    assert "later of --also is held out" in capsys.readouterr().err
    (tmp_path / "data/metadata.csv").write_text("case,patient,fold\ncase1,a,1\ncase2,a,2\ncase3,c,3\n")
    assert fit("--run", tmp_path / "new") == 2
    assert "two folds: a" in capsys.readouterr().err
    assert fit("--test-fold", 0, "--run", tmp_path / "new") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--run", "FOLDER/file"), "file is a file, not a folder"),
        (("--run", "FOLDER/file/run"), "file is a file, not a folder"),
        (("--run", "FOLDER/run[1]"), "in its path"),
        (("--seed", "-1"), "seed must be at least 0"),
        (("--seed", 2**32), "seed must be at most 4294967295"),
        (("--learning-rate", "inf"), "learning_rate must be a number"),
        (("--config", "FOLDER/utf16.json"), "no text in UTF-8"),
        (("--config", "FOLDER/scale.json"), "augmentation.scale cannot be (0.0, 1.0)"),
    ],
)
def test_a_place_or_a_number_that_cannot_work_is_told_in_one_line(fit, tmp_path, options, message, capsys):
    (tmp_path / "file").touch()
    (tmp_path / "utf16.json").write_text('{"steps": 3}', encoding="utf-16")
    (tmp_path / "scale.json").write_text('{"augmentation": {"scale": [0, 1]}}', encoding="utf-8-sig")
    assert fit(*(str(option).replace("FOLDER", str(tmp_path)) for option in options)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_a_folder_where_nothing_may_be_written_is_told_before_any_work(fit, tmp_path, monkeypatch, capsys):
    assert fit() == 0
    monkeypatch.setattr(os, "access", lambda *_: False)
    calls = {
        "fit": fit,
        "check": lambda: main(["check", str(tmp_path / "data"), "--json", str(tmp_path / "c.json")]),
        "card": lambda: main(["card", "--facts", str(tmp_path / "facts.json")]),
        "figures": lambda: main(["figures", "--run", str(tmp_path / "run")]),
        "export": lambda: main(["export", "--run", str(tmp_path / "run"), "--name", "n", "--to", str(tmp_path)]),
        "evaluate": lambda: main(["evaluate", "--run", str(tmp_path / "run"), "--data", str(tmp_path / "data")]),
        "preset": lambda: main(["preset", "seed", "--data", str(tmp_path / "data"), "--run", str(tmp_path)]),
    }
    (tmp_path / "facts.json").write_text('{"limits": "None."}')
    for name, call in calls.items():
        assert call() == 2, name
        assert "Files cannot be made in the folder" in capsys.readouterr().err, name


@pytest.mark.parametrize("options", [("--size", 200), ("--epochs", 0)])
def test_the_preset_names_a_size_and_a_length_that_cannot_be(fit, tmp_path, options, capsys):
    call = ["preset", "seed", "--data", tmp_path / "data", "--encoder", "none", "--run", tmp_path / "seed", *options]
    assert main(list(map(str, call))) == 2
    assert f"error: {options[0]} must be" in capsys.readouterr().err


def test_an_export_without_a_name_is_refused(fit, tmp_path, capsys):
    assert fit() == 0
    assert main(["export", "--run", str(tmp_path / "run"), "--name", "", "--to", str(tmp_path / "to")]) == 2
    assert "a name that no file can have" in capsys.readouterr().err


def test_a_layer_that_is_not_the_encoders_is_named():
    from CovidSegTraining.fit import training

    with pytest.raises(InputError, match="no layer named logits"):
        training._freeze(training.build_network((64, 64), None), "logits")
