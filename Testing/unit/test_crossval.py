"""Cross-validation: each fold once, and no network judged on what it was trained on."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.network import models
from CovidSegLib.system.typed_json import write_typed
from CovidSegTraining.cli import main
from CovidSegTraining.fit import crossval
from CovidSegTraining.fit.config import TrainingConfig
from CovidSegTraining.fit.crossval import Folds, also_in_fold, cross_train
from CovidSegTraining.fit.run_folder import METRICS, SPLIT, WEIGHTS
from CovidSegTraining.fit.trained_on import file_digest, name_hashes, was_trained_on
from CovidSegTraining.judge.protocol import fold_networks
from Testing.kit.training_data import write_case


def test_more_cases_can_be_for_some_folds_alone():
    texts = ("lungs:101,104@1,3,5", "lungs:102@2,4", "mine@home", "all")
    assert also_in_fold(texts, 3) == ["lungs:101,104", "mine@home", "all"]
    assert also_in_fold(texts, 4) == ["lungs:102", "mine@home", "all"]


@pytest.fixture
def calls(monkeypatch):
    """What would be run; each step leaves its result."""
    made: list[list[str]] = []

    def call(*arguments) -> None:
        arguments = list(map(str, arguments))
        made.append(arguments)
        run = Path(arguments[arguments.index("--run") + 1])
        if arguments[0] == "fit":
            run.mkdir(parents=True)
            (run / WEIGHTS).touch()
        elif arguments[0] == "evaluate":
            (run / METRICS).write_text(json.dumps({"cases": [{"case": run.name, "lung": None}]}))

    monkeypatch.setattr(crossval, "_call", call)
    return made


def test_each_fold_is_trained_judged_and_not_repeated(calls, tmp_path):
    folds = Folds(tmp_path / "data", tmp_path / "runs", ("--steps=9",), ("lungs:1@2",))
    cross_train(folds, [1, 2], None)
    assert [call[0] for call in calls] == ["fit", "evaluate"] * 2
    fits = [" ".join(call) for call in calls if call[0] == "fit"]
    assert "--test-fold 1" in fits[0]
    assert "--steps=9" in fits[0]
    assert "lungs" not in fits[0]
    assert "--also lungs:1 " in fits[1]
    assert [row["case"] for row in folds.rows([1, 2])] == ["fold1", "fold2"]
    (folds.run(2) / METRICS).unlink()
    calls.clear()
    cross_train(folds, [1, 2], None)
    assert [(call[0], call[-1][-5:]) for call in calls] == [("evaluate", "fold2")]


def test_fold_networks_are_exported_with_the_facts_of_their_card(calls, tmp_path):
    facts, networks = tmp_path / "facts.json", tmp_path / "networks"
    cross_train(Folds(tmp_path / "data", tmp_path / "runs", networks=networks, name="mine", facts=facts), [3], None)
    exported = " ".join(calls[-1])
    assert exported.startswith("export ")
    assert f"--name mine-fold3 --to {networks} --facts {facts} " in exported


def test_a_step_that_fails_stops_the_rest(monkeypatch, tmp_path):
    folds = Folds(tmp_path / "no data", tmp_path / "runs")
    with pytest.raises(crossval.StepError, match="fit failed"):
        cross_train(folds, [1, 2], None)


@pytest.fixture
def three_folds(tmp_path):
    """The call that cross-validates three cases, each in a fold of its own."""
    for number in (1, 2, 3):
        write_case(tmp_path / "data", f"case{number}", slices=2, seed=number)
    (tmp_path / "data/metadata.csv").write_text("case,fold\ncase1,1\ncase2,2\ncase3,3\n")
    return ["crossval", "--data", str(tmp_path / "data"), "--runs", str(tmp_path / "runs")]


def test_a_fold_that_is_watched_is_not_judged(calls, three_folds, tmp_path, capsys):
    (tmp_path / "c.json").write_text('{"validation_fold": 1}')
    for watched in (["--validation-fold", "1"], ["--config", str(tmp_path / "c.json")]):
        assert main([*three_folds, *watched]) == 2
        assert "with --folds 2,3" in capsys.readouterr().err
        assert not calls
        assert main([*three_folds, *watched, "--folds", "2,3"]) == 0
        assert [call[-1][-5:] for call in calls if call[0] == "fit"] == ["fold2", "fold3"]
        shutil.rmtree(tmp_path / "runs")
        calls.clear()


@pytest.mark.parametrize("folds", ["0", "1,0", "one", "-1"])
def test_folds_that_hold_nobody_out_are_refused_in_one_line(calls, three_folds, folds, capsys):
    with pytest.raises(SystemExit) as end:
        main([*three_folds, f"--folds={folds}"])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: argument --folds: {folds!r} are no folds")
    assert not calls


def test_a_case_that_some_fold_holds_out_is_refused_before_any_is_trained(calls, three_folds, tmp_path, capsys):
    assert main([*three_folds, "--also", f"{tmp_path / 'data'}:case3"]) == 2
    assert "case3 of --also is held out" in capsys.readouterr().err
    assert not calls


def test_a_card_knows_what_was_trained_on_without_naming_it():
    shipped = models.find("default").about
    card = dataclasses.replace(shipped, trained_on=tuple(name_hashes(["Miller", "Smith"])))
    assert was_trained_on(card, "Miller")
    assert not was_trained_on(card, "Jones")
    assert not was_trained_on(dataclasses.replace(shipped, trained_on=()), "Miller")
    assert "Miller" not in json.dumps(write_typed(card))


def test_fold_networks_are_found_by_name(tmp_path):
    for name in ("big-fold1", "big-fold2", "small-fold1", "big-fold1-old"):
        (tmp_path / f"{name}.json").touch()
    assert {fold: card.stem for fold, card in fold_networks(tmp_path, "big").items()} == {
        1: "big-fold1",
        2: "big-fold2",
    }
    with pytest.raises(InputError, match="no networks other-foldN"):
        fold_networks(tmp_path, "other")


def test_a_network_of_another_training_is_not_taken_for_that_of_a_fold(calls, tmp_path):
    networks = tmp_path / "networks"
    networks.mkdir()
    folds = Folds(tmp_path / "data", tmp_path / "runs", networks=networks, name="mine")
    card = networks / "mine-fold1.json"
    card.write_text('{"training": {}}')
    with pytest.raises(InputError, match=r"mine-fold1.json .* is of another training than fold1"):
        cross_train(folds, [1], None)
    assert not calls, "seen before any fold is trained"


def test_networks_of_this_training_are_kept_also_those_of_earlier_versions(calls, tmp_path):
    networks = tmp_path / "networks"
    networks.mkdir()
    folds = Folds(tmp_path / "data", tmp_path / "runs", networks=networks, name="mine")
    run, card = folds.run(1), networks / "mine-fold1.json"
    run.mkdir(parents=True)
    (run / WEIGHTS).write_text("weights")
    (run / METRICS).write_text("{}")
    TrainingConfig().save(run)
    (run / SPLIT).write_text('{"trained": [{"case": "one"}]}')
    settings = json.loads(TrainingConfig().to_json())
    del settings["deterministic"]  # of a version that had no such setting
    for kept in (
        {"trained_weights": file_digest(run / WEIGHTS)},
        {"training": settings, "trained_on": name_hashes(["one"])},
    ):
        card.write_text(json.dumps(kept))
        cross_train(folds, [1], None)
        assert not calls
    for other in (
        {"trained_weights": "0" * 64, "training": settings, "trained_on": name_hashes(["one"])},
        {"training": {**settings, "seed": 3}, "trained_on": name_hashes(["one"])},
        {"training": settings, "trained_on": name_hashes(["one", "two"])},
    ):
        card.write_text(json.dumps(other))
        with pytest.raises(InputError, match="another training"):
            cross_train(folds, [1], None)


@pytest.mark.parametrize(
    "options", [["--networks", "FOLDER/data/metadata.csv"], ["--facts", "FOLDER/none.json"], ["--name", "a/b"]]
)
def test_what_only_the_last_step_needs_is_looked_at_before_the_first(calls, three_folds, tmp_path, options, capsys):
    assert main([*three_folds, *(option.replace("FOLDER", str(tmp_path)) for option in options)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not calls
