"""Which series of a study is the chest CT, and why: the choice a reader would make at the list of series.

A study often holds more than one: a scout, the head or abdomen of the same day, coronal reformats (frequently the
series with most images), thick projections, a thin stack through the heart. What is left over after these are set
aside, and has most slices, is read; the note says what was passed over and for what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from .dicom_headers import SliceHeader, placements

Series = Sequence[SliceHeader]

_ELSEWHERE = {"HEAD", "BRAIN", "SKULL", "ABDOMEN", "PELVIS", "LEG", "FOOT", "KNEE", "HAND", "ARM", "EXTREMITY", "HIP"}
"""Body parts that are surely no chest; any other or no entry may be one (the entry is often missing or wrong)."""

_PROJECTIONS = {"MIP", "MINIP", "MNIP", "MAXIP", "PROJECTION IMAGE", "AVERAGE", "AVG", "RADIAL"}
"""Words of ImageType for images that lay many slices into one."""

_AXIAL_COSINE = 0.7
"""A slice whose normal stands nearer than 45 degrees to the body's long axis is axial."""

_CHEST_MM = 150.0
"""Lungs are higher than this; a series that is shorter shows a part (the heart, one nodule)."""

_UNNUMBERED = 1 << 31


def choose(series: Sequence[Series]) -> tuple[list[SliceHeader], str, tuple[str, ...]]:
    """The series to read, what it is called, and a note on the choice when there were several.

    ``series``: at least one, by series number. Nothing in the answer comes from a free text of the file.
    """
    candidates, passed_over = list(series), Counter[str]()
    for fits, otherwise in _CRITERIA:
        fitting = [group for group in candidates if fits(group)]
        if fitting:
            passed_over[otherwise] += len(candidates) - len(fitting)
            candidates = fitting
    # Of equals the first; an original goes before what was computed from it.
    best = max(candidates, key=lambda group: (len(group), "ORIGINAL" in group[0].image_type))
    count = f"{len(best)} slice" + "s" * (len(best) > 1)
    if len(series) == 1:
        return list(best), f"DICOM series ({count})", ()
    place = f"series {next(n for n, group in enumerate(series, 1) if group is best)} of {len(series)}"
    return list(best), f"DICOM {place} ({count})", (_note(place, best, candidates, passed_over, series),)


def _note(
    place: str, best: Series, candidates: list[Series], passed_over: Counter[str], series: Sequence[Series]
) -> str:
    number = best[0].series_number
    named = "" if number == _UNNUMBERED else f" (series number {number})"
    count = f"{len(best)} slice" + "s" * (len(best) > 1)
    equal = sum(len(group) == len(best) for group in candidates)
    if len(candidates) == 1:
        why = f"with {count} it is the only one that fits"
    elif equal == 1:
        why = f"with {count} it has most slices"
    else:
        why = f"with {count} it is the first of {equal} with most slices"
    over = ", ".join(f"{many} {reason}" for reason, many in passed_over.items() if many)
    return f"The folder holds {len(series)} CT series{_of_several(series)}: {place}{named} was read; {why}." + (
        f" Passed over: {over}." if over else ""
    )


def _of_several(series: Sequence[Series]) -> str:
    """Words where the series are not all of one patient, or of one study."""
    heads = [group[0] for group in series]
    for owners, name in (({head.patient for head in heads}, "patients"), ({head.study for head in heads}, "studies")):
        count = len(owners - {""})
        if count > 1:
            return f" of {count} {name}"
    return ""


def _is_located(group: Series) -> bool:
    return bool(placements(group))


def _is_axial(group: Series) -> bool:
    places = placements(group)
    return not places or abs(float(places[0].normal[2])) > _AXIAL_COSINE


def _is_long_enough(group: Series) -> bool:
    places = placements(group)
    if not places:
        return False
    heights = np.array([place.position for place in places]) @ places[0].normal
    return float(np.ptp(heights)) + group[0].thickness >= _CHEST_MM


_CRITERIA: tuple[tuple[Callable[[Series], bool], str], ...] = (
    (lambda group: group[0].body_part not in _ELSEWHERE, "of another part of the body"),
    (_is_located, "without positions"),
    (_is_axial, "not axial"),
    (lambda group: not _PROJECTIONS & set(group[0].image_type), "of thick projections"),
    (_is_long_enough, f"shorter than {_CHEST_MM / 10:.0f} cm"),
)
"""What sets series aside, the most important first; one that no series meets does not count."""
