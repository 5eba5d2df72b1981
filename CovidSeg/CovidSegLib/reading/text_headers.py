"""The text headers of NRRD and MetaImage files, and whether the voxels that they promise are really there.

SimpleITK takes the memory first and looks later; MetaImage even hands out half a volume from a damaged packed file.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .hounsfield import check_promise, truncated
from .itk import unreadable

_HEADER_BYTES = 1 << 16
_CHUNK = 1 << 20
_IN_WORDS = ("ascii", "text", "txt")
_NO_UNIT = {"", "?", "???", "none"}
_MM = {
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1.0),
    # The sign for micro, in Latin-1 and, for each of its two characters, in UTF-8 that was read as Latin-1.
    **dict.fromkeys(("um", "µm", "âµm", "î¼m", "micron", "microns", "micrometer"), 0.001),
    **dict.fromkeys(("cm", "centimeter", "centimeters"), 10.0),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1000.0),
}
"""Units of length as headers write them, in mm. Without any, sizes are in mm."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


@dataclass(frozen=True)
class TextHeader:
    """An NRRD or MetaImage header.

    ``fields``: keys in lower case; the first line without a mark is field ''.
    ``data``: the file that holds the voxels, from byte ``start`` on; None when they are spread over many files.
    """

    fields: dict[str, str]
    data: Path | None
    start: int

    @property
    def says_orientation(self) -> bool:
        """Whether an NRRD header says in which space its axes lie; a MetaImage always does."""
        return bool({"space", "space dimension", "ndims"} & self.fields.keys())

    @property
    def says_spacing(self) -> bool:
        """Whether the header says how large the voxels are along every axis; ITK takes 1 mm where it does not."""
        if {"elementspacing", "elementsize", "spacings"} & self.fields.keys():
            return True
        axes = min(3, int(self.fields.get("dimension", "3")))
        return self.fields.get("space directions", "").count("(") >= axes

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
    def _encoding(self) -> str:
        packed = self.fields.get("compresseddata", "").lower() == "true"
        return self.fields.get("encoding", "gzip" if packed else "raw").lower()

    def check_voxels(self, voxels: int, bytes_each: int) -> None:
        """Raise InputError unless ``voxels`` numbers of ``bytes_each`` are there, whole and unpackable."""
        if self.data is None:
            return
        promised = voxels * (1 if self._encoding in _IN_WORDS else bytes_each)
        present = self.data.stat().st_size - self.start
        check_promise(promised, present, compressed=self._encoding not in ("raw", "hex", *_IN_WORDS))
        skips = any(self.fields.get(key, "0") != "0" for key in ("line skip", "lineskip", "byte skip", "byteskip"))
        if self._encoding in ("gzip", "gz") and not skips and "headersize" not in self.fields:
            _check_packed(self.data, self.start, promised)


def read_text_header(path: Path) -> TextHeader:
    """The header of the NRRD or MetaImage file ``path``.

    Raises InputError where ITK would print on the console or guess: no header at all, no data file, NaN directions.
    """
    fields, start = _fields(path)
    if not (fields.get("", "").startswith("NRRD") or _is_meta_image(fields)):
        raise unreadable()
    if any("nan" in fields.get(key, "").lower() for key in ("space directions", "space origin", "spacings")):
        raise InputError("The file's geometry is unusable: a direction is not a number.", "Export the CT again.")
    elsewhere = fields.get("data file", fields.get("datafile", fields.get("elementdatafile", "LOCAL")))
    if elsewhere.upper() == "LOCAL":
        return TextHeader(fields, path, start)
    if re.search(r"%|^LIST", elsewhere):
        return TextHeader(fields, None, 0)
    data = path.parent / elsewhere
    if not data.is_file():
        raise InputError(
            "The file is only a header, and the data file that belongs to it is missing.",
            "Keep both files in one folder, under their own names.",
        )
    return TextHeader(fields, data, 0)


def _is_meta_image(fields: dict[str, str]) -> bool:
    """Whether the header is whole; ITK's reader writes past its memory when there are more dimensions than sizes."""
    if not {"ndims", "dimsize", "elementtype", "elementdatafile"} <= fields.keys():
        return False
    return fields["ndims"] in ("2", "3", "4", "5") and len(fields["dimsize"].split()) == int(fields["ndims"])


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """The fields of the header, and the byte at which it ends."""
    with path.open("rb") as file:
        block = file.read(_HEADER_BYTES)
    fields: dict[str, str] = {}
    position = 0
    for raw in block.splitlines(keepends=True):
        position += len(raw)
        line = raw.decode("latin-1").strip()
        if not line:
            break
        # Every line matches.
        key, mark, value = re.match(r"([^:=]*)(:=|[:=]|)(.*)", line).groups()  # type: ignore[union-attr]
        fields.setdefault(key.strip().lower() if mark else "", value.strip() if mark else line)
        if key.strip().lower() == "elementdatafile":
            break
    return fields, position


def _check_packed(path: Path, start: int, promised: int) -> None:
    """Unpack the voxels once, chunk by chunk and without keeping them, so that the checksum is compared."""
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    found = 0
    try:
        with path.open("rb") as file:
            file.seek(start)
            while not unpacker.eof:
                data = unpacker.unconsumed_tail or file.read(_CHUNK)
                unpacked = unpacker.decompress(data, _CHUNK)
                if not data and not unpacked:
                    raise truncated()
                found += len(unpacked)
                if found > promised:
                    break
    except zlib.error:
        raise InputError("The file is damaged: it cannot be unpacked.", "Copy or download it again.") from None
    if found < promised:
        raise truncated()
