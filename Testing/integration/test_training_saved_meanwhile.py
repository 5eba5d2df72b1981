"""What somebody saves while ``covidseg-train`` works is there afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from CovidSegLib.errors import ChangedMeanwhileError, OutputError
from CovidSegLib.system.file_states import states_of
from CovidSegTraining.cli import command as training_command
from CovidSegTraining.cli import figures_command
from CovidSegTraining.data import pictures
from CovidSegTraining.ship import card
from Testing.kit.training_data import write_case

PRECIOUS = b"PRECIOUS WORK"


def save(file: Path) -> None:
    """As a program does that saves beside it and renames."""
    part = file.with_name("saved")
    part.write_bytes(PRECIOUS)
    part.replace(file)


def test_a_card_as_a_page_replaces_no_page_that_is_saved_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, as_markdown = tmp_path / "card.md", card.as_markdown
    call = ["card", "--markdown", str(page)]
    assert training_command.main(call) == 0
    with monkeypatch.context() as saving:
        saving.setattr(card, "as_markdown", lambda told: (save(page), as_markdown(told))[1])
        assert training_command.main(call) == 2
    assert "changed by somebody else" in capsys.readouterr().err
    assert page.read_bytes() == PRECIOUS


@pytest.mark.parametrize("command", [["card", "--markdown"], ["check", "data", "--json"], ["evaluate", "--json"]])
def test_no_scan_and_no_page_of_somebody_else_is_replaced_by_scores_or_a_card(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_case(tmp_path / "data", "one")
    for precious in (PRECIOUS, b"# The ward's notes\n", (tmp_path / "data/images/one.nii.gz").read_bytes()):
        Path("scan.nii.gz").write_bytes(precious)
        assert training_command.main([*command, "scan.nii.gz"]) == 2
        assert "scan.nii.gz exists and is no earlier output" in capsys.readouterr().err
        assert Path("scan.nii.gz").read_bytes() == precious
    Path("scan.nii.gz").write_bytes(b"")
    Path("scan.nii.gz").chmod(0o444)
    assert training_command.main([*command, "scan.nii.gz"]) == 2
    assert "write-protected" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["labels/picture_4.nii.gz", "images/picture_4.nii.gz", "metadata.csv"])
def test_cases_of_pictures_replace_no_cases_that_are_there_or_come_meanwhile(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part, kind in (("images", "jpg"), ("infection", "png")):
        (tmp_path / part).mkdir()
        Image.new("L", (8, 8), 200).save(tmp_path / part / f"4.{kind}")
    file, read = tmp_path / "cases" / name, pictures.read_pictures

    def reading(folder: Path) -> Any:
        yield from read(folder)
        file.parent.mkdir(parents=True, exist_ok=True)
        save(file)

    with monkeypatch.context() as saving:
        saving.setattr(pictures, "read_pictures", reading)
        with pytest.raises(ChangedMeanwhileError):
            pictures.write_cases(tmp_path, tmp_path / "cases")
    assert [one for one in (tmp_path / "cases").rglob("*") if one.is_file()] == [file]
    with pytest.raises(OutputError, match="holds cases already"):
        pictures.write_cases(tmp_path, tmp_path / "cases")
    assert file.read_bytes() == PRECIOUS
    file.unlink()
    assert pictures.write_cases(tmp_path, tmp_path / "cases") == 1


def test_pictures_of_a_training_replace_none_that_is_saved_while_the_network_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "scores.json").write_text('{"cases": [{"case": "a", "infection_all_slices": 0.5}]}')
    call = ["figures", "--metrics", str(tmp_path / "scores.json"), "--to", str(tmp_path / "pictures")]
    assert training_command.main(call) == 0
    drawn = {file.name: file.read_bytes() for file in (tmp_path / "pictures").iterdir()}

    def saving(*_: object) -> list:
        save(tmp_path / "pictures" / "cases.png")
        return []

    monkeypatch.setattr(figures_command, "_panels", saving)
    monkeypatch.setattr("CovidSegTraining.judge.figures.panels", lambda _panels, file: file.write_bytes(b"new"))
    assert training_command.main([*call, "--data", str(tmp_path)]) == 2
    there = {file.name: file.read_bytes() for file in (tmp_path / "pictures").iterdir()}
    assert there == {**drawn, "cases.png": PRECIOUS}


def test_an_export_replaces_no_file_of_a_saved_model_that_is_saved_meanwhile(tmp_path: Path) -> None:
    export = pytest.importorskip("CovidSegTraining.ship.export", reason="needs the extra train")
    inside = Path("n.savedmodel", "variables", "variables.index")

    def publish(states: dict[Path, str]) -> None:
        made = tmp_path / "made" / inside
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(b"new")
        export._publish([tmp_path / "made" / "n.savedmodel"], "card", tmp_path / "to" / "n.json", states)

    (tmp_path / "to").mkdir()
    publish({})
    states = dict(states_of((tmp_path / "to").rglob("*")))
    save(tmp_path / "to" / inside)
    with pytest.raises(ChangedMeanwhileError):
        publish(states)
    assert (tmp_path / "to" / inside).read_bytes() == PRECIOUS
    publish(dict(states_of((tmp_path / "to").rglob("*"))))
    files = [file for file in (tmp_path / "to").rglob("*") if file.is_file()]
    assert {file.read_bytes() for file in files} == {b"new", b"card"}
