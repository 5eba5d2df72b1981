"""A person who does not exist, planted in DICOM headers, and the search for what got out."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

NAME, IDENTITY, BIRTH_DATE = "Quesada^Zenobia", "ID-73519", "19470829"
PLANTED = ("Quesada", "Zenobia", IDENTITY, BIRTH_DATE, "1947-08-29", "29.08.1947", "Saint Swithin", "20200417")
PERSON = {
    "PatientName": NAME,
    "PatientID": IDENTITY,
    "PatientBirthDate": BIRTH_DATE,
    "InstitutionName": "Saint Swithin",
    "StudyDate": "20200417",
    "SeriesDescription": f"Thorax {NAME}",
    "ReferringPhysicianName": NAME,
    "StudyDescription": f"CT {NAME} {BIRTH_DATE}",
}


def files_below(folder: Path) -> dict[str, bytes]:
    """Everything in ``folder`` by name; folders have no content."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def leaks(text: bytes) -> list[str]:
    """What is planted and found in ``text``, also in UTF-16."""
    lower = text.lower()
    return [word for word in PLANTED if word.lower().encode() in lower or word.lower().encode("utf-16-le") in lower]


def all_leaks(seen: Mapping[str, bytes]) -> dict[str, list[str]]:
    """What is planted and found in the names and contents of ``seen``, also inside packed files."""
    unpacked = {f"{name} unpacked": gzip.decompress(data) for name, data in seen.items() if data[:2] == b"\x1f\x8b"}
    found = {name: leaks(name.encode() + data) for name, data in {**seen, **unpacked}.items()}
    return {name: words for name, words in found.items() if words}
