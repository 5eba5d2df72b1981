"""Accuracy on held-out cases, through the same pipeline that ships.

Volume Dice per scan over the slices that count, then the mean over scans with a bootstrap interval. Which slices count
comes from the data set's ``slices.csv`` (columns ``case``, ``slice``, ``infected``, ``lung_by``) or, without it, from
the labels: infected where infection is drawn, lung where no pixel is marked as not drawn.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from CovidSegLib.network.engines import Engine
from CovidSegLib.pipeline import Options, segment
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.segmentation import Label as Result
from CovidSegLib.volume import axial_order

from .dataset import Case, Label, SliceFile

BOOTSTRAP_DRAWS = 2000
FIRST_READER = "reader1"


@dataclass
class Overlap:
    """Voxel counts of two masks, added up slice by slice; :attr:`dice` is NaN where both are empty."""

    both: int = 0
    sizes: int = 0

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Count one slice of two bool masks."""
        self.both += int(np.count_nonzero(predicted & truth))
        self.sizes += int(np.count_nonzero(predicted)) + int(np.count_nonzero(truth))

    @property
    def dice(self) -> float:
        """2 |A and B| / (|A| + |B|) (Dice 1945)."""
        return 2 * self.both / self.sizes if self.sizes else float("nan")


@dataclass
class CaseScores:
    """What is measured on one scan. Dice values; percentages of lung."""

    case: str
    infection_infected_slices: Overlap = field(default_factory=Overlap)
    infection_all_slices: Overlap = field(default_factory=Overlap)
    lung: Overlap = field(default_factory=Overlap)
    left: Overlap = field(default_factory=Overlap)
    right: Overlap = field(default_factory=Overlap)
    free_lung: int = 0
    free_infection: int = 0
    percent_counts: list[int] = field(default_factory=lambda: [0, 0, 0, 0])

    def row(self) -> dict[str, float | str]:
        """The scores as plain numbers."""
        infection, lung, true_infection, true_lung = self.percent_counts
        return {
            "case": self.case,
            "infection_infected_slices": self.infection_infected_slices.dice,
            "infection_all_slices": self.infection_all_slices.dice,
            "lung": self.lung.dice,
            "left": self.left.dice,
            "right": self.right.dice,
            "false_infection_percent": _percent(self.free_infection, self.free_lung),
            "percent_infected": _percent(infection, lung),
            "percent_infected_truth": _percent(true_infection, true_lung),
        }


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else float("nan")


def evaluate(
    cases: list[Case], table: Path, options: Options, engine: Engine, progress: Progress
) -> list[dict[str, float | str]]:
    """Segment every case with the shipped pipeline and score it; ``table`` is ``slices.csv`` (need not exist)."""
    flags = _slice_flags(table)
    rows = []
    for number, case in enumerate(cases):
        progress.step("evaluation", number, len(cases))
        volume = read_ct(case.image, Progress())
        result = segment(volume, options, Progress(), engine=engine)
        labels = axial_order(result.affine).to_axial(result.labels)
        rows.append(score(case.name, labels, SliceFile(case.labels), flags).row())
    return rows


def score(
    case: str, labels: np.ndarray, truth: SliceFile, flags: dict[tuple[str, int], tuple[bool, bool]]
) -> CaseScores:
    """Compare upright ``labels`` (z, y, x) with a label file, slice by slice."""
    scores = CaseScores(case)
    for k, plane in enumerate(labels):
        true = truth.plane(k).round().astype(np.uint8)
        drawn = not (true == Label.LUNG_NOT_DRAWN).any()
        infected, lung_counts = flags.get((case, k), (bool((true == Label.INFECTION).any()), drawn))
        _score_slice(scores, plane, true, infected=infected, lung_counts=lung_counts, drawn=drawn)
    return scores


def _score_slice(
    scores: CaseScores, plane: np.ndarray, true: np.ndarray, *, infected: bool, lung_counts: bool, drawn: bool
) -> None:
    infection, true_infection = plane == Result.INFECTION, true == Label.INFECTION
    lung, true_lung = plane != Result.BACKGROUND, (true > 0) & (true <= Label.INFECTION)
    scores.infection_all_slices.add(infection, true_infection)
    if infected and lung_counts:
        scores.infection_infected_slices.add(infection, true_infection)
    if lung_counts:
        scores.lung.add(lung, true_lung)
        healthy = ~(infection | true_infection)
        scores.left.add((plane == Result.LEFT_LUNG) & healthy, (true == Label.LEFT_LUNG) & healthy)
        scores.right.add((plane == Result.RIGHT_LUNG) & healthy, (true == Label.RIGHT_LUNG) & healthy)
    if not infected:
        scores.free_lung += int(np.count_nonzero(lung))
        scores.free_infection += int(np.count_nonzero(infection))
    if drawn:
        for index, mask in enumerate((infection, lung, true_infection, true_lung)):
            scores.percent_counts[index] += int(np.count_nonzero(mask))


def _slice_flags(table: Path) -> dict[tuple[str, int], tuple[bool, bool]]:
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8") as file:
        return {
            (row["case"], int(row["slice"])): (row["infected"] == "1", row["lung_by"] == FIRST_READER)
            for row in csv.DictReader(file)
        }


def mean_with_interval(values: Iterable[float], seed: int = 0) -> tuple[float, float, float]:
    """Mean of the values that are numbers, and its 95 % bootstrap interval over scans (percentile method)."""
    known = np.array([value for value in values if np.isfinite(value)])
    if known.size == 0:
        return (float("nan"),) * 3
    draws = np.random.default_rng(seed).choice(known, (BOOTSTRAP_DRAWS, known.size)).mean(axis=1)
    low, high = np.percentile(draws, (2.5, 97.5))
    return float(known.mean()), float(low), float(high)


def table_text(rows: list[dict[str, float | str]]) -> str:
    """The scores as a table for a terminal or a Markdown page."""
    names = [name for name in rows[0] if name != "case"]
    lines = ["| case | " + " | ".join(name.replace("_", " ") for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {row['case']} | " + " | ".join(f"{row[name]:.3f}" for name in names) + " |" for row in rows]
    means = [mean_with_interval(float(row[name]) for row in rows) for name in names]
    lines.append("| mean (95 %) | " + " | ".join(f"{m:.3f} ({low:.3f}-{high:.3f})" for m, low, high in means) + " |")
    return "\n".join(lines)
