"""Which graphics cards a computer has, from what its system tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from CovidSegLib.system import graphics_cards
from CovidSegLib.system.graphics_cards import GraphicsCard, cards_of_linux, cards_of_macos, cards_of_windows
from CovidSegLib.system.user_folders import CACHE, MODELS


def _pci(folder: Path, number: int, kind: str, vendor: str, device: str) -> None:
    (folder / f"0000:0{number}:00.0").mkdir(parents=True)
    for name, value in (("class", kind), ("vendor", vendor), ("device", device)):
        (folder / f"0000:0{number}:00.0" / name).write_text(f"{value}\n", encoding="ascii")


def test_linux_tells_cards_by_number_and_drivers_and_lists_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tmp_path / "pci.ids"
    names.write_text("1002  AMD\n\t73ff  Navi 23 [Radeon RX 6600]\n\t\t1043 0x  Board\n8086  Intel\n\t73ff  Another\n")
    monkeypatch.setattr(graphics_cards, "_PCI_NAMES", (tmp_path / "none", names))
    devices = tmp_path / "devices"
    _pci(devices, 1, "0x030000", "0x1002", "0x73ff")
    _pci(devices, 2, "0x030200", "0x10de", "0x2330")
    _pci(devices, 3, "0x030000", "0x8086", "0x9a49")
    _pci(devices, 4, "0x030000", "0x1a03", "0x2000")  # a server's console
    _pci(devices, 5, "0x020000", "0x8086", "0x1533")  # a network card
    assert cards_of_linux(devices, "NVIDIA H100\n") == (
        GraphicsCard("AMD Navi 23 [Radeon RX 6600]", 0x1002, 0x73FF),
        GraphicsCard("NVIDIA H100", 0x10DE, 0x2330),
        GraphicsCard("Intel 8086:9a49", 0x8086, 0x9A49),
    )


def test_a_card_that_only_its_drivers_tool_knows_counts_and_damaged_entries_do_not(tmp_path: Path) -> None:
    _pci(tmp_path, 1, "nonsense", "0x1002", "0x73ff")
    assert cards_of_linux(tmp_path, "NVIDIA T4\n") == (GraphicsCard("NVIDIA T4", 0x10DE),)
    assert cards_of_linux(tmp_path / "none") == ()


def test_windows_lists_names_and_its_own_stand_ins_are_no_cards() -> None:
    listed = "Microsoft Basic Display Adapter\r\nAMD Radeon(TM) Graphics\r\n\r\n"
    assert cards_of_windows(listed) == (GraphicsCard("AMD Radeon(TM) Graphics"),)


def test_macos_tells_in_json_and_anything_else_is_no_card() -> None:
    told = {"SPDisplaysDataType": [{"_name": "kHW_AppleM1Item", "sppci_model": "Apple M1"}, {"_name": "Other"}]}
    assert cards_of_macos(json.dumps(told)) == (GraphicsCard("Apple M1"), GraphicsCard("Other"))
    assert cards_of_macos("") == cards_of_macos("[1]") == cards_of_macos('{"SPDisplaysDataType": [1]}') == ()


def test_this_computer_is_asked_without_an_error() -> None:
    assert all(card.name for card in graphics_cards.graphics_cards())


@pytest.mark.parametrize(("folder", "name"), [(MODELS, "COVIDSEG_MODELS"), (CACHE, "COVIDSEG_CACHE")])
def test_a_variable_names_another_folder_of_the_user(
    folder: object, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(tmp_path))
    assert folder.path() == tmp_path
    monkeypatch.delenv(name)
    assert "covidseg" in str(folder.path()).lower()
