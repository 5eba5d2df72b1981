"""Accuracy on held-out cases, through the same pipeline that ships.

Volume Dice per scan over the slices that count, then the mean over scans with a bootstrap interval. Which slices count
comes from the data set's ``slices.csv`` (columns ``case``, ``slice``, ``infected``, ``lung_by``) or, without it, from
the labels: infected where infection is drawn, lung where no pixel is marked as not drawn. How empty masks are counted
stands in ``metrics``.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.network.engines import Engine
from CovidSegLib.pipeline import Options, segment
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.segmentation import Label

from ..data.cases import Case
from ..data.dataset import DrawnLabel, SliceFile, grey_to_hu, is_grey_picture, open_files
from ..data.metadata import read_rows
from ..tables import markdown
from .metrics import LESION_TOLERANCE, LUNG_TOLERANCE, mean_with_interval, slice_surface_scores, surface_scores

FIRST_READER = "reader1"

Row = dict[str, float | str]
"""The scores of one scan by name; what cannot be measured on it is NaN."""

OVERLAP_COLUMNS = (
    "infection_infected_slices",
    "infection_all_slices",
    "lung",
    "left",
    "right",
    "false_infection_percent",
    "percent_infected",
    "percent_infected_truth",
    "ms_per_slice",
)
OUTLINE_COLUMNS = (
    "infection_surface_dice_3mm",
    "infection_hausdorff_mm",
    "infection_surface_dice_3px",
    "infection_hausdorff_px",
    "lung_surface_dice_1mm",
    "lung_hausdorff_mm",
    "lung_surface_dice_1px",
    "lung_hausdorff_px",
    "infection_ml",
    "infection_ml_truth",
    "lung_ml",
    "lung_ml_truth",
)
"""Infection over all slices, lung over the slices whose lung counts, mL over the slices whose lung was drawn; the 95 %
Hausdorff distance. "mm" holds only where spacing does; "px" is measured slice by slice."""


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
    """What is measured on one scan. Dice values; percentages of lung.

    ``free_slices``: falsely infected percent of the lung of each slice without infection; ``outlines``: see
    :data:`OUTLINE_COLUMNS`; ``ms_per_slice``: the whole pipeline without reading.
    """

    case: str
    infection_infected_slices: Overlap = field(default_factory=Overlap)
    infection_all_slices: Overlap = field(default_factory=Overlap)
    lung: Overlap = field(default_factory=Overlap)
    left: Overlap = field(default_factory=Overlap)
    right: Overlap = field(default_factory=Overlap)
    free_lung: int = 0
    free_infection: int = 0
    free_slices: list[float] = field(default_factory=list)
    percent_counts: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    outlines: dict[str, float] = field(default_factory=dict)
    ms_per_slice: float = float("nan")

    def row(self) -> Row:
        """The scores as plain numbers."""
        infection, lung, true_infection, true_lung = self.percent_counts
        return {
            "case": self.case,
            **{name: one.dice for name, one in vars(self).items() if isinstance(one, Overlap)},
            "false_infection_percent": percent(self.free_infection, self.free_lung),
            "percent_infected": percent(infection, lung),
            "percent_infected_truth": percent(true_infection, true_lung),
            "ms_per_slice": self.ms_per_slice,
            **self.outlines,
        }


def percent(part: int, whole: int) -> float:
    """100 part / whole; NaN of nothing."""
    return 100 * part / whole if whole else float("nan")


def evaluate(cases: Sequence[Case], table: Path, options: Options, engine: Engine, progress: Progress) -> list[Row]:
    """Segment every case with the shipped pipeline and score it; ``table`` is ``slices.csv`` (need not exist)."""
    return [scores.row() for scores in evaluate_cases(cases, table, options, engine, progress)]


def evaluate_cases(
    cases: Sequence[Case],
    table: Path,
    options: Options,
    engine: Engine,
    progress: Progress,
    look: Callable[[Case, CtVolume, np.ndarray], None] | None = None,
) -> list[CaseScores]:
    """As :func:`evaluate`, with all counts. ``look`` is called with each scan and its upright labels (z, y, x)."""
    flags = _slice_flags(table)
    found = []
    for number, case in enumerate(cases):
        progress.step("evaluation", number, len(cases))
        volume = read_scan(case.image)
        started = time.perf_counter()
        result = segment(volume, options, Progress(), engine=engine)
        seconds = time.perf_counter() - started
        labels = result.grid.to_upright(result.labels)
        scores = score(case.name, labels, open_files(case)[1], flags)
        scores.ms_per_slice = 1000 * seconds / len(labels)
        found.append(scores)
        if look is not None:
            look(case, volume, labels)
    return found


def read_scan(path: Path) -> CtVolume:
    """A scan as the pipeline wants it; a grey picture by the window of its data set (see ``dataset``)."""
    volume = read_ct(path, Progress())
    if is_grey_picture(int(volume.voxels.min()), int(volume.voxels.max())):
        return dataclasses.replace(volume, voxels=np.rint(grey_to_hu(volume.voxels)).astype(np.int16))
    return volume


def score(
    case: str, labels: np.ndarray, truth: SliceFile, flags: dict[tuple[str, int], tuple[bool, bool]]
) -> CaseScores:
    """Compare upright ``labels`` (z, y, x) with a label file, slice by slice; what is unknown (255) counts nowhere."""
    scores = CaseScores(case)
    planes = np.stack([truth.labels(k) for k in range(len(labels))])
    labels = np.where(planes == DrawnLabel.UNKNOWN, Label.BACKGROUND, labels)
    planes[planes == DrawnLabel.UNKNOWN] = DrawnLabel.NEITHER
    drawn = ~(planes == DrawnLabel.LUNG_NOT_DRAWN).any(axis=(1, 2))
    counts = np.zeros(len(labels), bool)
    for k, (plane, true) in enumerate(zip(labels, planes, strict=True)):
        infected, counts[k] = flags.get((case, k), (bool((true == DrawnLabel.INFECTION).any()), bool(drawn[k])))
        _score_slice(scores, plane, true, infected=infected, lung_counts=bool(counts[k]), drawn=bool(drawn[k]))
    scores.outlines = _outlines(labels, planes, counts, drawn, truth.spacing)
    return scores


def _score_slice(
    scores: CaseScores, plane: np.ndarray, true: np.ndarray, *, infected: bool, lung_counts: bool, drawn: bool
) -> None:
    infection, true_infection = plane == Label.INFECTION, true == DrawnLabel.INFECTION
    lung, true_lung = plane != Label.BACKGROUND, (true > 0) & (true <= DrawnLabel.INFECTION)
    scores.infection_all_slices.add(infection, true_infection)
    if infected and lung_counts:
        scores.infection_infected_slices.add(infection, true_infection)
    if lung_counts:
        scores.lung.add(lung, true_lung)
        healthy = ~(infection | true_infection)
        scores.left.add((plane == Label.LEFT_LUNG) & healthy, (true == DrawnLabel.LEFT_LUNG) & healthy)
        scores.right.add((plane == Label.RIGHT_LUNG) & healthy, (true == DrawnLabel.RIGHT_LUNG) & healthy)
    if not infected:
        false, size = int(np.count_nonzero(infection)), int(np.count_nonzero(lung))
        scores.free_lung += size
        scores.free_infection += false
        scores.free_slices += [percent(false, size)] if size else []
    if drawn:
        for index, mask in enumerate((infection, lung, true_infection, true_lung)):
            scores.percent_counts[index] += int(np.count_nonzero(mask))


def _outlines(
    labels: np.ndarray,
    planes: np.ndarray,
    counts: np.ndarray,
    drawn: np.ndarray,
    spacing: tuple[float, float, float],
) -> dict[str, float]:
    """The scores of :data:`OUTLINE_COLUMNS`; slices that do not count are emptied in both masks."""
    masks = {
        "infection": (labels == Label.INFECTION, planes == DrawnLabel.INFECTION, LESION_TOLERANCE),
        "lung": (
            (labels != Label.BACKGROUND) & counts[:, None, None],
            (planes > 0) & (planes <= DrawnLabel.INFECTION) & counts[:, None, None],
            LUNG_TOLERANCE,
        ),
    }
    found = {}
    for name, (mine, true, tolerance) in masks.items():
        in_mm = surface_scores(mine, true, spacing, tolerance)
        in_pixels = slice_surface_scores(mine, true, tolerance)
        found[f"{name}_surface_dice_{tolerance:g}mm"], found[f"{name}_hausdorff_mm"] = in_mm.dice, in_mm.hausdorff
        found[f"{name}_surface_dice_{tolerance:g}px"] = in_pixels.dice
        found[f"{name}_hausdorff_px"] = in_pixels.hausdorff
    ml = float(np.prod(spacing)) / 1000
    found["infection_ml"] = ml * np.count_nonzero(labels[drawn] == Label.INFECTION)
    found["infection_ml_truth"] = ml * np.count_nonzero(planes[drawn] == DrawnLabel.INFECTION)
    found["lung_ml"] = ml * np.count_nonzero(labels[drawn])
    found["lung_ml_truth"] = ml * np.count_nonzero((planes[drawn] > 0) & (planes[drawn] <= DrawnLabel.INFECTION))
    return found


def _slice_flags(table: Path) -> dict[tuple[str, int], tuple[bool, bool]]:
    flags = {}
    for row in read_rows(table):
        missing = {"case", "slice", "infected", "lung_by"} - set(row.cells)
        if missing or row.fault or not row["slice"].isdecimal():
            raise InputError(
                f"Line {row.number} of {table.name} cannot be used.",
                "It needs the columns case, slice (a whole number), infected and lung_by.",
            )
        flags[row["case"], int(row["slice"])] = (row["infected"] == "1", row["lung_by"] == FIRST_READER)
    return flags


def table_text(rows: list[Row], columns: Sequence[str] = OVERLAP_COLUMNS) -> str:
    """The scores as a table for a terminal or a Markdown page, with the mean and how many scans it is of."""
    names = [name for name in columns if name in rows[0]]
    lines = [[str(row["case"]), *(_number(float(row[name])) for name in names)] for row in rows]
    means = ["mean (95 %)"]
    for name in names:
        mean, low, high = mean_with_interval(float(row[name]) for row in rows)
        count = sum(np.isfinite(float(row[name])) for row in rows)
        interval = f"{_number(low)}-{_number(high)}, " if count > 1 else ""
        means.append(f"{_number(mean)} ({interval}n {count})" if count else "-")
    return markdown(("case", *(name.replace("_", " ") for name in names)), [*lines, means])


def _number(value: float) -> str:
    if not np.isfinite(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
