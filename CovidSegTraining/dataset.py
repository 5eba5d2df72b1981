"""Training cases on disk, streamed slice by slice: memory does not grow with the number of scans.

A data set is a folder with ``images/CASE.nii.gz`` (HU, scaled by slope and intercept), ``labels/CASE.nii.gz`` and,
for cross-validation, ``metadata.csv`` with the columns ``case`` and ``fold``. Labels: see :class:`Label`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import nibabel
import numpy as np

from CovidSegLib.errors import InputError
from CovidSegLib.network.inputs import SliceFraming
from CovidSegLib.volume import AxialOrder, axial_order, spacing

SUFFIX = ".nii.gz"

_READ_BUFFER = 2**18


class Label(IntEnum):
    """Values in a training label file."""

    NEITHER = 0
    LEFT_LUNG = 1
    RIGHT_LUNG = 2
    INFECTION = 3
    LUNG_NOT_DRAWN = 254
    """Nobody drew lungs here; that there is no infection is known."""
    UNKNOWN = 255


@dataclass(frozen=True)
class Case:
    """One scan with its labels. ``fold`` is 0 where the set has no folds."""

    name: str
    image: Path
    labels: Path
    fold: int = 0


def find_cases(folder: Path, names: tuple[str, ...] = ()) -> list[Case]:
    """All cases of a data set (or only ``names``), sorted; raises InputError where an image has no labels."""
    images = sorted((folder / "images").glob(f"*{SUFFIX}"))
    known = [image.name.removesuffix(SUFFIX) for image in images]
    unknown = sorted(set(names) - set(known))
    if not images or unknown:
        what = f"no case named {', '.join(unknown)}" if unknown else "no images"
        raise InputError(f"The data set has {what}.", f"Put scans into images/ and labels/ as CASE{SUFFIX}.")
    folds = _folds(folder / "metadata.csv")
    cases = [
        Case(name, image, folder / "labels" / image.name, folds.get(name, 0))
        for name, image in zip(known, images, strict=True)
        if not names or name in names
    ]
    for case in cases:
        if not case.labels.is_file():
            raise InputError(f"Case {case.name} has no label file.", f"Put it into labels/ as {case.labels.name}.")
    return cases


def _folds(table: Path) -> dict[str, int]:
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8") as file:
        return {row["case"]: int(row["fold"]) for row in csv.DictReader(file)}


class SliceFile:
    """One NIfTI file whose upright axial slices are read one at a time, each decompressed only when asked for."""

    def __init__(self, path: Path) -> None:
        from indexed_gzip import IndexedGzipFile

        # Random access is cheap as long as the index is kept; a buffer of 4 MB for each of thousands of files is not.
        file = IndexedGzipFile(str(path), buffer_size=_READ_BUFFER)
        self._proxy = nibabel.Nifti1Image.from_file_map({"image": nibabel.FileHolder(fileobj=file)})
        self.affine: np.ndarray = self._proxy.affine
        self._order: AxialOrder = axial_order(self.affine)
        i, j, k = self._proxy.shape
        self.shape: tuple[int, int, int] = tuple((k, j, i)[axis] for axis in self._order.permutation)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Upright (column, row, slice) distances in mm, as x, y, z."""
        grid = spacing(self.affine)[::-1]
        return tuple(grid[axis] for axis in self._order.permutation)[::-1]

    def plane(self, k: int) -> np.ndarray:
        """Upright axial slice ``k`` (0 nearest to the feet), float32 (rows to the back, columns to the left)."""
        axis = self._order.permutation[0]
        wanted = [slice(None)] * 3
        index = len(self) - 1 - k if self._order.flips[0] else k
        wanted[2 - axis] = slice(index, index + 1)
        grid = np.asarray(self._proxy.dataobj[tuple(wanted)], dtype=np.float32).transpose(2, 1, 0)
        # The flip along the slice axis is already in the index; on one slice it changes nothing.
        return self._order.to_axial(grid)[0]


class FramedCase:
    """A case as the network sees it: inputs and labels of one slice at a time."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._image, self._labels = SliceFile(case.image), SliceFile(case.labels)
        if self._image.shape != self._labels.shape:
            raise InputError(
                f"Image and labels of case {case.name} have different sizes, {self._image.shape} and "
                f"{self._labels.shape} (z, y, x).",
                "Bring them to one grid.",
            )
        self.framing = SliceFraming.of_scan(self._image.plane, len(self._image), self._image.spacing)

    def __len__(self) -> int:
        return len(self._image)

    def slice(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Slice ``k``: float32 (rows, columns, 3) in [-1, 1] and uint8 labels (rows, columns)."""
        inputs = self.framing.channels(self.picture, k, len(self))
        return inputs, self.framing.labels_to_network(self.label_plane(k), int(Label.LUNG_NOT_DRAWN))

    def picture(self, k: int) -> np.ndarray:
        """Slice ``k`` alone as the network sees it: float32 (rows, columns) in [-1, 1]."""
        return self.framing.to_network(self._image.plane(k))

    def label_plane(self, k: int) -> np.ndarray:
        """Labels of slice ``k`` on the scan's own grid, uint8 (rows, columns)."""
        return self._labels.plane(k).round().astype(np.uint8)

    def infected_slices(self) -> np.ndarray:
        """Which slices show infection: bool (slices,). Reads the label file once, slice by slice."""
        return np.array([(self.label_plane(k) == Label.INFECTION).any() for k in range(len(self))])
