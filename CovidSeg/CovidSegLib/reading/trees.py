"""What lies in a tree of folders: what may be a scan, what may not be opened, and what is left out, to be said."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .dicom_files import files_below, is_dicom, is_kept_from_us
from .files import suffix_of

_PACKED = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".7z", ".rar")

ARCHIVE, PAIR, LINK, RESULT = (
    ("packed file", "packed files"),
    ("image in two files (.hdr, .img)", "images in two files (.hdr, .img)"),
    ("link that is not followed", "links that are not followed"),
    ("result of a batch", "results of a batch"),
)
"""What may hold a scan and is not looked into: one of them, many of them."""

Kind = tuple[str, str]


@dataclass
class Tree:
    """What lies below a folder: ``dicom`` files, ``images`` (of :data:`CovidSegLib.reading.files.SUFFIXES`).

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
        elif suffix_of(path.name):
            tree.images.append(path)
        elif is_dicom(path):
            tree.dicom.append(path)
        elif leads_nowhere(path):
            tree.left_out[LINK] += 1
        else:
            tree.has_closed_slices |= is_kept_from_us(path)
            tree.left_out.update(left_out_as(path))
    for place in not_entered:
        if os.path.islink(place):
            tree.left_out[LINK] += 1
        else:
            tree.closed.append(place)
    return tree


def left_out_as(file: Path) -> list[Kind]:
    """What ``file``, which is neither DICOM nor an image that is read, is left out as; empty for what holds no scan."""
    name = file.name.lower()
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
    parts = [f"{left_out[kind]} {kind[left_out[kind] > 1]}" for kind in (ARCHIVE, PAIR, LINK, RESULT) if left_out[kind]]
    return f"Left out, not looked into: {', '.join(parts)}." if parts else ""
