"""Which scans and labels a folder holds, in any of the layouts that public sets and hospitals use.

- A table: ``metadata.csv`` with a column ``ct_scan`` and a column ``mask`` (or ``lung_and_infection_mask``), files
  named from the table's folder; columns ``case``, ``patient`` and ``fold`` are used where they are,
  and ``reader2``, another reader's labels. With ``case``
  and no files it tells patients and folds of one of the layouts below.
- Two folders of files, one of scans (``images``, ``ct_scans``, ``COVID-19-CT-Seg_20cases``, …) and one of labels
  (``labels``, ``masks``, ``Lung_and_Infection_Mask``, …).
- One folder of pairs ``NAME_image`` and ``NAME_mask``, or a folder for each case with ``image`` and ``mask`` in it.

Files are ``.nii`` or ``.nii.gz``. They are paired by what their names say, never by their order: in the radiopaedia
half of Zenodo 3757476 the two names differ, and the case number pairs them. What lies beside them and belongs to no
case is refused, so that no scan is passed over in silence; folders beside those of the second layout are not looked at.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from CovidSegLib.errors import InputError

from .metadata import TABLE, MetadataRow, read_rows

SUFFIXES = (".nii.gz", ".nii")
IMAGE_FOLDERS = ("images", "image", "ct_scans", "ct_scan", "scans", "covid-19-ct-seg_20cases", "imagestr")
LABEL_FOLDERS = ("labels", "label", "masks", "mask", "lung_and_infection_mask", "segmentations", "labelstr")
IMAGE_WORDS = ("image", "img", "ct", "scan", "0000")
LABEL_WORDS = ("mask", "masks", "label", "labels", "seg", "segmentation")
"""How folders and files are called, in lower case; "0000" and "...tr" are nnU-Net's."""

FOLDS = 5
FOLD_SEED = 0
"""How a set without folds is parted; not a setting of a run, so that training and evaluation agree."""

MASK_COLUMNS = ("mask", "lung_and_infection_mask", "labels")
SECOND_COLUMN = "reader2"
"""Another reader's labels, of which a training can take the mean with the first's."""

_ZENODO = re.compile(r"(coronacases|radiopaedia)(?:_org)?[_-](?:covid-19-pneumonia-)?(\d+(?:_\d+)*)(?:-dcm)?")


@dataclass(frozen=True)
class Case:
    """One scan with its labels. ``fold`` is 0 where the set has no folds; scans of one ``patient`` belong together.

    ``second``: another reader's labels, where there are any. ``corrected``: False where the table says that nobody
    corrected the labels that a network drew.
    """

    name: str
    image: Path
    labels: Path
    fold: int = 0
    patient: str = ""
    second: Path | None = None
    corrected: bool = True

    @property
    def group(self) -> str:
        """The patient, or the case's own name where no patient is known."""
        return self.patient or self.name


Parts = tuple[Sequence[Case], Sequence[Case], Sequence[Case]]
"""The cases that are trained on, watched and held out."""


@dataclass(frozen=True)
class Refusal:
    """A file or row that is no case, and why, in one sentence."""

    name: str
    why: str


@dataclass(frozen=True)
class DataSet:
    """What was found in a folder. ``layout``: in words how it was read."""

    layout: str
    cases: tuple[Case, ...]
    refused: tuple[Refusal, ...]


def find_cases(folder: Path, names: tuple[str, ...] = ()) -> list[Case]:
    """All cases of a data set (or only ``names``), sorted; raises InputError where something does not fit together."""
    found = look(folder)
    for refusal in found.refused:
        if not names or refusal.name in names:
            raise InputError(f"{refusal.name}: {refusal.why}", "covidseg-train check shows all that is wrong.")
    unknown = sorted(set(names) - {case.name for case in found.cases})
    if unknown:
        raise InputError(f"The data set has no case named {', '.join(unknown)}.", "covidseg-train check lists them.")
    return [case for case in found.cases if not names or case.name in names]


def look(folder: Path) -> DataSet:
    """Pair the files in ``folder``; opens none of them.

    Raises InputError where there are no scans at all, or a table that cannot be understood.
    """
    if not folder.is_dir():
        raise InputError("The data set is not a folder.", "Give the folder that holds scans and labels.")
    rows = read_rows(folder / TABLE)
    columns = rows[0].cells if rows else {}
    mask = next((name for name in MASK_COLUMNS if name in columns), None)
    if mask and "ct_scan" in columns:
        found = _from_table(folder, rows, mask)
    elif rows and "case" not in columns:
        raise InputError(
            f"{TABLE} has neither the columns ct_scan and mask nor the column case: its rows belong to no scan.",
            "Call its columns as the README does, or call the file something else.",
        )
    else:
        found = _with_facts(_from_files(folder), rows)
    if not found.cases and not found.refused:
        raise InputError(
            "The data set has no images.", "Put scans into images/ and labels/ as CASE.nii.gz (or see the README)."
        )
    return replace(found, cases=tuple(sorted(found.cases, key=lambda case: case.name)))


