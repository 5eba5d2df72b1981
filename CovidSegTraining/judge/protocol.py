"""The whole table of the protocol, recomputed from fold networks: nobody has to train to check it.

A folder with ``scans/`` (cases with folds) and, as far as they are there, ``lungs/``, ``clean/``, ``slices/`` and
``dicom/``; or any data set with folds alone. Every network judges only what it was not trained on: its own fold of the
scans, and of all else what its card does not name as trained on.
"""

from __future__ import annotations

import csv
import time
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.network import models
from CovidSegLib.network.engines import Engine
from CovidSegLib.pipeline import Options, open_engine, segment
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.segmentation import Label
from CovidSegLib.system.unfinished import unfinished_folder

from ..data.cases import Case, find_cases, with_folds
from ..data.pictures import AFFINE, case_name, read_pictures
from ..fit.trained_on import was_trained_on
from ..tables import markdown
from .evaluation import CaseScores, Overlap, Row, evaluate_cases, percent
from .metrics import mean_with_interval
from .readers import ReaderJudge, table_values

TINY = "radiopaedia_29_86490_1"
"""Two lesions of a few pixels: any false spot makes its Dice 0, so means are told with and without it."""

INFECTED_PIXELS = 30
"""Pixels from which on a slice counts as infected (DICOM series)."""


@dataclass
class CrossValidation:
    """What all fold networks found. ``scans``: one entry per held-out scan; the others one per network and scan."""

    scans: list[CaseScores] = field(default_factory=list)
    lungs: list[CaseScores] = field(default_factory=list)
    clean: list[Row] = field(default_factory=list)
    slices: list[Row] = field(default_factory=list)
    dicom: list[Row] = field(default_factory=list)
    readers: list[Row] = field(default_factory=list)
    split: list[Row] = field(default_factory=list)

    def as_record(self) -> dict[str, list[Row]]:
        """Everything as plain rows."""
        return {
            name: [one.row() if isinstance(one, CaseScores) else one for one in found]
            for name, found in vars(self).items()
        }


def fold_networks(folder: Path, name: str) -> dict[int, Path]:
    """Cards ``NAME-foldN.json`` in ``folder`` by fold; raises InputError where there are none."""
    found = {
        int(card.stem.removeprefix(f"{name}-fold")): card
        for card in sorted(folder.glob(f"{name}-fold*.json"))
        if card.stem.removeprefix(f"{name}-fold").isdecimal()
    }
    if not found:
        raise InputError(f"There are no networks {name}-foldN.json.", "Give their folder with --networks.")
    return found


def cross_validate(data: Path, networks: dict[int, Path], options: Options, progress: Progress) -> CrossValidation:
    """Judge each fold's network on its fold and on the other sets of ``data``."""
    scans = data / "scans" if (data / "scans").is_dir() else data
    cases = with_folds(find_cases(scans))
    cards = [models.find(str(card)).about for card in networks.values()]
    watched = set.intersection(*({card.training.get("validation_fold", 0)} for card in cards))
    # Cases without a fold were trained on in all, those of a fold that all watched are judged by none.
    missing = sorted({case.fold for case in cases} - {0} - watched - set(networks))
    if missing:
        raise InputError(f"There is no network for fold {missing[0]}.", "Train it, or give another folder.")
    result = CrossValidation()
    for number, (fold, card) in enumerate(sorted(networks.items())):
        progress.step("folds", number, len(networks))
        fold_options = Options(options.engine, options.device, str(card))
        model = models.find(str(card))
        engine = open_engine(fold_options, progress)
        held_out = [case for case in cases if case.fold == fold]
        leaked = [case.name for case in held_out if was_trained_on(model.about, case.name)]
        if leaked:
            raise InputError(f"The network of fold {fold} was trained on {leaked[0]}: a leak.", "Train it again.")
        readers = ReaderJudge(scans, fold)
        result.scans += evaluate_cases(held_out, scans / "slices.csv", fold_options, engine, Progress(), readers)
        result.readers += readers.agreement
        result.split += readers.split
        judge = _Judge(fold, engine, fold_options, partial(was_trained_on, model.about))
        result.lungs += judge.lungs(data / "lungs")
        result.clean += judge.clean(data / "clean")
        result.slices += judge.slices(data / "slices")
        result.dicom += judge.series(data / "dicom")
    return result


