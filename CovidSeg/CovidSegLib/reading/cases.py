"""The cases of a folder, for batch runs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..progress import Progress
from .dicom_headers import is_dicom
from .files import SUFFIXES, suffix_of
from .studies import dicom_below, find_studies, study_names


@dataclass(frozen=True)
class FoundCase:
    """One CT of a folder: ``path`` (file or DICOM folder) and ``stem``, the name that its results get.

    ``files``: the DICOM files of its study, where the folder holds other studies too; empty otherwise.
    ``first_file``, ``folder``: of the study the first file and the deepest folder with all of them; of a file itself.
    """

    stem: str
    path: Path
    files: tuple[Path, ...]
    first_file: Path
    folder: Path


def find_cases(folder: Path, progress: Progress | None = None) -> list[FoundCase]:
    """Every case in ``folder``, by name: the files in it that :func:`read_ct` knows, and the DICOM studies below it.

    A sub-folder with one study is one case, whatever its depth, and has the sub-folder's name; a sub-folder with
    several (many patients, or visits) is a case for each. Loose DICOM files are cases of the folder itself. Hidden
    files and segmentations are no cases. Stems differ, also where letter case does not count; of inputs with the same
    name each gets its kind appended. ``progress`` gets the stage "looking". Raises InputError when there is nothing,
    Cancelled.
    """
    folder = Path(folder)
    progress = progress or Progress()
    if folder.is_file():
        raise InputError("The input is a file, not a folder.", "Give its folder; covidseg segment takes one scan.")
    if not folder.is_dir():
        raise InputError("The input folder does not exist.", "Give a folder with CT files or DICOM sub-folders.")
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        loose = [entry for entry in entries if entry.is_file() and is_dicom(entry)]
        found = [_Named.of(entry) for entry in entries if entry.is_file() and suffix_of(entry.name)]
        for entry in entries:
            if entry.is_dir():
                found += _in_folder(entry, dicom_below(entry), progress)
        if loose:
            found += _in_folder(
                folder.resolve(), [folder.resolve() / path.name for path in loose], progress, bool(found)
            )
    except OSError:
        raise InputError("The folder cannot be read.", "Check that you may open it.") from None
    if not found:
        raise InputError(
            "The folder holds no CT.", f"Put {', '.join(sorted(SUFFIXES))} files or folders with DICOM series into it."
        )
    return sorted(_with_stems(found), key=lambda case: case.stem)


@dataclass(frozen=True)
class _Named:
    """A case before its stem is settled: the ``name`` that it would like, and its ``kind`` (suffix; '' for DICOM)."""

    name: str
    kind: str
    path: Path
    files: tuple[Path, ...]
    first_file: Path
    folder: Path

    @classmethod
    def of(cls, file: Path) -> _Named:
        kind = suffix_of(file.name)
        return cls(file.name[: len(file.name) - len(kind)], kind, file, (), file, file.parent)


def _in_folder(folder: Path, paths: list[Path], progress: Progress, in_company: bool = False) -> list[_Named]:
    """The studies among the DICOM files ``paths`` in ``folder``; ``in_company``: not all below it is meant."""
    if not paths:
        return []
    studies = find_studies(paths, progress)
    if in_company and not any(study.has_ct for study in studies):
        return []  # a report or a segmentation beside the scans
    whole = len(studies) == 1 and not in_company
    names = [folder.name] if len(studies) == 1 else study_names(folder, studies)
    return [
        _Named(name, "", folder, () if whole else tuple(study.files), study.files[0], _deepest(study.files))
        for name, study in zip(names, studies, strict=True)
    ]


def _deepest(files: Sequence[Path]) -> Path:
    return Path(os.path.commonpath({file.parent for file in files}))


def _with_stems(found: list[_Named]) -> list[FoundCase]:
    often = Counter(case.name.casefold() for case in found)
    taken = {name for name, count in often.items() if count == 1}
    cases = []
    for case in found:
        stem = case.name
        if often[stem.casefold()] > 1:
            stem = longer_stem(stem, case.kind, taken)
            taken.add(stem.casefold())
        cases.append(FoundCase(stem, case.path, case.files, case.first_file, case.folder))
    return cases


def longer_stem(stem: str, kind: str, taken: Collection[str]) -> str:
    """``stem`` with ``kind`` (suffix; '' for DICOM) appended, and a number where that is in ``taken`` (case-folded)."""
    longer = stem + (kind or ".dicom").replace(".", "_")
    stem, number = longer, 2
    while stem.casefold() in taken:
        stem, number = f"{longer}_{number}", number + 1
    return stem
