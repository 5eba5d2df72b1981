"""One name, one network: weights with another SHA-256 have another name."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from CovidSegLib.errors import InputError
from CovidSegTraining.cli.export_command import _check_taken
from CovidSegTraining.fit.run_folder import WEIGHTS
from CovidSegTraining.fit.trained_on import file_digest

LIST = "CovidSegTraining/networks.csv"
"""Every network that ever was in the repository under this rule; rows are added, none is changed or removed."""


@pytest.fixture(scope="module")
def listed(repository: Path) -> list[dict[str, str]]:
    with (repository / LIST).open(newline="") as table:
        return list(csv.DictReader(table))


def test_every_network_in_the_repository_is_listed_with_its_checksum(
    repository: Path, listed: list[dict[str, str]]
) -> None:
    known = {row["name"]: row for row in listed}
    cards = [*repository.glob("CovidSeg/Resources/Models/*.json"), *repository.glob("CovidSegTraining/folds/*.json")]
    assert cards
    for file in cards:
        card = json.loads(file.read_text(encoding="utf-8"))
        entry = card["files"]["onnx"]
        assert card["name"] in known, f"{card['name']} is not in {LIST}: add it"
        assert entry["sha256"] == known[card["name"]]["sha256"], f"{card['name']} is another network: rename it"
        assert card["date"] == known[card["name"]]["date"]
        assert file_digest(file.with_name(entry["name"])) == entry["sha256"]


def test_no_name_and_no_checksum_is_listed_twice(listed: list[dict[str, str]]) -> None:
    for column in ("name", "sha256"):
        assert len({row[column] for row in listed}) == len(listed)


def test_no_row_of_the_list_was_ever_changed(repository: Path) -> None:
    if shutil.which("git") is None or not (repository / ".git").exists():
        pytest.skip("needs a git checkout")
    git = ["git", "-C", str(repository)]
    commits = subprocess.run([*git, "log", "--format=%H", "--", LIST], capture_output=True, text=True, check=True)
    now = (repository / LIST).read_text().splitlines()
    for commit in commits.stdout.split():
        then = subprocess.run([*git, "show", f"{commit}:{LIST}"], capture_output=True, text=True, check=True)
        assert set(then.stdout.splitlines()) <= set(now), f"a row of {commit} is gone"


def test_an_export_does_not_give_the_name_of_another_network_away(tmp_path: Path) -> None:
    run, card = tmp_path / "run", tmp_path / "mine.json"
    run.mkdir()
    (run / WEIGHTS).write_bytes(b"weights")
    _check_taken(card, run)
    card.write_text(json.dumps({"name": "mine", "trained_weights": file_digest(run / WEIGHTS)}))
    _check_taken(card, run)
    (run / WEIGHTS).write_bytes(b"others")
    with pytest.raises(InputError, match="mine is the name of another network"):
        _check_taken(card, run)
