"""The text headers of NRRD and MetaImage files: fields, and the names of the files that hold the voxels.

ITK believes a header blindly: long fields write past their memory, names with % or LIST become patterns and
lists, promised memory is taken before the file is looked at, half a packed volume is handed out. So both kinds of file
are read here, by Python alone: no header can do more than be refused.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import InputError
from .itk import unreadable

_LONGEST = 1 << 26
"""Bytes of the longest header: a segmentation keeps records of what a network drew in its own, up to some MB."""

_NO_UNIT = {"", "?", "???", "none"}
_MM = {
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1.0),
    # Two characters look like that, the sign for micro and the Greek letter.
    **dict.fromkeys(("um", "\u00b5m", "\u03bcm", "micron", "microns", "micrometer"), 0.001),
    **dict.fromkeys(("cm", "centimeter", "centimeters"), 10.0),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1000.0),
}
"""Units of length as headers write them, in mm. Without any, sizes are in mm."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
_PATTERN = re.compile(r"(.*%0?\d?d.*?)\s+(-?\d{1,6})\s+(-?\d{1,6})(?:\s+(-?\d{1,6}))?(?:\s+\d)?")
_MOST_FILES = 1 << 14


@dataclass(frozen=True)
class TextHeader:
    """The header of ``path``.

    ``fields``: by key in lower case, without blanks around; ``pairs``: keys and values that are not the format's own
    (NRRD's ``:=``); ``raw_names``: as they stand there, the name of the data file, or LIST and the names in it;
    ``start``: the byte after the header.
    """

    path: Path
    fields: dict[str, str]
    pairs: dict[str, str]
    raw_names: tuple[bytes, ...]
    start: int

    def words(self, *keys: str) -> list[str]:
        """The words of the first of ``keys`` that the header has; none where it has none."""
        return next((self.fields[key] for key in keys if key in self.fields), "").split()

    def numbers(self, *keys: str) -> list[float]:
        """The same as numbers. Raises InputError where a word is none."""
        return [number(word) for word in self.words(*keys)]

    def whole_numbers(self, *keys: str) -> list[int]:
        """The same as whole numbers. Raises InputError where a word is none."""
        words = self.words(*keys)
        if not all(re.fullmatch(r"-?\d{1,12}", word) for word in words):
            raise unreadable()
        return [int(word) for word in words]

    @property
    def mm_per_unit(self) -> float:
        """How many mm the header's unit of length has; raises InputError for one that is not known."""
        texts = (self.fields.get(key, "") for key in ("space units", "units", "distanceunits"))
        text = next(filter(None, texts), "")
        units = {unit.strip().lower() for unit in re.findall('"([^"]*)"', text)[:3] or [text]} - _NO_UNIT
        factors = {_MM.get(unit, 0.0) for unit in units} or {1.0}
        if len(factors) > 1 or 0.0 in factors:
            raise InputError(
                "The file gives its voxel sizes in a unit other than mm.", "Export the CT again, with sizes in mm."
            )
        return factors.pop()

    @property
    def data_files(self) -> tuple[Path, ...]:
        """The files that hold the voxels, in their order; the header's own where it holds them itself.

        Raises InputError where one is missing or is no ordinary file.
        """
        if not self.raw_names or self.raw_names[0].upper() == b"LOCAL":
            return (self.path,)
        one = self._beside(self.raw_names[0])
        if one is not None:
            return (one,)
        found = []
        for name in self._listed() or [b""]:
            path = self._beside(name)
            if path is None:
                raise InputError(
                    "The file is only a header, and the data file that belongs to it is missing.",
                    "Keep both files in one folder, under their own names.",
                )
            found.append(path)
        return tuple(found)

    def _listed(self) -> list[bytes]:
        """The names of a list or of a pattern (name with %d, first, last, step)."""
        first = self.raw_names[0]
        if re.fullmatch(rb"LIST(\s+\d)?", first):
            return list(self.raw_names[1:])
        pattern = _PATTERN.fullmatch(first.decode("latin-1"))
        if pattern is None or pattern[1].count("%") != 1:
            return []
        begin, end, step = int(pattern[2]), int(pattern[3]), int(pattern[4] or 1)
        numbers = range(begin, end + (1 if step > 0 else -1), step) if step else range(0)
        return [(pattern[1] % at).encode("latin-1") for at in numbers[:_MOST_FILES]]

    def _beside(self, name: bytes) -> Path | None:
        """The ordinary file ``name`` beside the header, whatever its letters are stored as; None where there is none.

        Raises InputError for a pipe or a device: opening it could wait for ever.
        """
        for text in (os.fsdecode(name), as_text(name)):
            path = self.path.parent / text
            if "\0" not in text and len(name) < 4096 and os.path.isfile(path):
                return path
            if "\0" not in text and len(name) < 4096 and os.path.exists(path) and not os.path.isdir(path):
                raise InputError(
                    "The data file that belongs to the header is no ordinary file.", "Export the CT again."
                )
        return None


