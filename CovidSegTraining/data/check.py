"""Looks at a data set before anything is trained on it: what is there, what cannot be used, and why.

One volume is in memory at a time. Nothing is changed, and nothing is told of a scan but its numbers.
"""

from __future__ import annotations

import filecmp
import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from CovidSegLib.errors import CovidSegError, InputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Cancelled, Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.reading.checks import inspect

from ..tables import markdown
from .cases import Case, DataSet, Parts
from .dataset import LABELS, LABELS_IN_WORDS, DrawnLabel, SliceFile, is_grey_picture, open_files

UNCORRECTED = "Nobody corrected its labels: a network would learn from itself."

SAME_PLACE = 0.25
"""How far image and labels may lie apart, as a share of the smallest voxel edge."""


@dataclass(frozen=True)
class CaseReport:
    """What was found in one case. ``problems``: sentences that say why it cannot be used; ``notes``: what is odd.

    ``shape``: (x, y, z) as stored; ``spacing``: mm, the same order; ``values``: lowest and highest of the image;
    ``labels``: voxels of each value.
    ``infected_slices``: upright axial slices with infection; ``digest``: SHA-256 of the voxels.
    """

    name: str
    fold: int = 0
    patient: str = ""
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    values: tuple[int, int] = (0, 0)
    labels: dict[int, int] | None = None
    infected_slices: int = 0
    digest: str = ""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check(data: DataSet, progress: Progress) -> list[CaseReport]:
    """A report for every case, and for every file that is none."""
    reports = [CaseReport(refusal.name, problems=(refusal.why,)) for refusal in data.refused]
    for number, case in enumerate(data.cases):
        progress.step("checking", number, len(data.cases))
        reports.append(check_case(case))
    return sorted(_together(reports), key=lambda report: report.name)


def check_case(case: Case) -> CaseReport:
    """Read image and labels of ``case`` once and look for all that a training would stumble over."""
    said = () if case.corrected else (UNCORRECTED,)
    report = CaseReport(case.name, case.fold, case.group, notes=said)
    try:
        volume = read_ct(case.image, Progress())
    except CovidSegError as error:
        return replace(report, problems=(f"Image: {error.sentence}",))
    report = replace(
        report,
        shape=volume.voxels.shape[::-1],
        spacing=tuple(round(mm, 3) for mm in volume.grid.spacing),
        values=(int(volume.voxels.min()), int(volume.voxels.max())),
        digest=hashlib.sha256(volume.voxels.tobytes()).hexdigest(),
    )
    problems, notes = _values(volume)
    report = replace(report, notes=said + volume.notes + notes, problems=problems)
    try:
        labels = read_ct(case.labels, Progress())
    except CovidSegError as error:
        return replace(report, problems=(*report.problems, f"Labels: {error.sentence}"))
    problems = _geometry_problems(volume.grid, labels.grid)
    if problems:
        return replace(report, problems=report.problems + problems)
    try:
        return _with_labels(report, case)
    except CovidSegError as error:
        return replace(report, problems=(*report.problems, f"Labels: {error.sentence}"))


def _values(volume: CtVolume) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Why the image cannot be used, and what is odd about it."""
    lowest, highest = int(volume.voxels.min()), int(volume.voxels.max())
    if lowest == highest:
        return ("All voxels of the image have the same value.",), ()
    findings = inspect(volume)
    try:
        findings.verdict.check()
    except InputError as error:
        return (f"Image: {error.sentence}",), ()
    if is_grey_picture(lowest, highest):
        return (), ("A grey picture (0 to 255): taken as -1250 to 250 HU.",)
    return (), findings.warnings


def _geometry_problems(image: Grid, labels: Grid) -> tuple[str, ...]:
    if image.shape != labels.shape:
        mine, theirs = (" x ".join(map(str, one.shape[::-1])) for one in (image, labels))
        return (f"Image and labels have different sizes, {mine} and {theirs} (x, y, z).",)
    apart = image.apart_mm(labels)
    if apart > SAME_PLACE * min(image.spacing):
        return (f"Image and labels lie in different places, up to {apart:.1f} mm apart.",)
    return ()


def _with_labels(report: CaseReport, case: Case) -> CaseReport:
    """The label values as they are in the file, not rounded as voxels of a scan would be."""
    file = SliceFile(case.labels)
    counts: dict[float, int] = defaultdict(int)
    infected = 0
    for k in range(len(file)):
        values, numbers = np.unique(file.numbers(k), return_counts=True)
        for value, number in zip(values, numbers, strict=True):
            counts[float(value)] += int(number)
        infected += bool((values == DrawnLabel.INFECTION).any())
    # NaN of one slice is not the NaN of another.
    strange = list(dict.fromkeys(f"{value:g}" for value in counts if value not in LABELS))
    problems, notes = report.problems, report.notes
    if strange:
        shown = ", ".join(strange[:5]) + (", …" if len(strange) > 5 else "")
        problems = (*problems, f"Labels have the values {shown}; known are {LABELS_IN_WORDS}.")
    elif not set(counts) - {float(DrawnLabel.NEITHER), float(DrawnLabel.UNKNOWN)}:
        problems = (*problems, "Nothing is drawn in the labels.")
    elif _sides_are_swapped(file):
        notes = (*notes, "DrawnLabel 1 (left lung) lies on the patient's right: left and right seem swapped.")
    labels = {int(value): number for value, number in sorted(counts.items()) if value in LABELS}
    return replace(report, labels=labels, infected_slices=infected, problems=problems, notes=notes)


def _sides_are_swapped(file: SliceFile) -> bool:
    """Upright columns run to the patient's left, so the left lung has the higher ones."""
    sums = {DrawnLabel.LEFT_LUNG: np.zeros(2), DrawnLabel.RIGHT_LUNG: np.zeros(2)}
    for k in range(len(file)):
        plane = file.plane(k)
        for label, total in sums.items():
            columns = np.nonzero(plane == label)[1]
            total += (columns.sum(), columns.size)
    (left, left_count), (right, right_count) = sums.values()
    return bool(left_count and right_count and left / left_count < right / right_count)


