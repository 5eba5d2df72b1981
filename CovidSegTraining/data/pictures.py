"""Single pictures of other patients as training cases: folders ``images`` (JPEG) and ``infection`` (PNG masks).

Each becomes a case of one slice; nothing is known of it but where infection is. The set that this was made for (SIRM
and MedSeg, as collected by COVID-SemiSeg) shows patients several times, so that its folds are written down here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from CovidSegLib.errors import InputError, OutputError
from CovidSegLib.system.atomic_files import OutputSet, output_errors

from .dataset import DrawnLabel
from .metadata import TABLE
from .silent_nibabel import nibabel

PIXEL_MM = 0.7
"""Pixel size that pictures are given: theirs is not known, and only the smallest lesion depends on it."""

AFFINE = np.diag([-PIXEL_MM, -PIXEL_MM, 1.0, 1.0])
"""Columns to the patient's left, rows to the back."""

FOLDS = {
    1: (4, 5, 16, 17, 24, 44, 46, 56, 29, 52),
    2: (10, 43, 45, 20, 26, 27, 14, 50, 58, 30),
    3: (12, 28, 3, 35, 67, 49, 0, 1, 19, 41),
    4: (13, 31, 33, 25, 57, 53, 37, 42, 34, 51),
    5: (11, 15, 23, 32, 39, 47, 54, 55, 2, 40),
}
"""The pictures by number: those that show one patient to the eye (10 and 43 are one slice, 4, 5, 17 and 46 one chest,
12 and 28, 35 and 67, 13 and 31), and those that look alike, are in one fold."""


def case_name(stem: str) -> str:
    """What the case of a picture is called."""
    return f"picture_{stem}"


def read_pictures(folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Stem, grey values (rows, columns; uint8) and infection (bool) of each picture. Raises InputError."""
    from PIL import Image

    for file in sorted((folder / "images").glob("*.jpg")) if folder.is_dir() else []:
        try:
            with Image.open(file) as picture, Image.open(folder / "infection" / f"{file.stem}.png") as mask:
                grey, infected = np.asarray(picture.convert("L")), np.asarray(mask.convert("L")) > 0
        except OSError as error:
            raise InputError(f"Picture {file.stem} or its mask cannot be read.", "Copy them again.") from error
        if grey.shape != infected.shape:
            raise InputError(f"Picture {file.stem} and its mask differ in size.", "Give masks of the same size.")
        yield file.stem, grey, infected


def write_cases(folder: Path, target: Path) -> int:
    """The pictures in ``folder`` as a data set in ``target``, with folds; how many.

    Raises InputError, OutputError where there are cases in ``target``: their labels may be corrected by now.
    """
    _check_target(target)
    folds = {str(number): fold for fold, numbers in FOLDS.items() for number in numbers}
    rows: list[tuple[str, int]] = []
    with OutputSet() as files, output_errors():
        for stem, grey, infected in read_pictures(folder):
            name = case_name(stem)
            labels = np.where(infected, np.uint8(DrawnLabel.INFECTION), np.uint8(DrawnLabel.LUNG_NOT_DRAWN))
            for part, plane in (("images", grey), ("labels", labels)):
                (target / part).mkdir(parents=True, exist_ok=True)
                place = files.add(target / part / f"{name}.nii.gz")
                nibabel.save(nibabel.Nifti1Image(plane.T[..., None], AFFINE), place)
            rows.append((name, folds.get(stem, len(rows) % len(FOLDS) + 1)))
        if not rows:
            raise InputError("There are no pictures.", "Give a folder with images/ (JPEG) and infection/ (PNG).")
        with files.add(target / TABLE).open("w", newline="", encoding="utf-8") as table:
            csv.writer(table).writerows([("case", "fold"), *rows])
        files.publish()
    return len(rows)


def _check_target(target: Path) -> None:
    if any([*target.glob("images/*"), *target.glob("labels/*"), *target.glob(TABLE)]):
        raise OutputError("The folder for the cases holds cases already.", "Choose another --to folder.")
