"""Which files of a folder are DICOM, by their first bytes, and which were meant to be."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

_MARK_ENDS = 132
"""Where DICOM's mark, behind 128 bytes of anything, ends."""

_UNFINISHED = ".covidseg-"
"""How names of unfinished files of ours begin (``system.unfinished``)."""

_MOST_LOOKS = 1000
"""So many files of a hidden folder are looked at: version control has thousands, none of them a scan."""

_LONGEST_FIRST = 128
"""Bytes of the first value of a data set at most: a length, a character set, a date or a UID."""


def files_below(folder: Path, not_entered: list[Path] | None = None) -> Iterator[Path]:
    """All ordinary files in ``folder`` and its sub-folders, hidden ones left out.

    Links to folders are not followed, folders that may not be opened and what is no file (pipes, devices) are passed
    over, and so are hidden files of DICOM and hidden folders with such: ``not_entered`` gets all of these.
    """
    # Questions go to os.path: where a folder may be listed but not entered those of Path raise PermissionError.
    kept_out: list[Path] = [] if not_entered is None else not_entered

    def note(error: OSError) -> None:
        kept_out.append(Path(error.filename))

    for place, folders, names in os.walk(folder, onerror=note):
        kept_out += [path for path in (Path(place, name) for name in folders) if is_hidden_dicom(path)]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        kept_out += [Path(place, name) for name in folders if os.path.islink(os.path.join(place, name))]
        for name in sorted(names):
            path = Path(place, name)
            if is_special(path) or is_hidden_dicom(path):
                kept_out.append(path)
            elif not name.startswith("."):
                yield path


def is_hidden_dicom(path: Path) -> bool:
    """Whether ``path`` is hidden and a DICOM file, or a folder with one; macOS's own files ("._") are none."""
    name = path.name
    if not name.startswith(".") or name.startswith(("._", _UNFINISHED)):
        return False
    if not os.path.isdir(path):
        return is_dicom(path)
    below = (Path(place, name) for place, _folders, names in os.walk(path) for name in names)
    return any(is_dicom(file) for file in islice(below, _MOST_LOOKS))


def is_special(path: Path) -> bool:
    """Whether ``path`` is neither file nor folder but a pipe, a device or the like: whoever opens it may wait forever.

    A link counts as what it leads to, and as none of these where that is not there.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_dicom(path: Path) -> bool:
    """Whether the file carries DICOM's mark, or begins as old files without one do, whatever its name."""
    head = _head(path)
    return head is not None and begins_as_dicom(head)


def begins_as_dicom(head: bytes) -> bool:
    """As :func:`is_dicom`, of the first 132 bytes of a file."""
    return head[_MARK_ENDS - 4 :] == b"DICM" or _begins_with_an_element(head)


def is_kept_from_us(path: Path) -> bool:
    """Whether the file is named as slices are (no ending, a number of a UID, .dcm, .ima) and may not be opened."""
    return (path.suffix.lower() in ("", ".dcm", ".ima") or path.suffix[1:].isdecimal()) and _head(path) is None


def was_meant_to_be_a_slice(path: Path, shapes: Collection[Path]) -> bool:
    """Whether ``path``, no DICOM file, was one: named as such, or as files of these ``shapes``."""
    if path.suffix.lower() == ".dcm" or shape_of(path) in shapes:
        return True
    return all(path.parent != shape.parent for shape in shapes) and is_kept_from_us(path)


def shape_of(path: Path) -> Path:
    """``path`` with a name in which all numbers, also hexadecimal ones, are the same: so are slices of one series."""
    return path.with_name(re.sub("[0-9a-f]+", "0", path.name.casefold()))


def _head(path: Path) -> bytes | None:
    """The first bytes of a file, to the end of DICOM's mark; None where it cannot be read."""
    try:
        if is_special(path):
            return None
        with path.open("rb") as file:
            return file.read(_MARK_ENDS)
    except OSError:
        return None


def _begins_with_an_element(head: bytes) -> bool:
    """Whether ``head`` is one of the first elements of a DICOM data set: group 2 or 8, and a length that can be.

    Little endian, as both forms that were ever written without a mark: the length stands in four bytes, or in two
    behind two letters for the kind of value (DICOM PS3.5, 7.1).
    """
    if len(head) < _MARK_ENDS or head[:2] not in (b"\x02\x00", b"\x08\x00") or head[3] != 0:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return int.from_bytes(head[6:8] if explicit else head[4:8], "little") <= _LONGEST_FIRST
