"""The headers of CT images as a DICOM SEG copies them: what a stranger wrote there is repaired, or left empty."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..reading.silent_pydicom import quiet_pydicom

if TYPE_CHECKING:
    import pydicom

_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
_FORMS = {
    "Date": ("%Y%m%d", re.compile(r"(\d{8})")),
    "Time": ("%H%M%S", re.compile(r"(\d{2}(?:\d{2}){0,2})(?:\.\d{1,6})?")),
}
"""How dates (DA) and times (TM) look; highdicom ends at others."""

_NUMBERS = ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient")

_ONE_SET = re.compile(r"ISO_IR (100|101|109|110|144|127|126|138|148|203|13|166|192)|GB18030|GBK")
"""Character sets that a header may have as its only one (DICOM PS3.3, C.12.1.1.2)."""


def read_header(path: Path) -> pydicom.Dataset:
    """The image's header with what a SEG copies from it present, if need be empty, and without what cannot be read."""
    with quiet_pydicom() as pydicom:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        for tag in list(dataset.keys()):
            try:
                dataset[tag]
            except Exception:  # whatever pydicom makes of a stranger's bytes
                del dataset[tag]
        _repair_texts(dataset)
        for name in _MAY_BE_EMPTY:
            form = _FORMS.get(name[-4:])
            if name not in dataset or (form is not None and not _is_moment(str(dataset[name].value or ""), *form)):
                setattr(dataset, name, None if form else "")
        if dataset.PatientSex not in ("M", "F", "O"):
            dataset.PatientSex = ""
        for name in _NUMBERS:  # of another kind (VR) than they should be
            if isinstance(dataset.get(name), str):
                with suppress(ValueError):
                    setattr(dataset, name, [float(part) for part in dataset[name].value.split("\\")])
        dataset.SliceThickness = _length(dataset.get("SliceThickness"))
        if _length(dataset.get("SpacingBetweenSlices")) is None:
            dataset.pop("SpacingBetweenSlices", None)
    return dataset


def _length(value: object) -> float | None:
    """``value`` in mm, None where it is no length."""
    try:
        length = float(str(value))
    except ValueError:
        return None
    return length if 0 < length < math.inf else None


def _repair_texts(dataset: pydicom.Dataset) -> None:
    """Let texts be in UTF-8 where their character set is one that highdicom refuses, or several."""
    known = dataset.get("SpecificCharacterSet")
    if "SpecificCharacterSet" in dataset and not (isinstance(known, str) and _ONE_SET.fullmatch(known)):
        dataset.decode()
        dataset.SpecificCharacterSet = "ISO_IR 192"


def _is_moment(text: str, form: str, shape: re.Pattern[str]) -> bool:
    """Whether ``text`` is a date or a time as DICOM writes it."""
    match = shape.fullmatch(text.strip())
    if match is None:
        return False
    digits = match[1]
    try:
        datetime.strptime(digits, form[: len(digits)])
    except ValueError:
        return False
    return True
