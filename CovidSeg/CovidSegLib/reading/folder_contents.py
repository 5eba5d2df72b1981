"""What lies in a DICOM folder: its CT series, and all that is none, to be said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..progress import Progress
from .dicom_files import files_below, is_dicom, shape_of, was_meant_to_be_a_slice
from .dicom_headers import read_headers
from .series_groups import is_projection
from .slice_header import SliceHeader
from .trees import Kind, left_out_as, not_entered_as


@dataclass
class FolderContents:
    """What was found in a folder.

    ``series``: the groups of CT slices that can make a volume, by series number, in the order of their files;
    ``other``: the kinds of all other DICOM objects (:func:`CovidSegLib.reading.dicom_headers.read_headers`);
    ``damaged``: DICOM files that could not be read; ``closed``: folders that may not be opened;
    ``left_out``: what else was not looked into.
    """

    series: list[list[SliceHeader]] = field(default_factory=list)
    other: set[str] = field(default_factory=set)
    damaged: int = 0
    closed: int = 0
    left_out: Counter[Kind] = field(default_factory=Counter)


def scan(folder: Path, progress: Progress, files: Sequence[Path] = ()) -> FolderContents:
    """Read the header of every DICOM file in ``folder`` and below; what is none and may hold slices is counted.

    ``files``: only these of them (default: all).
    """
    contents = FolderContents()
    not_entered: list[Path] = []
    paths = sorted(files or files_below(folder, not_entered))
    for place in not_entered:
        kind = not_entered_as(place)
        contents.left_out.update([kind] if kind else [])
        contents.closed += kind is None
    shapes, strange = set[Path](), list[Path]()
    for number, path in enumerate(paths):
        progress.step("reading", number, 2 * len(paths))
        if not is_dicom(path):
            strange.append(path)
            continue
        shapes.add(shape_of(path))
        _take(contents, read_headers(path))
    for path in strange:
        kinds = left_out_as(path)
        contents.left_out.update(kinds)
        contents.damaged += not kinds and was_meant_to_be_a_slice(path, shapes)
    contents.series.sort(key=lambda group: (group[0].series_number, group[0].series, -len(group)))
    return contents


def _take(contents: FolderContents, found: list[SliceHeader] | str | None) -> None:
    """Put what one file holds where it belongs."""
    if isinstance(found, str):
        contents.other.add(found)
    elif found is None:
        contents.damaged += 1
    else:
        for header in found:
            group = next((group for group in contents.series if _continues(header, group[0])), None)
            if group is None:
                contents.series.append([header])
            else:
                group.append(header)


def _continues(header: SliceHeader, other: SliceHeader) -> bool:
    """Whether the two can be slices of one volume. Projections may lie in the series that they were made from."""
    return (
        header.is_of_series(other)
        and header.fits(other)
        and is_projection(header) == is_projection(other)
        and header.scale.is_hounsfield == other.scale.is_hounsfield
    )
