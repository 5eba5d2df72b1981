"""Whether a scan is still the one that an earlier run of the batch has read, and whether it lies where that one lay."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..measures import lobe_of_codes
from ..reading.archives import scan_suffix
from ..reading.cases import FoundCase
from ..reading.dicom_headers import modality_of
from ..reading.files import files_of
from ..reading.silent_pydicom import quiet_pydicom
from ..reading.studies import dicom_below

_SEGMENTATION = b"1.2.840.10008.5.1.4.1.1.66.4"
"""What says in the first bytes of a DICOM file that it holds a segmentation."""

_HEAD_BYTES = 1024


def input_state(source: Path, files: Sequence[Path]) -> str:
    """A number for the state of the input's files; not of their content, which would mean reading all of it twice.

    ``source``, ``files``: as :func:`CovidSegLib.reading.read_ct` takes them. What lies beside the scan and is not read
    does not count: notes, results, a reader's masks.
    """
    state = hashlib.sha256()
    with suppress(OSError):  # a file that is gone again fails when it is read
        paths = files or (dicom_below(source) if source.is_dir() else files_of(source))
        for path in paths:
            about = path.stat()
            if source.is_file() or _counts(path):
                state.update(f"{path.name}/{about.st_size}/{about.st_mtime_ns};".encode(errors="surrogateescape"))
    return state.hexdigest()[:16]


def origin_of(found: FoundCase, input_folder: Path) -> tuple[str, str, str]:
    """Three numbers for where an input lies in ``input_folder``: of its first file, of what holds the whole of it.

    The second is of the deepest folder with all its DICOM files, or of the file without its suffix: the scan is the
    same when it is exported again, or packed. Both stay when the input folder moves. The third is of that folder
    itself (:func:`place_of`). No path can be read from them.
    """
    first, suffix = found.first_file, scan_suffix(found.first_file.name)
    whole = first.with_name(first.name[: -len(suffix)]) if suffix else found.folder / "*"
    place = _number(input_folder.resolve(), Path(input_folder.resolve().anchor))
    return _number(first, input_folder), _number(whole, input_folder), place


def place_of(origin: Sequence[str]) -> str:
    """The number of the input folder in an :func:`origin_of`; "" where an earlier version noted none."""
    return origin[2] if len(origin) > 2 else ""


def _number(path: Path, input_folder: Path) -> str:
    # Loose DICOM files are found under the folder's real name.
    base = input_folder if path.is_relative_to(input_folder) else input_folder.resolve()
    return hashlib.sha256(os.fsencode(os.path.relpath(path, base))).hexdigest()[:16]


def _counts(path: Path) -> bool:
    """Whether the DICOM file is read for a case: a segmentation only where it holds lobes."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return _SEGMENTATION not in head or modality_of(path) != "SEG" or _may_hold_lobes(path)


def _may_hold_lobes(path: Path) -> bool:
    """Whether a DICOM SEG names a lobe by its codes; also where it cannot be read."""
    with quiet_pydicom() as pydicom:
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SegmentSequence"])
            codes = {str(element.value) for element in dataset.iterall() if element.keyword == "CodeValue"}
        except Exception:  # pydicom raises nearly anything on a damaged file
            return True
    return any(lobe_of_codes("SCT", code, modifier) is not None for code in codes for modifier in ("", *codes))
