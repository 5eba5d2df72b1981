"""The names of the cases: what an earlier run called an input stays its name, whatever came beside it since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from ..reading.archives import scan_suffix
from ..reading.cases import cut, longer_stem
from ..reading.studies import STUDY_MARK
from .entry import Entry
from .plan import PlannedCase

_WAYS: tuple[tuple[Callable[[PlannedCase], Hashable], Callable[[Entry], Hashable]], ...] = (
    (lambda case: case.origin[0], lambda entry: entry.origin[0] if entry.origin else None),
    (lambda case: (case.stem, case.input_state), lambda entry: (entry.case, entry.input_state)),
    (lambda case: case.origin[1], lambda entry: entry.origin[1] if entry.origin else None),
    # Earlier versions did not note where an input lies. Where it is noted, a look-alike in another place is another
    # scan: two visits out of one archive may have files of the same names, sizes and times.
    (lambda case: case.input_state, lambda entry: None if entry.origin else entry.input_state),
    (lambda case: case.stem, lambda entry: None if entry.origin else entry.case),
)
"""How an input is known again, the surest first; what is None tells nothing."""


def keep_names(cases: Sequence[PlannedCase], entries: Mapping[str, Entry]) -> list[PlannedCase]:
    """``cases`` (:func:`CovidSegLib.batch.plan.plan_cases`) by name, those that ``entries`` know under their old names.

    ``entries``: :attr:`CovidSegLib.batch.Manifest.entries` of the output folder. An input that is new there gets the
    name of a first run, or a longer one where that is another input's: one of ``cases``, or one that is gone while its
    result is there. No name is given twice, also where letter case does not count.
    """
    known = _known(cases, entries)
    taken = {name.casefold() for name in known.values()}
    gone = (entry for name, entry in entries.items() if name.casefold() not in taken)
    taken |= {entry.case.casefold() for entry in gone if _has_result(entry, cases[0].result.parent)}
    named = [case.called(known[number]) for number, case in enumerate(cases) if number in known]
    crowded: list[PlannedCase] = []
    for number, case in enumerate(cases):
        if number not in known:
            (crowded if case.stem.casefold() in taken else named).append(case)
    taken |= {case.stem.casefold() for case in named}
    for case in crowded:
        stem = _free_stem(case, taken)
        taken.add(stem.casefold())
        named.append(case.called(stem))
    return sorted(named, key=lambda case: case.stem)


def _free_stem(case: PlannedCase, taken: Collection[str]) -> str:
    studies, mark, number = case.stem.rpartition(STUDY_MARK)
    if mark and number.isdecimal() and _may_be_called(case, studies):  # numbered by us, not by the input's own name
        return next(stem for n in count(1) if (stem := f"{studies}{mark}{n}").casefold() not in taken)
    return longer_stem(case.stem, _ending(case.source).lower(), taken)


def _known(cases: Sequence[PlannedCase], entries: Mapping[str, Entry]) -> dict[int, str]:
    """The names of the cases that ``entries`` know, by their numbers."""
    known: dict[int, str] = {}
    taken: set[str] = set()
    for of_case, of_entry in _WAYS:
        waiting = _grouped((of_case(case), number) for number, case in enumerate(cases) if number not in known)
        names = _grouped((of_entry(entry), name) for name, entry in entries.items() if name.casefold() not in taken)
        for key, numbers in waiting.items():
            found = [name for name in names.get(key, ()) if name.casefold() not in taken]
            # Several that look the same are told apart another way, or not at all.
            if key is not None and len(numbers) == len(found) == 1 and _may_be_called(cases[numbers[0]], found[0]):
                known[numbers[0]] = found[0]
                taken.add(found[0].casefold())
    return known


def _grouped(pairs: Iterable[tuple[Hashable, Any]]) -> dict[Hashable, list[Any]]:
    groups = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups


def _may_be_called(case: PlannedCase, name: str) -> bool:
    """Whether ``name`` begins as the input is called: no scan gets the name of another file or patient's folder."""
    return any(
        name.casefold() == own or name.casefold().startswith(f"{own}_")
        for own in (case.prefix.casefold(), cut(case.prefix).casefold())
    )


def _ending(source: Path) -> str:
    """The suffix of a file as it is written; "" of a DICOM folder."""
    length = len(scan_suffix(source.name)) if source.is_file() else 0
    return source.name[len(source.name) - length :]


def _has_result(entry: Entry, folder: Path) -> bool:
    return any((folder / name).exists() for name in entry.states)
