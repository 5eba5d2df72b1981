"""What lies in a tree of folders: what may be a scan, what may not be opened, and what is left out, to be said."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .archives import is_archive, may_hold_a_scan
from .dicom_files import files_below, is_dicom, is_kept_from_us, is_special
from .files import suffix_of

_PACKED = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".z", ".7z", ".rar", ".lzma")

ARCHIVE, PAIR, LINK, RESULT, SPECIAL, HIDDEN, HIDDEN_FOLDER = (
    ("packed file", "packed files"),
    ("image in two files (.hdr, .img)", "images in two files (.hdr, .img)"),
    ("link that is not followed", "links that are not followed"),
    ("result of a batch", "results of a batch"),
    ("pipe or device", "pipes or devices"),
    ("hidden DICOM file", "hidden DICOM files"),
    ("hidden folder with DICOM files", "hidden folders with DICOM files"),
)
"""What may hold a scan and is not looked into: one of them, many of them."""

_KINDS = (ARCHIVE, PAIR, LINK, RESULT, SPECIAL, HIDDEN, HIDDEN_FOLDER)

Kind = tuple[str, str]


@dataclass
class Tree:
    """What lies below a folder: ``dicom`` files, ``images`` (:func:`is_scan_file`).

    ``closed``: folders that may not be opened; ``has_closed_slices``: files that may be DICOM may not be opened;
    ``left_out``: what is not looked into.
    """

    dicom: list[Path] = field(default_factory=list)
    images: list[Path] = field(default_factory=list)
    closed: list[Path] = field(default_factory=list)
    has_closed_slices: bool = False
    left_out: Counter[Kind] = field(default_factory=Counter)


def look_below(folder: Path, is_results: Callable[[Path], bool]) -> Tree:
    """All that lies in ``folder`` and below; images in and below folders that are ``is_results`` are left out."""
    tree = Tree()
    not_entered: list[Path] = []
    results: dict[Path, bool] = {folder.parent: False}
    for path in sorted(files_below(folder, not_entered)):
        if path.parent not in results:
            results[path.parent] = any(
                is_results(place) for place in (path.parent, *path.parent.parents) if place.is_relative_to(folder)
            )
        if suffix_of(path.name) and results[path.parent]:
            tree.left_out[RESULT] += 1
        elif is_scan_file(path):
            tree.images.append(path)
        elif is_dicom(path):
            tree.dicom.append(path)
        elif leads_nowhere(path):
            tree.left_out[LINK] += 1
        else:
            tree.has_closed_slices |= is_kept_from_us(path)
            tree.left_out.update(left_out_as(path))
    for place in not_entered:
        kind = not_entered_as(place)
        if kind is None:
            tree.closed.append(place)
        else:
            tree.left_out[kind] += 1
    return tree


def is_scan_file(path: Path) -> bool:
    """Whether ``path`` is by its name a file with a scan, or a ZIP that may hold one."""
    return bool(suffix_of(path.name)) or (is_archive(path) and os.path.isfile(path) and may_hold_a_scan(path))


def not_entered_as(place: Path) -> Kind | None:
    """What ``place``, where :func:`CovidSegLib.reading.dicom_files.files_below` does not go, is left out as.

    None for a folder that may not be opened.
    """
    if is_special(place):
        return SPECIAL
    if os.path.isfile(place):
        return HIDDEN
    if place.name.startswith("."):
        return HIDDEN_FOLDER
    return LINK if os.path.islink(place) else None


def left_out_as(file: Path) -> list[Kind]:
    """What ``file``, which is neither DICOM nor an image that is read, is left out as; empty for what holds no scan."""
    name = file.name.lower()
    if leads_nowhere(file):
        return [LINK]
    if name.endswith(_PACKED):
        return [ARCHIVE]
    return [PAIR] if name.endswith(".hdr") and os.path.isfile(file.with_suffix(".img")) else []


def leads_nowhere(link: Path) -> bool:
    """Whether ``link`` is a link to something that is not there."""
    return os.path.islink(link) and not os.path.exists(link)


def leads_up(link: Path) -> bool:
    """Whether ``link`` is a link to a folder that it lies in itself."""
    return os.path.islink(link) and link.parent.resolve().is_relative_to(link.resolve())


def left_out_in_words(left_out: Counter[Kind]) -> str:
    """A sentence for the user; empty where nothing was left out."""
    parts = [f"{left_out[kind]} {kind[left_out[kind] > 1]}" for kind in _KINDS if left_out[kind]]
    return f"Left out, not looked into: {', '.join(parts)}." if parts else ""
