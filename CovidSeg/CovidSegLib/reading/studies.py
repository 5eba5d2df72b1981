"""The CT studies in a tree of DICOM folders, and a name for each that comes from the folders alone.

A tree may hold one patient or hundreds, a folder for each series or everything in one: only the headers tell. What
they say (patient, study) is compared here and goes no further; names are made of folder names, which are the user's.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..progress import Progress
from .dicom_headers import files_below, is_dicom, study_of


@dataclass
class Study:
    """One study of one patient: its DICOM ``files``, and whether a CT is among them."""

    files: list[Path] = field(default_factory=list)
    has_ct: bool = False


def find_studies(paths: Sequence[Path], progress: Progress) -> list[Study]:
    """The studies among ``paths`` (DICOM files), in the order of their files.

    Those without a CT are left out where others have one. Files that tell no study count to the only one there is, or
    make one of their own. Raises Cancelled.
    """
    found: dict[tuple[str, str], Study] = {}
    for number, path in enumerate(paths):
        progress.step("looking", number, len(paths))
        patient, study, is_ct = study_of(path)
        entry = found.setdefault((patient, study), Study())
        entry.files.append(path)
        entry.has_ct |= is_ct
    nameless = found.get(("", ""))
    if nameless is not None and len(found) == 2 and not nameless.has_ct:
        found.pop(("", ""))
        next(iter(found.values())).files.extend(nameless.files)
    studies = list(found.values())
    return [study for study in studies if study.has_ct] or studies


def dicom_below(folder: Path) -> list[Path]:
    """Every DICOM file in ``folder`` and below, sorted."""
    return sorted(path for path in files_below(folder) if is_dicom(path))


def study_names(folder: Path, studies: Sequence[Study]) -> list[str]:
    """A name for each of ``studies`` (more than one) that lie below ``folder``: all different.

    The folders that tell them apart, joined by ``_`` ("P007_2nd visit"); where they share a folder, a number.
    """
    places = [Path(os.path.commonpath([path.parent for path in study.files])).relative_to(folder) for study in studies]
    names = [_name(folder, place, [other for other in places if other is not place]) for place in places]
    often, seen = Counter(name.casefold() for name in names), Counter[str]()
    taken = {name.casefold() for name in names if often[name.casefold()] == 1}
    numbered = []
    for name in names:
        if often[name.casefold()] > 1:
            key, name = name.casefold(), ""
            while not name or name.casefold() in taken:
                seen[key] += 1
                name = f"{names[[n.casefold() for n in names].index(key)]}_study-{seen[key]}"
            taken.add(name.casefold())
        numbered.append(name)
    return numbered


def _name(folder: Path, place: Path, others: list[Path]) -> str:
    """``folder`` and as many parts of ``place`` below it as it takes to differ from the ``others``."""
    depth = next(
        (
            depth
            for depth in range(len(place.parts))
            if all(other.parts[:depth] != place.parts[:depth] for other in others)
        ),
        len(place.parts),
    )
    return "_".join([folder.resolve().name, *place.parts[:depth]])