def number(word: str) -> float:
    """``word`` as a number, also nan and inf. Raises InputError where it is none."""
    if not _NUMBER.fullmatch(word):
        raise unreadable()
    return float(word)


def as_text(raw: bytes) -> str:
    """``raw`` as UTF-8, else as Latin-1, in which every byte is a letter."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def check_sizes(sizes: list[int]) -> None:
    """Raise InputError unless ``sizes`` are at least two edges of at least one voxel, not more than a file can hold."""
    if not 2 <= len(sizes) <= 16 or min(sizes) < 1 or math.prod(sizes) > 1 << 48:
        raise unreadable()


def read_nrrd_header(path: Path) -> TextHeader:
    """The header of the NRRD file ``path``. Raises InputError where there is none, or one that says a thing twice."""
    with path.open("rb") as file:
        if not re.fullmatch(rb"NRRD000\d\r?\n?", file.readline(16)):
            raise unreadable()
        fields: dict[str, str] = {}
        pairs: dict[str, str] = {}
        names: tuple[bytes, ...] = ()
        while line := _line(file):
            if line.startswith(b"#"):
                continue
            mark = min((at for at in (line.find(b":="), line.find(b": ")) if at >= 0), default=-1)
            if mark >= 0 and line[mark + 1 : mark + 2] == b"=":
                pairs.setdefault(_unescaped(line[:mark]), _unescaped(line[mark + 2 :]))
                continue
            key, _mark, value = line.partition(b":")
            _put(fields, key, value)
            if key.strip().lower() in (b"data file", b"datafile"):
                names = (value.strip(),)
                if names[0].startswith(b"LIST"):
                    names += _rest(file)
                    break
        return TextHeader(path, fields, pairs, names, file.tell())


def read_meta_header(path: Path) -> TextHeader:
    """The header of the MetaImage file ``path``. Raises as :func:`read_nrrd_header`."""
    with path.open("rb") as file:
        fields: dict[str, str] = {}
        while raw := _raw_line(file, longest=1 << 16):
            line = raw.rstrip(b"\r\n")
            if not line.strip():  # ITK writes texts that end with a line break
                continue
            key, mark, value = re.fullmatch(rb"([^:=]*)([:=]|)(.*)", line, re.DOTALL).groups()  # type: ignore[union-attr]
            if not mark:
                raise unreadable()
            if key.strip().lower() != b"comment":
                _put(fields, key, value)
            if key.strip().lower() == b"elementdatafile":
                names = (value.strip(),)
                place = file.tell()
                return TextHeader(
                    path, fields, {}, names + (_rest(file) if names[0].startswith(b"LIST") else ()), place
                )
    raise unreadable()


def _line(file: BinaryIO) -> bytes:
    """The next line of a header without its end; b"" for an empty one and at the end of the file."""
    return _raw_line(file, _LONGEST).rstrip(b"\r\n")


def _raw_line(file: BinaryIO, longest: int) -> bytes:
    """The next line of a header with its end; b"" at the end of the file. Raises InputError for one that is longer."""
    line = file.readline(longest)
    if len(line) == longest or file.tell() > _LONGEST:
        raise unreadable()
    return line


def _rest(file: BinaryIO) -> tuple[bytes, ...]:
    """The lines that follow."""
    lines = file.read(_MOST_FILES * 256).splitlines()
    return tuple(line.strip() for line in lines if line.strip())


def _put(fields: dict[str, str], key: bytes, value: bytes) -> None:
    name, text = as_text(key).strip().lower(), as_text(value).strip()
    if fields.setdefault(name, text) != text:
        raise InputError("The file's header says one thing twice, and not the same.", "Export the CT again.")


def _unescaped(raw: bytes) -> str:
    r"""NRRD writes a line break as ``\n`` and a backslash as two."""
    return re.sub(r"\\([\\n])", lambda found: "\n" if found[1] == "n" else "\\", as_text(raw))
