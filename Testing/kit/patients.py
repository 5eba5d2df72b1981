"""The real scans beside the checkout (Zenodo 3757476), for pictures: a person's scan is shown with its source named."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct, read_labels

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "scans"
UNKNOWN = 254
"""Labels from here on: nobody drew there."""


@dataclass(frozen=True)
class Patient:
    """A scan, what reader 1 drew on it, and the fold whose network did not learn from it."""

    name: str
    scan: Path
    mask: Path
    fold: int

    def volume(self) -> CtVolume:
        """The scan in HU."""
        return read_ct(self.scan, Progress())

    def drawn(self) -> np.ndarray:
        """Labels of the reader, uint8 (z, y, x): 1 left lung, 2 right lung, 3 infection, 254 and more unknown."""
        return read_labels(self.mask, Progress())[0].astype(np.uint8)


def patients() -> dict[str, Patient]:
    """All scans by name; none where the folder is absent."""
    if not FOLDER.is_dir():
        return {}
    with (FOLDER / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        row["case"]: Patient(row["case"], FOLDER / row["ct_scan"], FOLDER / row["mask"], int(row["fold"]))
        for row in rows
    }
