"""Which slices make one volume: acquisitions inside of a series told apart, files with a UID each joined.

A SeriesInstanceUID alone does not say it. Two acquisitions (in- and expiration, phases of contrast) may share one, and
laid into one volume their slices alternate; and some programs that take names out of files give each a UID of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .slice_header import Series, SliceHeader, heights, placements
from .slice_positions import SliceGrid, arrange

_PROJECTIONS = {
    "MIP", "MINIP", "MNIP", "MAXIP", "MIPS", "MAX_IP", "MIN_IP", "MAXIMUM", "MINIMUM", "PROJECTION", "AVERAGE", "AVG",
    "AVE", "AVIP", "AIP", "MEAN", "MEDIAN", "RADIAL", "THICKMIP", "RAYSUM", "VRT", "SSD", "VR", "VOLREN",
    "VOLUME_RENDER", "SURFACE_RENDER", "STD_DEVIATION", "SUBTRACTION", "CURVED_MPR",
}  # fmt: skip
"""Words of ImageType for images that lay many slices into one or were computed from several: DICOM's own (PS3.3,
C.8.16) and those of scanners' makers."""

_ENOUGH = 3
"""Fewer slices tell nothing about a distance."""

_FEW = 0.2
"""A share of slices that may lie outside of all acquisitions (one was repeated)."""

_BESIDE = 0.1
"""Of the slice distance: nearer to a slice another one lies at the same place."""

_NEXT = 1.5
"""Of the slice distance: nearer to a slice another one is its neighbour."""


@dataclass(frozen=True)
class Grouped:
    """``groups``: the slices of each volume; ``notes``: sentences about how they came to be."""

    groups: list[list[SliceHeader]]
    notes: tuple[str, ...]


def is_projection(header: SliceHeader) -> bool:
    """Whether ImageType has a word for a projection of several slices, in whatever spelling ("CT_SOM5 MIP")."""
    words = {word for value in header.image_type for word in (*re.split(r"[\s/,;:]+", value), *_letters(value))}
    return bool(_PROJECTIONS & words)


def _letters(value: str) -> list[str]:
    return re.findall("[A-Z]+", value)


def grouped(series: Sequence[Series]) -> Grouped:
    """The ``series`` of a folder, in their order: those of one slice joined where they fit, acquisitions told apart."""
    whole, joined = _joined(series)
    groups: list[list[SliceHeader]] = []
    notes: list[str] = []
    if joined:
        notes.append(f"Each file says that it is a series of its own: {joined} files that fit together were joined.")
    for group in whole:
        parts = _told_apart(group)
        groups += parts
        if len(parts) > 1:
            notes.append(
                f"A series holds {len(parts)} acquisitions or reconstructions of one place: each counts as a series."
            )
    return Grouped(groups, tuple(notes))


def arranged(slices: Series) -> SliceGrid:
    """The grid that ``slices``, which say where they lie, make. Raises InputError."""
    places = placements(slices)
    head = places[0]
    positions = np.array([place.position for place in places])
    return arrange(positions, head.row, head.column, float(head.pixel.min()))


def _is_even(slices: Series) -> bool:
    try:
        return len(arranged(slices).groups) == len(slices)
    except InputError:
        return False


def _joined(series: Sequence[Series]) -> tuple[list[Series], int]:
    """``series``, those of one slice joined where they make an even volume; and how many files those were."""
    alone: dict[tuple[object, ...], list[SliceHeader]] = {}
    for group in series:
        if len(group) == 1 and placements(group):
            alone.setdefault(_likeness(group[0]), []).append(group[0])
    rest, joined = [group for group in series if len(group) > 1 or not placements(group)], list[Series]()
    for slices in alone.values():
        parts = _told_apart(slices) if len(slices) >= _ENOUGH else []
        if parts and all(_is_even(part) for part in parts):
            joined.append(slices)
        else:
            rest += [[header] for header in slices]
    if not joined:
        return list(series), 0
    # Their place among the others is that of the first of them.
    order = {id(header): number for number, group in enumerate(series) for header in group}
    return sorted([*rest, *joined], key=lambda group: order[id(group[0])]), sum(map(len, joined))


def _likeness(header: SliceHeader) -> tuple[object, ...]:
    """What slices of one volume have in common, apart from the UID of their series."""
    place = header.placement
    assert place is not None
    grid = np.round(np.concatenate([place.row, place.column, place.pixel]), 3) + 0.0
    return (
        *(header.patient, header.study, header.reference, header.series_number, header.rows, header.columns),
        *(header.body_part, header.image_type, header.scale.is_hounsfield, header.inverted, header.thickness),
        *grid.tolist(),
    )


