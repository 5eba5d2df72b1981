"""When a scan was taken, and of whom: to put the scans of one patient in order. Neither is shown or kept unasked."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from ..progress import Progress
from .dicom import series_files
from .dicom_headers import read_elements

_DATES = ("AcquisitionDate", "SeriesDate", "StudyDate", "ContentDate")


@dataclass(frozen=True)
class Acquisition:
    """``date``: of the scan, None when it is not known. ``patient``: an identifier to be compared, never to be shown;
    empty when it is not known."""

    date: datetime.date | None = None
    patient: str = ""


def acquisition(path: Path, progress: Progress) -> Acquisition:
    """What the chosen series in the DICOM folder ``path`` says; nothing for a file. Raises InputError, Cancelled."""
    if not path.is_dir():
        return Acquisition()
    file = next(file for file in series_files(path, progress) if file is not None)
    values = read_elements(file, (*_DATES, "PatientID"))
    dates = filter(None, (_date(values.get(name, "")) for name in _DATES))
    return Acquisition(next(dates, None), values.get("PatientID", "").strip())


def _date(text: str) -> datetime.date | None:
    """A DICOM date (20200401, in old files 2020.04.01)."""
    try:
        return datetime.datetime.strptime(text.strip().replace(".", ""), "%Y%m%d").date()
    except ValueError:
        return None