@dataclass
class _Judge:
    """One network on the sets that have no folds."""

    fold: int
    engine: Engine
    options: Options
    seen: Callable[[str], bool]

    def lungs(self, folder: Path) -> list[CaseScores]:
        if not folder.is_dir():
            return []
        cases: list[Case] = [case for case in find_cases(folder) if not self.seen(case.name)]
        return evaluate_cases(cases, folder / "slices.csv", self.options, self.engine, Progress())

    def clean(self, folder: Path) -> list[Row]:
        rows: list[Row] = []
        for file in sorted(folder.glob("*.nii.gz")) if folder.is_dir() else []:
            labels, pace = self._labels(read_ct(file, Progress()))
            false = percent(int(np.count_nonzero(labels == Label.INFECTION)), int(np.count_nonzero(labels)))
            name = file.name.removesuffix(".nii.gz")
            rows.append({"case": name, "fold": self.fold, "false_infection_percent": false, "ms_per_slice": pace})
        return rows

    def slices(self, folder: Path) -> list[Row]:
        rows: list[Row] = []
        for stem, grey, truth in read_pictures(folder):
            if not self.seen(case_name(stem)):
                overlap = Overlap()
                try:
                    labels, pace = self._labels(single_slice(grey))
                except InputError:  # refused, as where one lung alone is found: nobody gets a mask
                    labels, pace = np.zeros((1, *truth.shape), np.uint8), float("nan")
                overlap.add(labels[0] == Label.INFECTION, truth)
                rows.append({"case": stem, "fold": self.fold, "infection": overlap.dice, "ms_per_slice": pace})
        return rows

    def series(self, folder: Path) -> list[Row]:
        rows: list[Row] = []
        for archive in sorted(folder.glob("*.zip")) if folder.is_dir() else []:
            table = archive.with_name(f"{archive.stem}_slices.csv")
            with unfinished_folder() as unpacked, table.open(newline="", encoding="utf-8") as file:
                infected = np.array([row["infected"] == "1" for row in csv.DictReader(file)])
                with zipfile.ZipFile(archive) as packed:
                    packed.extractall(unpacked)
                labels, pace = self._labels(read_ct(unpacked, Progress()))
            found = (labels[::-1] == Label.INFECTION).sum(axis=(1, 2)) >= INFECTED_PIXELS
            facts = {"sensitivity": float(found[infected].mean()), "specificity": float((~found[~infected]).mean())}
            rows.append({"case": archive.stem, "fold": self.fold, **facts, "ms_per_slice": pace})
        return rows

    def _labels(self, volume: CtVolume) -> tuple[np.ndarray, float]:
        """Upright labels (z, y, x), and milliseconds a slice."""
        started = time.perf_counter()
        result = segment(volume, self.options, Progress(), engine=self.engine)
        pace = 1000 * (time.perf_counter() - started) / len(volume.voxels)
        return result.grid.to_upright(result.labels), pace


def single_slice(grey: np.ndarray) -> CtVolume:
    """A grey picture (rows, columns; 0 to 255) as a CT of one slice; HU by the window of :func:`grey_to_hu`."""
    from ..data.dataset import grey_to_hu

    return CtVolume(np.rint(grey_to_hu(grey)).astype(np.int16)[None], AFFINE, "picture")


@dataclass(frozen=True)
class ProtocolRow:
    """One row of the table: ``values`` are averaged; ``limit``: the target in words."""

    name: str
    values: tuple[float, ...]
    limit: str
    milliseconds: float = float("nan")

    def cells(self) -> tuple[str, ...]:
        """Name, mean with interval, count, target."""
        mean, low, high = mean_with_interval(self.values)
        count = sum(np.isfinite(self.values))
        text = f"{mean:.3f} ({low:.3f}-{high:.3f})" if count > 1 else f"{mean:.3f}"
        pace = f"{self.milliseconds:.0f}" if np.isfinite(self.milliseconds) else "-"
        return self.name, text, str(count), self.limit, pace


