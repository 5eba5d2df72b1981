"""The list of networks in the panel, and one that is imported from a file."""

from __future__ import annotations

import json
import re
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

from CovidSegLib.gui.sections import models_section
from CovidSegLib.gui.sections.models_section import describe
from CovidSegLib.network import models
from CovidSegLib.network.model_import import import_model
from Testing.kit.panel_steps import assert_window_lives, finish, sees

if TYPE_CHECKING:
    from Testing.kit.slicer_window.module import OpenModule


def pack(folder: Path, *, altered: bool = False) -> Path:
    """The shipped network as the file of another hospital."""
    model = models.find("default")
    card = {**model.card, "name": "our-hospital", "date": "2026-05-01", "licence": "CC BY 4.0"}
    file = folder / "our-hospital.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("our-hospital.json", json.dumps(card))
        for weights in model.files:
            data = weights.read_bytes()
            archive.writestr(weights.name, data[:-1] if altered else data)
    return file


def choose(monkeypatch: pytest.MonkeyPatch, file: Path | None) -> None:
    from Testing.kit.slicer_window.pythonqt import FileDialog

    monkeypatch.setattr(FileDialog, "answers", [str(file) if file else ""])


def test_the_list_shows_name_date_dice_and_licence(panel: OpenModule) -> None:
    assert panel.ui.modelSelector.currentText == models.DEFAULT_NAME
    card = models.find("default").card
    text = panel.ui.modelInfoLabel.text
    assert re.match(r"2\d{3}-\d\d-\d\d · ", text)
    assert text.startswith(card["date"])
    assert f"infection Dice {card['metrics']['mean']['infection_infected_slices']:.2f}" in text
    assert "\nLicence: " in text
    assert panel.ui.modelInfoLabel.toolTip == card["licence"]
    without_scores = {"name": "a", "files": card["files"], "inputs": {}, "date": "2026-05-01", "licence": "MIT"}
    assert describe(models.Model("a", Path(), without_scores)) == "2026-05-01\nLicence: MIT"


def test_an_imported_model_is_chosen_and_segments(
    panel: OpenModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, pack(tmp_path))
    panel.ui.advancedCollapsibleButton.collapsed = False
    panel.click("importModelButton")
    panel.until(lambda: panel.ui.importModelButton.enabled)
    assert panel.ui.modelSelector.currentText == "our-hospital"
    assert panel.ui.modelInfoLabel.text.startswith("2026-05-01 · infection Dice")
    finish(panel)
    assert panel.session.result.segmentation.provenance.model == "our-hospital"


def test_an_altered_model_is_refused_in_a_sentence(
    panel: OpenModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, pack(tmp_path, altered=True))
    panel.ui.advancedCollapsibleButton.collapsed = False
    panel.click("importModelButton")
    panel.until(lambda: sees(panel.ui.messageFrame))
    assert panel.ui.importModelButton.enabled
    assert "SHA-256" in panel.ui.messageLabel.text
    assert panel.ui.modelSelector.currentText == models.DEFAULT_NAME


def test_one_card_that_cannot_be_read_is_named_and_takes_no_other_model_away(panel: OpenModule) -> None:
    folder = models.user_models_folder()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.json").write_text("{")
    panel.session.parametersChanged.emit()
    assert panel.ui.modelSelector.currentText == models.DEFAULT_NAME
    assert panel.ui.applyButton.enabled
    assert "the card cannot be read: mine." in panel.ui.modelInfoLabel.text


def test_neither_details_nor_the_log_name_the_file_that_failed(
    panel: OpenModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Folders are named after patients, and the details are what users are asked to send."""
    choose(monkeypatch, tmp_path / "Mueller_Hans_1950" / "mine.zip")
    panel.ui.advancedCollapsibleButton.collapsed = False
    panel.click("importModelButton")
    panel.until(lambda: sees(panel.ui.messageFrame))
    assert "FileNotFoundError" in panel.ui.detailsText.plainText
    assert "Mueller" not in panel.ui.detailsText.plainText + caplog.text


def test_the_window_lives_while_a_model_is_imported(
    panel: OpenModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share that answers late stands for a file of a gigabyte."""

    def late(source: Path) -> models.Model:
        time.sleep(1.5)
        return import_model(source)

    monkeypatch.setattr(models_section, "import_model", late)
    choose(monkeypatch, pack(tmp_path))
    panel.ui.advancedCollapsibleButton.collapsed = False
    panel.click("importModelButton")
    assert panel.ui.importModelButton.text == "Importing..."
    assert not panel.ui.importModelButton.enabled
    assert_window_lives(panel, until=lambda: panel.ui.importModelButton.enabled)
    assert panel.ui.importModelButton.text == "Import model..."
    assert panel.ui.modelSelector.currentText == "our-hospital"


def test_no_file_chosen_changes_nothing(panel: OpenModule, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, None)
    panel.ui.advancedCollapsibleButton.collapsed = False
    panel.click("importModelButton")
    assert not sees(panel.ui.messageFrame)


def test_a_saved_model_that_is_missing_stays_visible_and_apply_says_so(panel: OpenModule) -> None:
    panel.session.parameters.model = "of-another-hospital"
    assert panel.ui.modelSelector.currentText == "of-another-hospital (missing)"
    assert panel.ui.statusLabel.text == "The chosen model is not installed: see Advanced."
    panel.ui.modelSelector.setCurrentIndex(0)
    assert panel.ui.applyButton.enabled
