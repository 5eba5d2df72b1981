"""The cases of a folder, for batch runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .dicom import holds_dicom
from .dicom_headers import is_dicom
from .files import SUFFIXES, suffix_of


@dataclass(frozen=True)
class FoundCase:
    """One CT of a folder: ``path`` (file or DICOM folder) and ``stem``, the name that its results get."""

    stem: str
    path: Path


def find_cases(folder: Path) -> list[FoundCase]:
    """Every case in ``folder``: files that :func:`read_ct` knows, and sub-folders that hold DICOM files, by name.

    A folder that holds nothing but loose DICOM files is one case. Hidden files and segmentations are no cases.
    Stems differ, also where letter case does not count; of inputs with the same name each gets its kind appended.
    Raises InputError when there is nothing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("The input folder does not exist.", "Give a folder with CT files or DICOM sub-folders.")
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        found = [entry for entry in entries if _is_case(entry)]
        if not found and any(is_dicom(entry) for entry in entries if entry.is_file()):
            found = [folder.resolve()]
    except OSError:
        raise InputError("The folder cannot be read.", "Check that you may open it.") from None
    if not found:
        raise InputError(
            "The folder holds no CT.", f"Put {', '.join(sorted(SUFFIXES))} files or folders with DICOM series into it."
        )
    return sorted(_named(found), key=lambda case: case.stem)


def _is_case(entry: Path) -> bool:
    return holds_dicom(entry) if entry.is_dir() else entry.is_file() and suffix_of(entry.name) != ""


def _named(paths: list[Path]) -> list[FoundCase]:
    plain = {path: path.name[: len(path.name) - len(_kind(path))] for path in paths}
    often = Counter(stem.casefold() for stem in plain.values())
    taken = {stem.casefold() for stem in plain.values() if often[stem.casefold()] == 1}
    cases = []
    for path, stem in plain.items():
        if often[stem.casefold()] > 1:
            longer = stem + (_kind(path) or ".dicom").replace(".", "_")
            stem, number = longer, 2
            while stem.casefold() in taken:
                stem, number = f"{longer}_{number}", number + 1
            taken.add(stem.casefold())
        cases.append(FoundCase(stem, path))
    return cases


def _kind(path: Path) -> str:
    """The suffix that is cut off for the stem; a folder keeps its whole name."""
    return "" if path.is_dir() else suffix_of(path.name)
