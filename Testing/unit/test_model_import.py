"""A model from a file: taken in whole and verified, or refused with nothing left behind."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import zipfile
from pathlib import Path

import pytest

from CovidSegLib.errors import ModelError
from CovidSegLib.network import model_import, models
from CovidSegLib.network.model_import import import_model
from CovidSegLib.system.unfinished import unfinished_folder
from Testing.kit.full_disk import PAGE, small_disk


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


def small(card: Path) -> Path:
    """The same with a few bytes in the place of weights, which nothing opens here."""
    content = json.loads(card.read_text())
    for kind, entry in content["files"].items():
        data = f"weights of {kind} ".encode() * 20
        (card.parent / entry["name"]).write_bytes(data)
        entry["sha256"] = hashlib.sha256(data).hexdigest()
    content.pop("metrics", None)
    card.write_text(json.dumps(content))
    return card


def packed(card: Path, *, inside: str = "", leave_out: str = "", pack: int = zipfile.ZIP_STORED) -> Path:
    file = card.parent / "model.zip"
    with zipfile.ZipFile(file, "w", pack) as archive:
        for part in card.parent.iterdir():
            if part != file and part.suffix != leave_out:
                archive.write(part, f"{inside}{part.name}")
    return file


def left(users: Path) -> list[Path]:
    """What is in the folder, besides what imports note of their cards."""
    return [file for file in users.iterdir() if file.suffix != ".imported"] if users.exists() else []


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
    card = json.loads(models.find("default").folder.joinpath(f"{models.DEFAULT_NAME}.json").read_text())
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

    monkeypatch.setattr(model_import.shutil, "copyfileobj", full)
    with pytest.raises(ModelError, match=r"The disk is full: the model was not imported\. Free some space"):
        import_model(source)
    assert left(users) == []


def test_a_small_disk_that_is_full_leaves_nothing(source: Path, users: Path) -> None:
    users.mkdir()
    with small_disk(users, sum(file.stat().st_size for file in source.parent.iterdir()) - PAGE):
        with pytest.raises(ModelError, match="The disk is full"):
            import_model(source)
        assert left(users) == []


@pytest.mark.parametrize("place", range(0, 100, 4))
def test_a_zip_with_one_altered_byte_is_refused_or_whole(source: Path, users: Path, place: int) -> None:
    """In a header, in what is packed, or in the list at the end: one byte in every twenty-fifth of the file."""
    file = packed(small(source), pack=zipfile.ZIP_DEFLATED)
    data = bytearray(file.read_bytes())
    for at in {place * len(data) // 100, len(data) - 1 - 3 * place}:
        altered = bytearray(data)
        altered[at] ^= 0x55
        file.write_bytes(altered)
        try:
            models.verify(import_model(file))
        except ModelError:
            assert left(users) == []
        else:  # a byte that means nothing, such as one of a time
            shutil.rmtree(users)


def test_a_zip_that_is_encrypted_or_packed_in_an_unknown_way_is_refused(source: Path, users: Path) -> None:
    file = packed(small(source))
    data = file.read_bytes()
    for where, value in (((6, 8), 1), ((8, 10), 99)):
        altered = bytearray(data)
        for signature, offset in ((b"PK\x03\x04", where[0]), (b"PK\x01\x02", where[1])):
            at = altered.find(signature)
            while at >= 0:
                altered[at + offset] = value
                at = altered.find(signature, at + 4)
        file.write_bytes(altered)
        with pytest.raises(ModelError, match="encrypted" if value == 1 else "not known"):
            import_model(file)
    file.write_bytes(data)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as archive:
        archive.write(source, source.name)
    with pytest.raises(ModelError, match="not known"):
        import_model(file)
    assert left(users) == []


def test_hidden_files_that_macos_adds_to_a_zip_do_not_matter(source: Path, users: Path) -> None:
    file = packed(source)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("__MACOSX/._our-hospital.json", b"\0")
    assert import_model(file).name == "our-hospital"


@pytest.mark.parametrize(
    "name", ["", ".", "a/b", "a\\b", "a.json", "a.ONNX", "default", ".hidden", "a\0b", "a\x1b[31m", "x" * 300]
)
@pytest.mark.parametrize("kind", ["onnx", "./../../../.bashrc", "../x"])
def test_names_and_kinds_that_could_lead_elsewhere_write_nothing_anywhere(
    name: str, kind: str, source: Path, users: Path, tmp_path: Path
) -> None:
    card = json.loads(source.read_text())
    entry = card["files"]["onnx"]
    source.write_text(json.dumps({**card, "name": name, "files": {kind: entry}}))
    before = sorted(tmp_path.rglob("*"))
    for file in (source, packed(source)):
        with pytest.raises(ModelError) as refused:
            import_model(file)
        assert refused.value.hint
    (source.parent / "model.zip").unlink()
    assert sorted(path for path in tmp_path.rglob("*") if not path.is_relative_to(users)) == before
    assert left(users) == []


@pytest.mark.skipif(os.name == "nt", reason="kills processes")
def test_what_a_killed_import_left_is_gone_after_the_next(source: Path, users: Path) -> None:
    users.mkdir()
    process = os.fork()
    if process == 0:
        with unfinished_folder(users) as folder:
            (folder / "a.onnx").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)
    assert len(left(users)) == 1
    import_model(source)
    assert sorted(file.name for file in left(users)) == ["our-hospital.json", "our-hospital.keras", "our-hospital.onnx"]


def test_where_the_card_cannot_be_put_in_its_place_the_earlier_model_is_as_it_was(
    source: Path, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_model(source)
    before = {file.name: file.read_bytes() for file in left(users)}
    card = {**json.loads(source.read_text()), "description": "newer"}
    source.write_text(json.dumps(card))
    replace = os.replace

    def fails(one: Path, other: Path) -> None:
        if Path(other) == users / "our-hospital.json" and "before" not in str(one) and fails.armed:
            fails.armed = False
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        replace(one, other)

    fails.armed = True
    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(ModelError):
        import_model(source)
    assert {file.name: file.read_bytes() for file in left(users)} == before


def test_a_folder_of_models_that_cannot_be_made_is_said(source: Path, users: Path) -> None:
    users.write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(ModelError, match="The folder for imported models cannot be written"):
        import_model(source)


def test_an_entry_without_a_name_does_not_matter(source: Path, users: Path) -> None:
    archive = packed(source)
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr("NAMELESS", b"")
    archive.write_bytes(archive.read_bytes().replace(b"NAMELESS", b"\0AMELESS"))  # names end at a zero
    assert import_model(archive).name == json.loads(source.read_text())["name"]
