"""A corrected scan as a case to train on: the layout that CovidSegTraining reads, and nothing about the patient.

``images/CASE.nii.gz`` (int16 HU), ``labels/CASE.nii.gz`` (uint8 of :class:`CovidSegLib.segmentation.Label`) and a row
in ``metadata.csv``. A case is called by a hash of its voxels: saving a scan again replaces its case.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..errors import InputError, OutputError
from ..geometry.volume import CtVolume
from ..i18n import tr as _
from ..mask_fit import fit_warnings
from ..progress import Progress
from ..reading import read_ct
from ..reading.verdict import judge
from ..segmentation import SEGMENTS, Label
from ..system.atomic_files import OutputSet, output_errors
from ..system.file_states import States, changed_meanwhile, file_state, refuse_protected, refuse_special, states_of
from ..system.locks import one_at_a_time
from .labelmap import save_nifti

TABLE = "metadata.csv"
_SUFFIX = ".nii.gz"
_COLUMNS = ("case", "ct_scan", "mask", "patient", "fold", "corrected")


def save_training_case(
    volume: CtVolume,
    labels: np.ndarray,
    folder: Path,
    *,
    corrected: bool,
    absent: Collection[Label] = (),
    patient: str = "",
    begun: States | None = None,
) -> str:
    """Add ``volume`` with its corrected ``labels`` (uint8, z, y, x) to the data set in ``folder``; returns the case.

    The folder is made if need be. ``patient``: the patient's code
    (:func:`CovidSegLib.segfiles.patient_codes.patient_code`); without one every case counts as a patient of its own:
    where two scans are of one patient, give both the same entry in the column ``patient``. ``corrected``: False where
    it is known that nobody corrected ``labels`` (:func:`corrections.merge.is_corrected`); then they replace no
    others, and the table says so. ``absent``: labels without a segment (see
    :class:`CovidSegLib.segmentation.Segmentation`). ``begun``: see :func:`training_states`; without,
    the run begins now. Raises InputError for an empty segmentation, for one that lacks a
    segment and for one of another scan (see ``mask_fit``), and for a ``volume`` that cannot be segmented
    (:meth:`CovidSegLib.reading.verdict.Verdict.check`), OutputError when it cannot be written; a case is whole or
    not in the table.
    """
    if labels.shape != volume.voxels.shape:
        raise ValueError("labels and volume must be on one grid")
    states = dict(training_states(folder) if begun is None else begun)
    judge(volume.voxels, volume.grid).check()
    _check_content(labels, absent)
    fit_warnings(volume.voxels, labels, volume.grid)
    case = f"case_{volume.fingerprint[:12]}"
    paths = {name: folder / name / f"{case}{_SUFFIX}" for name in ("labels", "images")}
    try:
        for path in paths.values():
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(_("The folder for training cases cannot be made."), _("Choose another one.")) from error
    for path in (*paths.values(), folder / TABLE):
        if path.exists():
            refuse_special(path)
            refuse_protected(path)
    # The labels before the scan, the row last: whoever reads meanwhile never meets a scan without labels.
    with OutputSet(states) as files:
        with output_errors():
            save_nifti(labels, volume.affine, files.add(paths["labels"]))
            save_nifti(volume.voxels, volume.affine, files.add(paths["images"]))
        with one_at_a_time(folder / f".{TABLE}.lock"):
            if not corrected:
                _refuse_other_labels(paths["labels"], volume, labels)
            # Another process may have added its case since the run began: the table as it is now keeps that row.
            now = file_state(folder / TABLE)
            before = _table_text(folder / TABLE)
            if now != states.get(folder / TABLE, "") and not _is_table_of_cases(before):
                raise changed_meanwhile(folder / TABLE)
            text = _with_row(before, _row(case, patient, corrected=corrected))
            if text:
                files.add_text(text, folder / TABLE, now)
            files.publish()
    return case


def training_states(folder: Path) -> States:
    """The states of what saving a case in ``folder`` may replace; its name is known only when the scan is read."""
    parts = [file for name in ("labels", "images") for file in (folder / name).glob(f"case_*{_SUFFIX}")]
    return states_of([folder / TABLE, *parts])


def _check_content(labels: np.ndarray, absent: Collection[Label]) -> None:
    """Raise InputError where ``labels`` would teach what is not true, or nothing."""
    if not (labels != Label.BACKGROUND).any():
        raise InputError(_("The segmentation is empty."), _("There is nothing to learn from it."))
    if absent:
        missing = ", ".join(one.name for one in SEGMENTS if one.label in absent)
        raise InputError(
            _("The segmentation lacks: {names}. What belongs there would count as background.").format(names=missing),
            _("Bring it back with Undo, or segment the scan anew. An empty segment says that there is none of it."),
        )


def _refuse_other_labels(path: Path, volume: CtVolume, labels: np.ndarray) -> None:
    """Raise OutputError where ``path`` holds other labels than ``labels``, which nobody corrected."""
    if path.exists() and not _holds(path, volume, labels):
        raise OutputError(
            _("The case has other labels, perhaps corrected ones, and nobody corrected those that would replace them."),
            _("Delete the case's file in the folder labels first if that is meant."),
        )


def _holds(path: Path, volume: CtVolume, labels: np.ndarray) -> bool:
    """Whether the labels in ``path`` are ``labels``, which lie on the grid of ``volume``."""
    try:
        there = read_ct(path, Progress())
    except InputError:
        return False
    return np.array_equal(there.upright_voxels, volume.grid.to_upright(labels))


def _row(case: str, patient: str, *, corrected: bool) -> dict[str, str]:
    """What the table says of a case."""
    files = {"ct_scan": f"images/{case}{_SUFFIX}", "mask": f"labels/{case}{_SUFFIX}"}
    return {"case": case, **files, "patient": patient or case, "corrected": "yes" if corrected else "no"}


def _table_text(table: Path) -> str:
    try:
        return table.read_text(encoding="utf-8-sig") if table.exists() else ""
    except (OSError, ValueError) as error:
        raise _unreadable() from error


def _unreadable() -> OutputError:
    return OutputError(_("The folder's metadata.csv cannot be read."), _("Repair or move it."))


def _is_table_of_cases(text: str) -> bool:
    """Whether the first line names the column that every table of cases has."""
    return "case" in [name.strip(' "').lower() for name in re.split("[,;\t]", text.partition("\n")[0].strip())]


def _with_row(before: str, new: dict[str, str]) -> str:
    """What a table that holds ``before`` holds with the row ``new``; "" where it holds that.

    The other rows and their columns stay.

    Of a row that is there only the word whether somebody corrected the labels is changed. The table keeps its form: a
    European Excel saves it with semicolons, and people call columns "Case". Raises OutputError.
    """
    try:
        delimiter = max(",;\t", key=before.partition("\n")[0].count)
        lines = [line for line in csv.reader(io.StringIO(before, newline=""), delimiter=delimiter) if any(line)]
    except csv.Error as error:
        raise _unreadable() from error
    header, *rows = lines or [[]]
    header += [name for name in _COLUMNS if name not in [known.strip().lower() for known in header]]
    names = [name.strip().lower() for name in header]
    rows = [[*row, *[""] * (len(header) - len(row))] for row in rows]
    place, mark = names.index("case"), names.index("corrected")
    known = [row for row in rows if row[place] == new["case"]]
    if known and all(row[mark] == new["corrected"] for row in known):
        return ""
    for row in known:
        row[mark] = new["corrected"]
    if not known:
        rows.append([new.get(name, "") for name in names])
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