def _together(reports: Iterable[CaseReport]) -> list[CaseReport]:
    """What only shows when cases are held side by side: one patient, or one picture, in two folds."""
    reports = list(reports)
    folds: dict[str, set[int]] = defaultdict(set)
    same: dict[str, list[CaseReport]] = defaultdict(list)
    for report in reports:
        if report.patient:
            folds[report.patient].add(report.fold)
        if report.digest:
            same[report.digest].append(report)
    finished = []
    for report in reports:
        problems, notes = report.problems, report.notes
        if len(folds[report.patient]) > 1:
            numbers = " and ".join(map(str, sorted(folds[report.patient])))
            problems = (*problems, f"Scans of its patient are in folds {numbers}: a leak.")
        twins = [other for other in same[report.digest] if other is not report]
        if any(other.fold != report.fold for other in twins):
            problems = (*problems, f"The same picture is case {twins[0].name}, in another fold: a leak.")
        elif twins:
            notes = (*notes, f"The same picture is case {twins[0].name}.")
        finished.append(replace(report, problems=problems, notes=notes))
    return finished


def check_patients(cases: Iterable[Case]) -> None:
    """Raise InputError where scans of one patient are in two folds."""
    folds: dict[str, set[int]] = defaultdict(set)
    for case in cases:
        folds[case.group].add(case.fold)
    _refuse_torn(patient for patient, numbers in folds.items() if len(numbers) > 1)


def check_parts(parts: Parts) -> None:
    """Raise InputError where scans of one patient are in two parts of a training, as trained on and held out.

    Those that are all trained on may come from any folds, and folders.
    """
    patients = [{case.group for case in part} for part in parts]
    _refuse_torn(set().union(*(one & other for one, other in itertools.combinations(patients, 2))))


def _refuse_torn(patients: Iterable[str]) -> None:
    torn = sorted(patients)
    if torn:
        raise InputError(
            f"Scans of one patient are in two folds: {', '.join(torn)}.", "Give all scans of a patient one fold."
        )


def check_pictures(trained: Iterable[Case], kept_out: Iterable[Case]) -> None:
    """Raise InputError where a picture that is trained on is also held out or watched, under another name."""
    known: dict[int, list[Case]] = defaultdict(list)
    for case in trained:
        known[case.image.stat().st_size].append(case)
    for case in kept_out:
        for other in known[case.image.stat().st_size]:
            if filecmp.cmp(case.image, other.image, shallow=False):
                raise InputError(
                    f"{case.name}, which is held out or watched, is the same picture as {other.name}: a leak.",
                    "Give both one fold; covidseg-train check lists them.",
                )


def check_headers(cases: Iterable[Case]) -> None:
    """The part of :func:`check_case` that needs no voxels, for a training about to start; raises InputError."""
    for case in cases:
        for kind, path in (("Image", case.image), ("Labels", case.labels)):
            try:
                _check_header(path)
            except CovidSegError as error:
                raise InputError(f"{kind} of case {case.name}: {error.sentence}", error.hint) from error
        for problem in _geometry_problems(*(file.grid for file in open_files(case))):
            raise InputError(f"Case {case.name}: {problem}", "covidseg-train check says more.")


def _check_header(path: Path) -> None:
    """Raise InputError where :func:`read_ct` refuses the file for its header; reads no voxels."""
    # The header has been judged when the first slice is due, and there the reading is stopped.
    with suppress(Cancelled):
        read_ct(path, Progress(cancelled=lambda: True))


def report_table(reports: list[CaseReport]) -> str:
    """The reports as a table for a terminal or a Markdown page, and one line that sums them up."""
    header = ("case", "patient", "fold", "size (x, y, z)", "mm", "values", "labels", "infected", "verdict")
    rows = []
    for report in reports:
        words = [f"REFUSED: {problem}" for problem in report.problems] + [f"note: {note}" for note in report.notes]
        rows.append(
            (
                report.name,
                report.patient,
                str(report.fold or "-"),
                " x ".join(map(str, report.shape)),
                " x ".join(f"{mm:g}" for mm in report.spacing),
                f"{report.values[0]} to {report.values[1]}" if report.shape else "",
                " ".join(map(str, report.labels)) if report.labels else "",
                str(report.infected_slices) if report.labels else "",
                " ".join(words) or "good",
            )
        )
    refused = sum(bool(report.problems) for report in reports)
    return f"{markdown(header, rows)}\n\n{len(reports) - refused} cases can be used, {refused} cannot."