def table_rows(result: CrossValidation) -> list[ProtocolRow]:
    """The rows of the protocol that could be measured, in its order."""
    rows = _scan_rows(result.scans)
    if result.lungs:
        lungs = [scores.row() for scores in result.lungs]
        pace = _pace(lungs)
        rows.append(ProtocolRow("lung on lungs/", _column(lungs, "lung"), ">= 0.975", pace))
        for case in sorted({scores.case for scores in result.lungs}):
            false = _column((row for row in lungs if row["case"] == case), "false_infection_percent")
            rows.append(ProtocolRow(f"false infection on lungs/, {case}, % of lung", false, "< 2", pace))
    for case in sorted({str(row["case"]) for row in result.clean}):
        values = _column((row for row in result.clean if row["case"] == case), "false_infection_percent")
        pace = _pace(result.clean)
        rows.append(ProtocolRow(f"false infection on clean/, {case}, % of lung", values, "< 0.2", pace))
    if result.slices:
        by_case = sorted({str(row["case"]) for row in result.slices})
        means = [np.nanmean(_column((r for r in result.slices if r["case"] == case), "infection")) for case in by_case]
        values, pace = tuple(map(float, means)), _pace(result.slices)
        rows.append(ProtocolRow("infection on slices/, by picture", values, ">= 0.76", pace))
    for what, column, limit in (
        ("infected slices found", "sensitivity", ">= 0.97"),
        ("free slices left alone", "specificity", ">= 0.65"),
    ):
        if result.dicom:
            rows.append(ProtocolRow(f"DICOM series, {what}", _column(result.dicom, column), limit, _pace(result.dicom)))
    rows += [ProtocolRow(name, values, "") for name, values in table_values(counted(result.readers), result.split)]
    return [row for row in rows if np.isfinite(row.values).any()]


def counted(scans: list[Row]) -> list[Row]:
    """The rows whose means are quoted: all but those of :data:`TINY`."""
    return [row for row in scans if row["case"] != TINY]


def _scan_rows(scans: list[CaseScores]) -> list[ProtocolRow]:
    every = [scores.row() for scores in scans]
    most = counted(every)
    pace = _pace(every)
    without = f", without {TINY}" if len(most) < len(every) else ""
    rows = [
        ProtocolRow(
            f"infection, infected slices{without}", _column(most, "infection_infected_slices"), ">= 0.82", pace
        ),
        ProtocolRow(f"infection, all slices{without}", _column(most, "infection_all_slices"), ">= 0.81", pace),
    ]
    if without:
        rows.append(ProtocolRow("infection, infected slices", _column(every, "infection_infected_slices"), "", pace))
        rows.append(ProtocolRow("infection, all slices", _column(every, "infection_all_slices"), "", pace))
    free = [value for scores in scans for value in scores.free_slices]
    errors = [abs(float(row["percent_infected"]) - float(row["percent_infected_truth"])) for row in every]
    rows += [
        ProtocolRow("lung", _column(every, "lung"), ">= 0.984", pace),
        ProtocolRow("left lung without infection", _column(every, "left"), ">= 0.98", pace),
        ProtocolRow("right lung without infection", _column(every, "right"), ">= 0.98", pace),
        ProtocolRow("percent of lung infected, absolute error in points", tuple(errors), "<= 1.5", pace),
        ProtocolRow("false infection, share of lung by scan, %", _column(every, "false_infection_percent"), "", pace),
    ]
    if free:
        tail = (float(np.percentile(free, 95)),)
        rows.append(ProtocolRow(f"false infection, 95th percentile of {len(free)} free slices, %", tail, "< 0.5", pace))
    return rows


def _pace(rows: Iterable[Row]) -> float:
    """Milliseconds a slice, the mean over scans."""
    known = [value for value in _column(rows, "ms_per_slice") if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _column(rows: Iterable[Row], name: str) -> tuple[float, ...]:
    return tuple(float(row[name]) for row in rows)


def protocol_table(result: CrossValidation) -> str:
    """The table as Markdown."""
    header = ("measure", "mean (95 % interval)", "n", "target", "ms per slice")
    return markdown(header, [row.cells() for row in table_rows(result)])
