"""Values of a DICOM header as plain Python ones; what cannot be understood counts as absent."""

from __future__ import annotations

import datetime
import math
from typing import Any


def values_of(dataset: Any, name: str) -> list[Any]:
    """A many-valued field as a list; empty when it is absent or empty, or its numbers are none ("8,0")."""
    try:
        value = dataset.get(name, None)
    except (ValueError, TypeError):  # pydicom reads a number when it is asked for
        return []
    if value is None or value == "":
        return []
    if isinstance(value, str):  # also many values, under a representation that has one
        return list(value.split("\\"))
    return list(value) if hasattr(value, "__iter__") else [value]


def number_of(dataset: Any, name: str) -> float | None:
    """A field with one number; None when it is absent, empty or not finite."""
    values = values_of(dataset, name)
    try:
        number = float(values[0]) if len(values) == 1 else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def seconds_of(dataset: Any, moment: str) -> float | None:
    """When ``moment`` ("Acquisition", "Content") was, in seconds from any fixed time; None where it is not said.

    From its DateTime, or its Date and Time; an absent date is that of a day like any other.
    """
    both = str(dataset.get(f"{moment}DateTime", "") or "").strip()
    date, time = both[:8], both[8:]
    if not both:
        date = str(dataset.get(f"{moment}Date", "") or "").strip().replace(".", "")
        time = str(dataset.get(f"{moment}Time", "") or "").strip().replace(":", "")
    whole, _dot, fraction = time.split("+")[0].split("-")[0].partition(".")
    if len(whole) < 4 or not (whole + (fraction or "0")).isdecimal():
        return None
    try:
        day = datetime.datetime.strptime(date, "%Y%m%d").toordinal() if date else 0
    except ValueError:
        day = 0
    hours, minutes, seconds = int(whole[:2]), int(whole[2:4]), int(whole[4:6] or 0)
    return 86400.0 * day + 3600 * hours + 60 * minutes + seconds + float(f"0.{fraction or 0}")
