"""The cases of a folder, for batch runs."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..progress import Progress
from .archives import SUFFIX as ZIP
from .archives import scan_suffix
from .dicom_files import is_dicom, is_hidden_dicom, is_special
from .files import SUFFIXES
from .studies import find_studies, study_names
from .trees import (
    HIDDEN,
    HIDDEN_FOLDER,
    LINK,
    SPECIAL,
    Kind,
    is_scan_file,
    leads_nowhere,
    leads_up,
    left_out_as,
    left_out_in_words,
    look_below,
)

_LONGEST_STEM = 255 - len(".seg.nrrd")
"""Bytes: a file system takes names of 255 at most, also for a result."""

_CUT_STEM = 200


@dataclass(frozen=True)
class FoundCase:
    """One CT of a folder: ``path`` (file or DICOM folder) and ``stem``, the name that its results get.

    ``prefix``: what every name that it may get begins with.
    ``files``: the DICOM files of its study, where the folder holds other studies too; empty otherwise.
    ``first_file``, ``folder``: of the study the first file and the deepest folder with all of them; of a file itself.
    """

    stem: str
    prefix: str
    path: Path
    files: tuple[Path, ...]
    first_file: Path
    folder: Path


def find_cases(
    folder: Path, progress: Progress | None = None, is_results: Callable[[Path], bool] = lambda folder: False
) -> list[FoundCase]:
    """Every case in ``folder`` and below, by name: the files that :func:`read_ct` knows, and the DICOM studies.

    A file in a sub-folder is called after its path ("sub-01_ct"). A sub-folder with one study is one case, whatever its
    depth, and has the sub-folder's name; a sub-folder with several (many patients, or visits) is a case for each. Loose
    DICOM files are cases of the folder itself. A sub-folder that may not be opened is a case that cannot be read.
    Hidden files and segmentations are no cases. Stems differ, also where letter case does not count; of inputs with the
    same name each gets its kind appended; a name too long for results is cut.

    ``progress`` gets the stage "looking", and a notice of what was left out: packed files, links to folders below the
    first level, files in sub-folders that are ``is_results``.
    Raises InputError when there is nothing, Cancelled.
    """
    folder = Path(folder)
    progress = progress or Progress()
    if folder.is_file():
        raise InputError("The input is a file, not a folder.", "Give its folder; covidseg segment takes one scan.")
    if not folder.is_dir():
        raise InputError("The input folder does not exist.", "Give a folder with CT files or DICOM sub-folders.")
    left_out = Counter[Kind]()
    try:
        found = _in_entries(folder, progress, is_results, left_out)
    except OSError:
        raise InputError("The folder cannot be read.", "Check that you may open it.") from None
    if left_out:
        progress.notice("looking", left_out_in_words(left_out))
    if not found:
        raise InputError(
            "The folder holds no CT.",
            f"Put {', '.join(sorted([*SUFFIXES, ZIP]))} files or folders with DICOM series into it.",
        )
    return sorted(_with_stems(found), key=lambda case: case.stem)


def _in_entries(
    folder: Path, progress: Progress, is_results: Callable[[Path], bool], left_out: Counter[Kind]
) -> list[_Named]:
    """The cases of all entries of ``folder``; ``left_out`` counts what is none and may hold one. Raises OSError."""
    everything = sorted(folder.iterdir())
    entries = [entry for entry in everything if not entry.name.startswith(".")]
    left_out.update(HIDDEN_FOLDER if os.path.isdir(entry) else HIDDEN for entry in everything if is_hidden_dicom(entry))
    files = [entry for entry in entries if os.path.isfile(entry)]
    loose = [entry for entry in files if is_dicom(entry)]
    scans = [entry for entry in files if is_scan_file(entry)]
    found = [_Named.of(entry, folder) for entry in scans]
    for entry in files:
        if entry not in scans and entry not in loose:
            left_out.update(left_out_as(entry))
    for entry in entries:
        if is_special(entry):
            left_out[SPECIAL] += 1
        elif leads_nowhere(entry) or (os.path.isdir(entry) and leads_up(entry)):
            left_out[LINK] += 1
        elif os.path.isdir(entry):
            tree = look_below(entry, is_results)
            found += [_Named.of(path, folder) for path in (*tree.images, *tree.closed)]
            found += _in_folder(entry, tree.dicom, progress)
            if tree.has_closed_slices and not tree.dicom:
                found.append(_Named.of(entry, folder))
            left_out += tree.left_out
    if loose:
        paths = [folder.resolve() / path.name for path in loose]
        found += _in_folder(folder.resolve(), paths, progress, bool(found))
    return found


@dataclass(frozen=True)
class _Named:
    """A case before its stem is settled: the ``name`` that it would like, and its ``kind`` (suffix; '' for DICOM)."""

    name: str
    prefix: str
    kind: str
    path: Path
    files: tuple[Path, ...]
    first_file: Path
    folder: Path

    @classmethod
    def of(cls, path: Path, folder: Path) -> _Named:
        """The file, or the folder as a whole, at ``path`` below ``folder``."""
        kind = "" if os.path.isdir(path) else scan_suffix(path.name)
        name = "_".join(path.relative_to(folder).parts)
        name = fitting(name[: len(name) - len(kind)])
        return cls(name, name, kind, path, (), path, path.parent if kind else path)


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
        _Named(fitting(name), folder.name, "", folder, () if whole else tuple(files), files[0], _deepest(files))
        for name, files in zip(names, [study.files for study in studies], strict=True)
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
        cases.append(FoundCase(stem, case.prefix, case.path, case.files, case.first_file, case.folder))
    return cases


def longer_stem(stem: str, kind: str, taken: Collection[str]) -> str:
    """``stem`` with ``kind`` (suffix; '' for DICOM) appended, and a number where that is in ``taken`` (case-folded)."""
    longer = stem + (kind or ".dicom").replace(".", "_")
    fitted, number = fitting(longer), 2
    while fitted.casefold() in taken:
        fitted, number = fitting(f"{longer}_{number}"), number + 1
    return fitted


def fitting(stem: str) -> str:
    """``stem``, or where no result could be called so its beginning (:func:`cut`) and a number made from all of it."""
    if len(os.fsencode(stem)) <= _LONGEST_STEM:
        return stem
    return f"{cut(stem)}_{hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]}"


def cut(stem: str) -> str:
    """What is left of a long ``stem`` when it is shortened."""
    while len(os.fsencode(stem)) > _CUT_STEM:
        stem = stem[:-1]
    return stem