def assign_folds(cases: Iterable[Case], count: int, seed: int) -> list[Case]:
    """``cases`` with folds 1 to ``count``: all scans of a patient in one, by chance but the same for the same ``seed``.

    Raises InputError where there are fewer patients than folds.
    """
    cases = list(cases)
    patients = sorted({case.group for case in cases})
    if len(patients) < count:
        raise InputError(
            f"{len(patients)} patients cannot be parted into {count} folds.",
            "Train on all with --test-fold 0, or give folds.",
        )
    order = np.random.default_rng(seed).permutation(len(patients))
    folds = {patients[index]: number % count + 1 for number, index in enumerate(order)}
    return [replace(case, fold=folds[case.group]) for case in cases]


def with_folds(cases: Iterable[Case]) -> list[Case]:
    """``cases`` as they are where any has a fold, else in :data:`FOLDS` folds, the same for the same patients."""
    cases = list(cases)
    return cases if any(case.fold for case in cases) else assign_folds(cases, FOLDS, FOLD_SEED)


def case_key(stem: str) -> str:
    """What pairs a scan with its labels: the stem; in Zenodo 3757476 source and number (radiopaedia_10_85902_1)."""
    match = _ZENODO.fullmatch(stem.lower())
    return f"{match[1]}_{match[2]}" if match else stem


def _patient(key: str) -> str:
    """radiopaedia_29_86490_1 and radiopaedia_29_86491_1 are two scans of one patient; elsewhere a case is a patient."""
    match = re.fullmatch(r"(radiopaedia_\d+)_\d+_\d+", key)
    return match[1] if match else key


def _from_table(folder: Path, rows: list[MetadataRow], mask: str) -> DataSet:
    cases, refused = [], []
    for row in rows:
        stem = _stem(Path(row["ct_scan"].replace("\\", "/") or f"row {row.number}"))
        name = row["case"] or case_key(stem)
        if row.fault:
            refused.append(Refusal(name, row.fault))
            continue
        image, labels = _inside(folder, row["ct_scan"]), _inside(folder, row[mask])
        second = _inside(folder, row[SECOND_COLUMN]) if row[SECOND_COLUMN] else None
        missing = [kind for kind, file in (("scan", image), ("label", labels)) if file is None]
        missing += ["second label"] if row[SECOND_COLUMN] and second is None else []
        if missing:
            refused.append(Refusal(name, f"The {' and '.join(missing)} file named in {TABLE} is not in the data set."))
        elif image and labels:
            patient, corrected = row["patient"] or _patient(name), row["corrected"].lower() != "no"
            cases.append(Case(name, image, labels, row.fold, patient, second, corrected))
    return _without_doubles(f"{TABLE} (ct_scan, {mask})", cases, refused)


def _inside(folder: Path, text: str) -> Path | None:
    """The file that a table means: its path, or the end of it that exists in ``folder``; never one outside."""
    parts = [part for part in re.split(r"[/\\]", text.strip()) if part not in ("", ".", "..")]
    for first in range(len(parts)):
        for file in (folder.joinpath(*parts[first:]), folder.joinpath(*parts[first:-1], f"{parts[-1]}.gz")):
            if os.path.isfile(file):  # is_file of the path would raise for a cell that is too long for a name
                return file
    return None


def _from_files(folder: Path) -> DataSet:
    images, labels = _subfolder(folder, IMAGE_FOLDERS), _subfolder(folder, LABEL_FOLDERS)
    if images and labels:
        found = _paired(
            f"folders {images.name}/ and {labels.name}/",
            [(case_key(_without_word(_stem(file), ("0000",))), file) for file in _nifti_files(images)],
            [(case_key(_stem(file)), file) for file in _nifti_files(labels)],
        )
        return _with_strangers(found, folder, [], [*_deeper(images, 1), *_deeper(labels, 1)])
    files = _nifti_files(folder) + [
        file for sub in sorted(folder.iterdir()) if sub.is_dir() for file in _nifti_files(sub)
    ]
    scans: list[tuple[str, Path]] = []
    masks: list[tuple[str, Path]] = []
    unnamed = []
    for file in files:
        stem = _stem(file)
        for words, side in ((IMAGE_WORDS, scans), (LABEL_WORDS, masks)):
            if _without_word(stem, words) != stem:
                # In a folder for each case, the folder is the case.
                side.append((case_key(_without_word(stem, words) or file.parent.name), file))
                break
        else:
            unnamed.append(file)
    found = _paired("pairs of image and mask", scans, masks)
    return _with_strangers(found, folder, unnamed, _deeper(folder, 2))


