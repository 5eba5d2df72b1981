"""When a scan was taken, and of whom: to put the scans of one patient in order. Neither is shown or kept unasked."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from ..progress import Progress
from .archives import is_archive, unpacked
from .dicom import series_files
from .dicom_files import is_dicom
from .dicom_headers import read_elements
from .files import suffix_of

_MOMENTS = ("Acquisition", "Series", "Study", "Content")
"""What has a date and a time in a header, the best first."""


@dataclass(frozen=True)
class Acquisition:
    """When a scan was made, and of whom.

    ``date`` and ``time``: None when they are not known. ``patient`` and ``scan``: identifiers to be compared, never to
    be shown; empty when they are not known.
    """

    date: datetime.date | None = None
    patient: str = ""
    time: datetime.time | None = None
    scan: str = ""


def acquisition(path: Path, progress: Progress) -> Acquisition:
    """What the chosen series at ``path`` (a DICOM folder, an enhanced CT, a ZIP with one) says; nothing for an image.

    Raises InputError, Cancelled.
    """
    if path.is_file() and is_archive(path):
        with unpacked(path, progress) as scan:
            return acquisition(scan, progress)
    if path.is_dir():
        return _said_in(next(file for file in series_files(path, progress) if file is not None))
    return _said_in(path) if not suffix_of(path.name) and is_dicom(path) else Acquisition()


def _said_in(file: Path) -> Acquisition:
    names = [f"{moment}{part}" for moment in _MOMENTS for part in ("Date", "Time")]
    values = read_elements(file, (*names, "PatientID", "SOPInstanceUID"))
    patient, scan = (values.get(name, "").strip() for name in ("PatientID", "SOPInstanceUID"))
    for moment in _MOMENTS:
        date = _date(values.get(f"{moment}Date", ""))
        if date is not None:
            return Acquisition(date, patient, _time(values.get(f"{moment}Time", "")), scan)
    return Acquisition(None, patient, None, scan)


def _date(text: str) -> datetime.date | None:
    """A DICOM date (20200401, in old files 2020.04.01)."""
    try:
        return datetime.datetime.strptime(text.strip().replace(".", ""), "%Y%m%d").date()
    except ValueError:
        return None


def _time(text: str) -> datetime.time | None:
    """A DICOM time (101500.25, 1015 without seconds, in old files 10:15:00), to the second."""
    if not text.strip():
        return None
    try:
        return datetime.datetime.strptime(text.strip().replace(":", "")[:6].ljust(6, "0"), "%H%M%S").time()
    except ValueError:
        return None
