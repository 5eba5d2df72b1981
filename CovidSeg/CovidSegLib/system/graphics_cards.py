"""Which graphics cards a computer has, as its system tells: for people to read, before any driver is loaded."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .processes import NO_WINDOW

PCI_DEVICES = Path("/sys/bus/pci/devices")
_PCI_NAMES = (Path("/usr/share/misc/pci.ids"), Path("/usr/share/hwdata/pci.ids"))
"""Where Linux keeps the names of PCI devices, if it does: the list of https://pci-ids.ucw.cz."""

NVIDIA = 0x10DE
MAKERS = {NVIDIA: "NVIDIA", 0x1002: "AMD", 0x8086: "Intel", 0x106B: "Apple", 0x5143: "Qualcomm"}
"""Makers of graphics cards by their PCI vendor number."""

_NO_CARDS = ("Microsoft Basic", "Microsoft Remote", "Microsoft Hyper-V")
"""What Windows lists among its cards where it draws without one."""

_SECONDS = 10

_NVIDIA = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
_WINDOWS = ["powershell", "-NoProfile", "-Command", "(Get-CimInstance Win32_VideoController).Name"]
_MACOS = ["system_profiler", "-json", "SPDisplaysDataType"]


@dataclass(frozen=True)
class GraphicsCard:
    """``name`` for people; ``vendor``, ``device``: its PCI numbers, 0 where the system does not tell them."""

    name: str
    vendor: int = 0
    device: int = 0


def graphics_cards() -> tuple[GraphicsCard, ...]:
    """All of them; none where the system does not tell."""
    if sys.platform == "win32":
        return cards_of_windows(_printed(_WINDOWS))
    if sys.platform == "darwin":
        return cards_of_macos(_printed(_MACOS))
    return cards_of_linux(PCI_DEVICES, _printed(_NVIDIA))


def cards_of_windows(listed: str) -> tuple[GraphicsCard, ...]:
    """From a line of name for each."""
    names = [line.strip() for line in listed.splitlines()]
    return tuple(GraphicsCard(name) for name in names if name and not name.startswith(_NO_CARDS))


def cards_of_macos(listed: str) -> tuple[GraphicsCard, ...]:
    """From what ``system_profiler`` says in JSON."""
    try:
        names = [str(one.get("sppci_model") or one["_name"]) for one in json.loads(listed)["SPDisplaysDataType"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()
    return tuple(map(GraphicsCard, names))


def cards_of_linux(devices: Path, nvidia: str = "") -> tuple[GraphicsCard, ...]:
    """From the folder of PCI ``devices``; ``nvidia``: names of its cards, one a line, as its driver's tool tells them.

    In a virtual machine that tool may know of a card, and the folder not.
    """
    its_names = [line.strip() for line in nvidia.splitlines() if line.strip()]
    found = []
    for folder in sorted(devices.glob("*")):
        try:
            kind, vendor, device = (
                int((folder / name).read_text(encoding="ascii"), 16) for name in ("class", "vendor", "device")
            )
        except (OSError, ValueError):
            continue
        if kind >> 16 == 0x03 and vendor in MAKERS:  # what draws; servers have others that only show a console
            name = its_names.pop(0) if vendor == NVIDIA and its_names else _pci_name(vendor, device)
            found.append(GraphicsCard(name, vendor, device))
    return (*found, *(GraphicsCard(name, NVIDIA) for name in its_names))


def _pci_name(vendor: int, device: int) -> str:
    """Of a list of names where there is one, else maker and numbers."""
    for file in _PCI_NAMES:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        its_own = re.search(rf"^{vendor:04x}  .*\n((?:[\t#].*\n|\n)*)", text, re.MULTILINE)
        name = re.search(rf"^\t{device:04x}  (.*)$", its_own[1], re.MULTILINE) if its_own else None
        if name:
            return f"{MAKERS[vendor]} {name[1]}"
    return f"{MAKERS[vendor]} {vendor:04x}:{device:04x}"


def _printed(command: list[str]) -> str:
    """What ``command`` prints; "" where it is not there, fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS, **NO_WINDOW)
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return done.stdout
