"""A model from a file: taken in whole and verified, or refused with nothing left behind."""

from __future__ import annotations

import errno
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from CovidSegLib.errors import ModelError
from CovidSegLib.network import model_import, models
from CovidSegLib.network.model_import import import_model


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of models, empty at first."""
    folder = tmp_path / "users models"
    monkeypatch.setenv("COVIDSEG_MODELS", str(folder))
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The shipped network under another name, as card and weights in a folder; returns the card."""
    folder = tmp_path / "usb stick"
    folder.mkdir()
    model = models.find("default")
    for file in model.files:
        shutil.copy(file, folder)
    card = {**model.card, "name": "our-hospital"}
    (folder / "our-hospital.json").write_text(json.dumps(card), encoding="utf-8")
    return folder / "our-hospital.json"


def packed(card: Path, *, inside: str = "", leave_out: str = "") -> Path:
    file = card.parent / "model.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for part in card.parent.iterdir():
            if part != file and part.suffix != leave_out:
                archive.write(part, f"{inside}{part.name}")
    return file


def left(users: Path) -> list[Path]:
    return list(users.iterdir()) if users.exists() else []


@pytest.mark.parametrize("inside", ["", "some folder/"])
def test_a_zip_is_taken_in_and_found_by_name(source: Path, users: Path, inside: str) -> None:
    model = import_model(packed(source, inside=inside))
    assert model.folder == users
    assert "our-hospital" in [known.name for known in models.installed()]
    models.verify(models.find("our-hospital"))
    assert sorted(file.name for file in left(users)) == ["our-hospital.json", "our-hospital.keras", "our-hospital.onnx"]


def test_a_card_beside_its_weights_is_taken_in(source: Path, users: Path) -> None:
    assert import_model(source).name == "our-hospital"
    models.verify(models.find("our-hospital"))


def test_altered_weights_are_refused(source: Path, users: Path) -> None:
    weights = next(source.parent.glob("*.onnx"))
    data = bytearray(weights.read_bytes())
    data[1000] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256"):
        import_model(packed(source))
    assert left(users) == []


def test_a_zip_without_its_weights_is_refused(source: Path, users: Path) -> None:
    with pytest.raises(ModelError, match="lacks the weights"):
        import_model(packed(source, leave_out=".onnx"))
    assert left(users) == []


def test_what_is_no_model_is_refused_in_a_sentence(tmp_path: Path, users: Path) -> None:
    for name, content in (("a.zip", b"PK no zip"), ("b.json", b"[1, 2]"), ("c.onnx", b"weights alone")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError):
            import_model(tmp_path / name)
    with pytest.raises(ModelError):
        import_model(tmp_path / "not there.zip")
    assert left(users) == []


def test_a_card_cannot_reach_out_of_its_folder(source: Path, users: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"not a model")
    card = json.loads(source.read_text())
    card["files"]["onnx"]["name"] = "../secret"
    source.write_text(json.dumps(card))
    for file in (source, packed(source)):
        with pytest.raises(ModelError, match="outside its own folder"):
            import_model(file)
    card = json.loads(models.find("default").folder.joinpath("covidseg-mobilenetv2-1.json").read_text())
    source.write_text(json.dumps({**card, "name": "../../evil"}))
    with pytest.raises(ModelError, match="a name that no file can have"):
        import_model(source)
    assert left(users) == []


def test_the_shipped_model_cannot_be_replaced_by_an_import(source: Path, users: Path) -> None:
    card = {**json.loads(source.read_text()), "name": models.DEFAULT_NAME}
    source.write_text(json.dumps(card))
    with pytest.raises(ModelError, match="came with CovidSeg"):
        import_model(source)


def test_a_second_import_of_the_same_name_replaces_the_first(source: Path, users: Path) -> None:
    import_model(source)
    card = {**json.loads(source.read_text()), "description": "newer"}
    source.write_text(json.dumps(card))
    import_model(source)
    assert models.find("our-hospital").card["description"] == "newer"


def test_a_full_disk_is_said_and_leaves_nothing(source: Path, users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(model_import.shutil, "copyfile", full)
    with pytest.raises(ModelError, match=r"The disk is full: the model was not imported\. Free some space"):
        import_model(source)
    assert left(users) == []


def test_a_folder_of_models_that_cannot_be_made_is_said(source: Path, users: Path) -> None:
    users.write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(ModelError, match="The folder for imported models cannot be written"):
        import_model(source)