def loose_slices(chosen: Series, groups: Sequence[Series]) -> int:
    """How many slices with a UID each look like slices of the one volume that ``chosen``, a single one, is out of."""
    if len(chosen) > 1 or not placements(chosen):
        return 0
    alone = [group[0] for group in groups if len(group) == 1 and placements(group)]
    like = sum(_likeness(header) == _likeness(chosen[0]) for header in alone)
    return like if like >= _ENOUGH else 0


def _told_apart(group: Series) -> list[list[SliceHeader]]:
    """The acquisitions in ``group``: by their numbers, other marks, and times; all of it where they are one."""
    depth = heights(group)
    if len(group) >= 2 * _ENOUGH and depth.size:
        for marks in _marks(group):
            parts = _runs(marks, depth)
            if len(parts) > 1 and _are_volumes([[group[number] for number in part] for part in parts]):
                return [told for part in parts for told in _told_apart([group[number] for number in sorted(part)])]
    return [list(group)]


def _marks(group: Series) -> Iterator[list[tuple[int, float | str]]]:
    """What may tell the slices of ``group`` apart, one mark for each slice, in an order that means something."""
    yield [_sortable(header.taken.number) for header in group]
    for number in range(min(len(header.taken.kinds) for header in group)):
        yield [_sortable(header.taken.kinds[number]) for header in group]
    yield [_sortable(header.taken.seconds) for header in group]
    yield [_sortable(header.taken.content_seconds) for header in group]


def _sortable(mark: float | str | None) -> tuple[int, float | str]:
    """Numbers by size, also as text, and before all other text; what is absent first."""
    if mark is None or mark == "":
        return -2, 0.0
    try:
        return -1, float(mark)
    except ValueError:
        return len(str(mark)), str(mark)


def _runs(marks: Sequence[tuple[int, float | str]], depth: np.ndarray) -> list[list[int]]:
    """Numbers of the slices (at ``depth``, mm) that follow on each other: a new run begins where a mark goes back.

    Stacks that lie above one another, and slices with a mark each in the order of their places, are one run.
    """
    runs: list[list[int]] = []
    for mark in sorted(set(marks)):
        own = [number for number, other in enumerate(marks) if other == mark]
        if runs and not _goes_back(depth[own], depth[runs[-1]]):
            runs[-1] += own
        else:
            runs.append(own)
    return runs


def _goes_back(own: np.ndarray, before: np.ndarray) -> bool:
    """Whether heights (mm) lie, by half or more, in the range of those ``before``."""
    low, high = max(own.min(), before.min()), min(own.max(), before.max())
    return bool(high >= low and high - low >= 0.5 * min(np.ptp(own), np.ptp(before)))


def _are_volumes(parts: Iterable[list[SliceHeader]]) -> bool:
    """Whether each of the ``parts`` is even, but for a few slices that are too few to tell."""
    sizes, few = [], 0
    for part in parts:
        if len(part) < _ENOUGH:
            few += len(part)
        elif not _is_even(part):
            return False
        sizes.append(len(part))
    return max(sizes) >= _ENOUGH and few <= _FEW * sum(sizes)


def is_left_behind(header: SliceHeader, head: SliceHeader) -> bool:
    """Whether a slice is of the series of ``head`` and of another size, direction or pixel size."""
    return header.is_of_series(head) and not header.fits(head) and not is_projection(header)


def left_behind(chosen: Series, groups: Sequence[Series]) -> tuple[str, ...]:
    """A note about slices of the series of ``chosen`` that have another size, direction or pixel size.

    Raises InputError where such slices lie between or beyond those of ``chosen``: then they are part of its volume.
    """
    head = chosen[0]
    others = [header for group in groups for header in group if is_left_behind(header, head)]
    if not others:
        return ()
    depth, place = heights(chosen), head.placement
    distance = np.ptp(depth) / max(len(depth) - 1, 1) or head.thickness or 1.0
    away = np.array(
        [
            np.abs(depth - header.placement.position @ place.normal).min() / distance
            for header in others
            if place and header.placement and header.placement.has_directions_of(place)
        ]
    )
    apart = int(np.count_nonzero(away > _BESIDE))
    if apart and away[away > _BESIDE].min() < _NEXT:
        raise InputError(
            f"{_slices(apart)} of the series {_have(apart)} another pixel size or image size than the others: they "
            "cannot be laid into one volume.",
            "Export the series again as it was reconstructed, or give a folder without them.",
        )
    count = len(others)
    return (
        f"{_slices(count)} of the series with another size or direction {'was' if count == 1 else 'were'} left out.",
    )


def _slices(count: int) -> str:
    return "1 slice" if count == 1 else f"{count} slices"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"
