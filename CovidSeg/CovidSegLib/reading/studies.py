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
from .dicom_files import files_below, is_dicom
from .dicom_headers import read_elements, study_of

STUDY_MARK = "_study-"
"""What stands before the number of a study that shares a folder with others."""

_Key = tuple[str, str]
"""Patient and study, as the headers call them."""


@dataclass
class Study:
    """One study of one patient: its DICOM ``files``, and whether a CT is among them."""

    files: list[Path] = field(default_factory=list)
    has_ct: bool = False


def find_studies(paths: Sequence[Path], progress: Progress) -> list[Study]:
    """The studies among ``paths`` (DICOM files), in the order of their files.

    Those without a CT are left out where others have one. Files that tell no study, or are cut off while they tell it,
    count to the one they lie in or to the only one there is, or make one of their own. Raises Cancelled.
    """
    found: dict[_Key, Study] = {}
    for number, path in enumerate(paths):
        progress.step("looking", number, len(paths))
        patient, study, is_ct = study_of(path)
        entry = found.setdefault((patient, study), Study())
        entry.files.append(path)
        entry.has_ct |= is_ct
    _absorb_cut_off(found)
    studies = list(found.values())
    return [study for study in studies if study.has_ct] or studies


def _absorb_cut_off(found: dict[_Key, Study]) -> None:
    """Give the files whose study cannot be read to the studies that they were cut off from: they name no case."""
    unsure = {key for key in found if not key[1] or any(other != key and _may_begin(key, other) for other in found)}
    unsure = {key for key in unsure if not key[1] or not any(_is_whole(path) for path in found[key].files)}
    for key in [key for key in found if key in unsure]:
        study = found[key]
        others = [found[other] for other in found if other not in unsure and _may_begin(key, other)]
        left: list[Path] = []
        for path in study.files:
            home = None if study.has_ct and others and _is_whole(path) else _home(path, others, study.has_ct)
            (left if home is None else home.files).append(path)
        study.files = left
        if not left:
            del found[key]


def _is_whole(path: Path) -> bool:
    """Whether the file reaches to an image: whole files without identifiers are scans as well."""
    return bool(read_elements(path, ("Rows",)).get("Rows"))


def _may_begin(key: _Key, other: _Key) -> bool:
    """Whether a file that tells ``key`` may be one of the study ``other``, cut off."""
    return key[0] in ("", other[0]) and other[1].startswith(key[1])


def _home(path: Path, studies: Sequence[Study], is_ct: bool) -> Study | None:
    """The one of ``studies`` that ``path`` belongs to; ``is_ct``: the file still tells that it is a CT."""
    if len(studies) < 2:
        return next(iter(studies), None)
    if not is_ct:
        return None
    # Slices of a scan lie together: the file before it in the same folder.
    beside = [(other, study) for study in studies for other in study.files if other.parent == path.parent]
    before = [(other, study) for other, study in beside if other < path]
    if before:
        return max(before, key=lambda found: found[0])[1]
    return min(beside, key=lambda found: found[0])[1] if beside else None


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
                name = f"{names[[n.casefold() for n in names].index(key)]}{STUDY_MARK}{seen[key]}"
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
