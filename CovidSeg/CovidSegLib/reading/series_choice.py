"""Which series of a study is the chest CT, and why: the choice a reader would make at the list of series.

A study often holds more than one: a scout, the head or abdomen of the same day, coronal reformats (frequently the
series with most images), thick projections, a thin stack through the heart. What is left over after these are set
aside, and has most slices, is read; the note says what was passed over and for what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from .body_parts import Part, part_of
from .series_groups import is_left_behind, is_projection
from .slice_header import UNNUMBERED, Series, SliceHeader, heights, placements

_AXIAL_COSINE = 0.7
"""A slice whose normal stands nearer than 45 degrees to the body's long axis is axial."""

_CHEST_MM = 150.0
"""Lungs are higher than this; a series that is shorter shows a part (the heart, one nodule)."""


def choose(series: Sequence[Series]) -> tuple[list[SliceHeader], str, tuple[str, ...]]:
    """The series to read, what it is called, and a note on the choice when there were several.

    ``series``: at least one, by series number. Nothing in the answer comes from a free text of the file.
    """
    candidates, passed_over = _by_part(series), Counter[str]()
    passed_over[_OTHER_PART] = len(series) - len(candidates)
    for fits, otherwise in _CRITERIA:
        fitting = [group for group in candidates if fits(group)]
        if fitting:
            passed_over[otherwise] += len(candidates) - len(fitting)
            candidates = fitting
    # Of equals the first; an original goes before what was computed from it.
    best = max(candidates, key=lambda group: (len(group), "ORIGINAL" in group[0].image_type))
    whole = [group for group in series if not is_left_behind(group[0], best[0])]
    if len(whole) < len(series):  # slices of its own series are no series beside it: they are told as left out
        return choose(whole)
    count = f"{len(best)} slice" + "s" * (len(best) > 1)
    if len(series) == 1:
        return list(best), f"DICOM series ({count})", ()
    place = f"series {next(n for n, group in enumerate(series, 1) if group is best)} of {len(series)}"
    return list(best), f"DICOM {place} ({count})", (_note(place, best, candidates, passed_over, series),)


def _by_part(series: Sequence[Series]) -> list[Series]:
    """Those of ``series`` that may show the chest; where one says that it does, none that says something else."""
    parts = [part_of(group[0].body_part) for group in series]
    worst = Part.UNSAID if min(parts) == Part.CHEST else max(min(parts), Part.UNSURE)
    return [group for group, part in zip(series, parts, strict=True) if part <= worst]


def _note(
    place: str, best: Series, candidates: list[Series], passed_over: Counter[str], series: Sequence[Series]
) -> str:
    number = best[0].series_number
    names = [] if number == UNNUMBERED else [f"series number {number}"]
    acquisition = best[0].taken.number
    if acquisition is not None and any(
        group is not best and group[0].is_of_series(best[0]) and group[0].fits(best[0]) for group in series
    ):
        names.append(f"acquisition number {acquisition}")
    named = f" ({', '.join(names)})" if names else ""
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
    return bool(placements(group)) and _height(group) >= _CHEST_MM


def _height(group: Series) -> float:
    return float(np.ptp(heights(group))) + group[0].thickness


_OTHER_PART = "of another part of the body"

_CRITERIA: tuple[tuple[Callable[[Series], bool], str], ...] = (
    (lambda group: group[0].scale.is_hounsfield, "not in Hounsfield units"),
    (_is_located, "without positions"),
    (_is_axial, "not axial"),
    (lambda group: not is_projection(group[0]), "of thick projections"),
    (_is_long_enough, f"shorter than {_CHEST_MM / 10:.0f} cm"),
    (lambda group: part_of(group[0].body_part) == Part.CHEST, "not said to be of the chest"),
)
"""What sets series aside, the most important first; one that no series meets does not count."""
