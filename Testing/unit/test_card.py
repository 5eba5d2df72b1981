"""A card is checked before anything of it is used; a bad one costs itself only."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from CovidSegLib.anatomy.finish import FinishOptions
from CovidSegLib.cli.models_command import run_list, run_verify
from CovidSegLib.errors import ModelError
from CovidSegLib.network import models
from CovidSegLib.network.card import FINISH, checked_card, load_card

SHIPPED = models.find("default").card
ARGUMENTS = argparse.Namespace(quiet=False)


def changed(**parts: Any) -> dict[str, Any]:
    return {**copy.deepcopy(SHIPPED), **parts}


def with_weights(**entry: Any) -> dict[str, Any]:
    return changed(files={"onnx": {**SHIPPED["files"]["onnx"], **entry}})


BAD = {
    "no table": [1, 2],
    "no name": {key: value for key, value in SHIPPED.items() if key != "name"},
    "name of a folder": changed(name="a/b"),
    "name is null": changed(name=None),
    "no files": changed(files={}),
    "files are a list": changed(files=[1]),
    "another kind": changed(files={"exe": SHIPPED["files"]["onnx"]}),
    "no sha256": changed(files={"onnx": {"name": "a.onnx"}}),
    "sha256 is a number": with_weights(sha256=7),
    "sha256 is short": with_weights(sha256="ab"),
    "weights name is null": with_weights(name=None),
    "weights name with a zero byte": with_weights(name="a\0.onnx"),
    "weights elsewhere": with_weights(name="../a.onnx"),
    "weights elsewhere on Windows": with_weights(name="..\\a.onnx"),
    "weights of another ending": with_weights(name="a.py"),
    "an entry is no table": changed(files={"onnx": "a.onnx"}),
    "no inputs": changed(inputs=None),
    "another shape": changed(inputs={**SHIPPED["inputs"], "shape": 512}),
    "a window without width": changed(inputs={**SHIPPED["inputs"], "hu_window": [400, 400]}),
    "another range": changed(inputs={**SHIPPED["inputs"], "range": [0, 1]}),
    "a size for giants": changed(inputs={**SHIPPED["inputs"], "shape": [4096, 4096]}),
    "no class of infection": changed(classes=["neither", "lung"]),
    "a class that means nothing": changed(classes=["a", "b", "c"], means=["neither", "lung", "bone"]),
    "a class without a meaning": changed(classes=["a", "b", "c", "d"], means=["neither", "lung", "infection"]),
    "finish of another version": changed(finish={"edge": 1}),
    "finish is a text": changed(finish={"lung": "0.5"}),
    "finish is not finite": changed(finish={"lung": float("nan")}),
    "finish is larger than any number": changed(finish={"lung": 10**400}),
    "metrics are a list": changed(metrics=[1]),
    "mean is a text": changed(metrics={"mean": "good"}),
    "licence is a table": changed(licence={}),
    "cases are numbers": changed(trained_on=[1]),
}


@pytest.mark.parametrize("card", BAD.values(), ids=BAD)
def test_a_card_of_another_form_is_refused_in_a_sentence(card: Any) -> None:
    with pytest.raises(ModelError) as refused:
        load_card(json.dumps(card).encode())
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff{}", b"", b"{}" * 2, b'{"name": 1' + b"0" * 5000 + b"}"])
def test_what_is_no_json_is_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_card(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3),
    max_leaves=6,
)
PLACES = [(key,) for key in SHIPPED] + [("files", "onnx"), ("files", "onnx", "name"), ("files", "onnx", "sha256")]
PLACES += [("inputs", key) for key in SHIPPED["inputs"]] + [("finish", "lung"), ("metrics", "mean")]


@given(st.sampled_from(PLACES), JSON)
def test_whatever_stands_in_a_card_it_is_used_or_refused(place: tuple[str, ...], value: Any) -> None:
    card = copy.deepcopy(SHIPPED)
    part = card
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    try:
        about = checked_card(card)
    except ModelError:
        return
    FinishOptions(**about.finish)
    model = models.Model(about.name, Path(), card)
    assert len(model.sha256) == 64
    assert all(file.parent == Path() for file in model.files)


def test_a_card_may_set_what_finishing_knows() -> None:
    assert {field.name for field in dataclasses.fields(FinishOptions)} == set(FINISH)


def test_a_network_without_onnx_weights_is_known_by_its_others() -> None:
    keras = {"name": "a.keras", "sha256": "0" * 64}
    model = models.Model("a", Path(), changed(name="a", files={"keras": keras}))
    assert model.sha256 == "0" * 64
    with pytest.raises(ModelError, match="no onnx weights"):
        model.read("onnx")


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder with bad cards of every kind, and what is no file."""
    monkeypatch.setenv("COVIDSEG_MODELS", str(tmp_path))
    for number, card in enumerate(BAD.values()):
        (tmp_path / f"bad{number}.json").write_text(json.dumps(card))
    (tmp_path / "deep.json").write_bytes(b"[" * 100_000)
    (tmp_path / "folder.json").mkdir()
    if os.name != "nt":
        os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "colour.json").write_text(json.dumps(changed(name="colour", title="\x1b[31mred")))
    return tmp_path


def test_bad_cards_are_told_and_cost_no_other_network_its_place(users: Path, capsys: pytest.CaptureFixture) -> None:
    assert run_list(ARGUMENTS) == 0
    listed = capsys.readouterr()
    assert models.DEFAULT_NAME in listed.out
    assert "\x1b" not in listed.out
    assert len(listed.err.splitlines()) == len(list(users.iterdir())) - 1
    assert run_verify(ARGUMENTS) == 2
    verified = capsys.readouterr()
    assert f"{models.DEFAULT_NAME}: intact" in verified.out
    assert "error: colour: The onnx weights of colour cannot be read." in verified.err
    assert len(verified.err.splitlines()) == len(list(users.iterdir()))
