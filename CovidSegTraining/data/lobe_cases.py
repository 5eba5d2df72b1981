"""Masks of lobes to learn from: labelmaps in which experts drew the five lobes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from CovidSegLib.anatomy.lobe_shape import LEFT_LOBES, CoarseLung, Lobe, coarse_lungs
from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_labels

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
LEAST_CASES = 8
"""With fewer there is nothing to tell shapes apart by."""


@dataclass(frozen=True)
class LobeCase:
    """``lobes``: uint8 (z, y, x) of :class:`Lobe`, upright; ``spacing_mm``: upright x, y, z."""

    name: str
    lobes: np.ndarray
    spacing_mm: tuple[float, float, float]

    @property
    def lungs(self) -> np.ndarray:
        """The lungs alone: uint8, 1 left, 2 right; all that a prediction is given."""
        return np.where(np.isin(self.lobes, LEFT_LOBES), np.uint8(1), 2 * (self.lobes > 0).astype(np.uint8))

    @property
    def coarse(self) -> tuple[CoarseLung, CoarseLung]:
        """Left and right lung in blocks."""
        return coarse_lungs(self.lungs, self.spacing_mm)

    @property
    def is_odd(self) -> bool:
        """Whether the middle lobe's centre lies behind that of the upper lobe, where no middle lobe lies."""
        upper, middle = (
            float(np.average(np.arange(self.lobes.shape[1]), weights=(self.lobes == lobe).sum(axis=(0, 2))))
            for lobe in (Lobe.RIGHT_UPPER, Lobe.RIGHT_MIDDLE)
        )
        return middle > upper


def read_lobe_cases(folder: Path, progress: Progress) -> tuple[LobeCase, ...]:
    """All labelmaps of ``folder``, by name. Raises InputError for too few, or for one that lacks a lobe."""
    files = sorted(file for file in folder.glob("*") if file.name.lower().endswith(SUFFIXES)) if folder.is_dir() else []
    if len(files) < LEAST_CASES:
        raise InputError(
            f"The folder holds {len(files)} labelmaps of lobes; at least {LEAST_CASES} are needed.",
            "Give a folder of .nii.gz files: 1 left upper, 2 left lower, 3 right upper, 4 right middle, 5 right lower.",
        )
    cases = []
    for number, file in enumerate(files):
        progress.step("reading", number, len(files))
        labels, grid = read_labels(file, progress)
        if sorted(set(np.unique(labels).tolist()) - {0}) != sorted(Lobe):
            raise InputError(f"{file.name} does not hold the five lobes 1 to 5.", "Take it out of the folder.")
        upright = grid.to_upright(labels).astype(np.uint8)
        cases.append(LobeCase(file.name.split(".")[0], upright, grid.upright.spacing))
    return tuple(cases)


def fold_of(cases: Sequence[LobeCase], folds: int) -> list[int]:
    """The fold of each case, 1 to ``folds``: one after the other in the order of their names."""
    ranks = {name: rank for rank, name in enumerate(sorted(case.name for case in cases))}
    return [ranks[case.name] % folds + 1 for case in cases]
