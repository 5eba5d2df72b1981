"""What the headers of a series say of it is said in Slicer too, whose nodes have no headers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer

from CovidSegLib.gui.report_steps import save_report
from CovidSegLib.mrml.readback import measure_nodes
from CovidSegLib.mrml.scan_files import said_by_files
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from Testing.kit.dicom_files import write_series
from Testing.kit.slicers_dicom_database import DicomDatabase

if TYPE_CHECKING:
    from Testing.kit.slicer_window.module import OpenModule

SAID = {
    "projection": (
        {"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "CT_SOM5 MIP"]},
        "as projections (MIP, average) are",
    ),
    "unit": ({"RescaleType": "MGML"}, "its values are no Hounsfield units"),
    "part": ({"BodyPartExamined": "HEAD"}, "another part of the body than the chest"),
}
FIELDS, WORDS = ({name: pair[place] for name, pair in SAID.items()} for place in (0, 1))
Store = Callable[..., DicomDatabase]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Writes a series with some fields and puts it into Slicer's database."""

    def stored(**fields: object) -> DicomDatabase:
        files = write_series(tmp_path / "series", np.full((5, 12, 16), 40, np.int16), **fields)
        database = DicomDatabase(files)
        monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
        return database

    return stored


@pytest.mark.parametrize("kind", SAID)
def test_the_panel_says_of_a_loaded_series_what_the_command_says_of_its_files(
    panel: OpenModule, chest: object, store: Store, tmp_path: Path, kind: str
) -> None:
    """Slicer notes which files a scan is from after it has put the scan into the scene."""
    panel.until(lambda: "Looking" not in panel.ui.allChecksLabel.text)
    assert WORDS[kind] not in panel.ui.checksLabel.text
    chest.SetAttribute("DICOM.instanceUIDs", store(**FIELDS[kind]).uids)
    panel.until(lambda: WORDS[kind] in panel.ui.checksLabel.text)
    notes = read_ct(tmp_path / "series", Progress()).notes
    (sentence,) = [note for note in notes if WORDS[kind] in note]
    assert sentence in panel.ui.checksLabel.text.splitlines()
    assert panel.ui.applyButton.enabled


def test_values_whose_header_says_that_they_are_no_hounsfield_units_have_no_densities(
    opened: tuple, store: Store, tmp_path: Path
) -> None:
    panel, _section, node, scan = opened
    assert measure_nodes(node, scan).density is not None
    scan.SetAttribute("DICOM.instanceUIDs", store(**FIELDS["unit"]).uids)
    assert measure_nodes(node, scan).density is None
    told = json.loads(save_report(node, scan, tmp_path / "report.json").read_text(encoding="utf-8"))
    assert told["measurements"]["density"] is None
    assert WORDS["unit"] in " ".join(told["warnings"])
    panel.until(lambda: WORDS["unit"] in panel.ui.checksLabel.text)
    panel.session.readingWanted.emit()
    panel.until(
        lambda: panel.session.shown.value is not None and panel.session.shown.value.measurements.density is None
    )


@pytest.mark.parametrize("lost", ["no database", "closed", "unknown", "file gone", "no DICOM file"])
def test_where_nothing_is_known_of_the_files_the_scan_is_looked_at_as_ever(
    panel: OpenModule, chest: object, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    panel.until(lambda: "Looking" not in panel.ui.allChecksLabel.text)
    before = panel.ui.allChecksLabel.text
    database = store(**FIELDS["projection"])
    uids = {"unknown": "Unknown 1.2.3"}.get(lost, database.uids)
    if lost == "no database":
        monkeypatch.setattr(slicer, "dicomDatabase", None)
    database.isOpen = lost != "closed"
    for file in (tmp_path / "series").iterdir() if "file" in lost.lower() else ():
        file.write_bytes(b"no DICOM") if lost == "no DICOM file" else file.unlink()
    chest.SetAttribute("DICOM.instanceUIDs", uids)
    panel.until(lambda: "Looking" not in panel.ui.allChecksLabel.text)
    assert panel.ui.allChecksLabel.text == before
    assert panel.ui.applyButton.enabled


def test_files_that_come_back_are_read_again(chest: object, store: Store, tmp_path: Path) -> None:
    """As on a disk of the network: what they say of the unit must not stay unsaid until another scan is looked at."""
    chest.SetAttribute("DICOM.instanceUIDs", store(**FIELDS["unit"]).uids)
    away = (tmp_path / "series").rename(tmp_path / "away")
    assert not said_by_files(chest).of_other_unit
    away.rename(tmp_path / "series")
    assert said_by_files(chest).of_other_unit