def _with_strangers(found: DataSet, folder: Path, unnamed: list[Path], deeper: Iterable[Path]) -> DataSet:
    """``found`` with files beside its cases that no case is made of; where there is no case at all, that is said."""
    if not found.cases and not found.refused:
        return found
    why = [(file, "Its name ends neither as that of an image nor as that of a mask.") for file in unnamed]
    why += [(file, "It lies deeper in folders than scans are looked for.") for file in deeper]
    refused = [Refusal(file.relative_to(folder).as_posix(), sentence) for file, sentence in why]
    return replace(found, refused=(*found.refused, *refused))


def _deeper(folder: Path, depth: int) -> Iterator[Path]:
    """NIfTI files ``depth`` or more folders below ``folder``."""
    for sub in sorted(folder.iterdir()):
        if sub.is_dir() and not sub.is_symlink() and not sub.name.startswith("."):
            yield from _deeper(sub, depth - 1)
            yield from _nifti_files(sub) if depth <= 1 else ()


def _subfolder(folder: Path, names: tuple[str, ...]) -> Path | None:
    found = {sub.name.lower(): sub for sub in folder.iterdir() if sub.is_dir()}
    return next((found[name] for name in names if name in found), None)


def _nifti_files(folder: Path) -> list[Path]:
    return sorted(
        file for file in folder.iterdir() if file.name.lower().endswith(SUFFIXES) and not file.name.startswith(".")
    )


def _stem(file: Path) -> str:
    for suffix in SUFFIXES:
        if file.name.lower().endswith(suffix):
            return file.name[: -len(suffix)]
    return file.name


def _without_word(stem: str, words: tuple[str, ...]) -> str:
    """``stem`` without one of ``words`` at its end (or without anything, where it is that word)."""
    head, _, tail = stem.rpartition("_")
    return head if tail.lower() in words else stem


def _paired(layout: str, images: list[tuple[str, Path]], labels: list[tuple[str, Path]]) -> DataSet:
    by_key = dict(labels)
    refused = [Refusal(key, "It has labels but no scan.") for key in sorted(set(by_key) - {key for key, _ in images})]
    cases = []
    for key, image in images:
        if key in by_key:
            cases.append(Case(key, image, by_key[key], 0, _patient(key)))
        else:
            refused.append(Refusal(key, "It has a scan but no label file."))
    for key, file in labels:
        if by_key[key] != file:
            refused.append(Refusal(key, "There are two label files of this name."))
    return _without_doubles(layout, cases, refused)


def _without_doubles(layout: str, cases: list[Case], refused: list[Refusal]) -> DataSet:
    by_name = defaultdict(list)
    for case in cases:
        by_name[case.name].append(case)
    doubles = [Refusal(name, "There are two scans of this name.") for name, same in by_name.items() if len(same) > 1]
    return DataSet(layout, tuple(same[0] for same in by_name.values() if len(same) == 1), (*refused, *doubles))


def _with_facts(found: DataSet, rows: list[MetadataRow]) -> DataSet:
    """Folds and patients from a table that names cases but no files."""
    known, said = {case.name for case in found.cases}, {refusal.name for refusal in found.refused}
    facts: dict[str, MetadataRow] = {}
    refused = []
    for row in rows:
        name, fault = case_key(row["case"]), row.fault
        if name in facts:
            fault = f"It has two rows in {TABLE}."
        elif name not in known:
            fault = fault or f"Its row in {TABLE} belongs to no scan of the data set."
        if fault and name not in said:
            refused.append(Refusal(name or f"row {row.number}", fault))
        facts[name] = row
    unusable = {refusal.name for refusal in refused}
    cases = tuple(_with_row(case, facts.get(case.name)) for case in found.cases if case.name not in unusable)
    return replace(found, cases=cases, refused=(*found.refused, *refused))


def _with_row(case: Case, row: MetadataRow | None) -> Case:
    if row is None:
        return case
    patient = row["patient"] or case.patient
    return replace(case, fold=row.fold, patient=patient, corrected=row["corrected"].lower() != "no")
