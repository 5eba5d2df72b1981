"""Of what kind a file is that would be replaced: masks take the place of masks, lobes that of lobes, of a scan none.

What cannot be read as anything says nothing: it is no work that could be lost.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from ..errors import InputError, OutputError
from ..measures import lobe_of_terminology
from ..progress import Progress
from ..reading import read_ct, read_labels
from ..reading.dicom_files import is_dicom
from ..reading.dicom_headers import modality_of
from ..reading.nrrd import read_nrrd
from ..segmentation import SEGMENTS, Label
from .lobe_files import ALGORITHM, says_estimated
from .reviewed import segments_in
from .seg_nrrd import is_seg_nrrd
from .stamps import nifti_description

_HIGHEST_LABEL = 255
"""Labels are bytes; a scan in HU has air below 0, and one that was moved by 1024 has bone above this."""


class FileKind(Enum):
    """``LABELS``: of another program; whether they are masks or lobes is not known."""

    UNREADABLE = "unreadable"
    SCAN = "scan"
    MASKS = "masks"
    LOBES = "lobes"
    LABELS = "labels"


def kind_of(path: Path) -> FileKind:
    """What the file at ``path`` holds; a segmentation with masks and lobes counts as masks."""
    if is_dicom(path):
        return FileKind.MASKS if modality_of(path) == "SEG" else FileKind.SCAN
    if is_seg_nrrd(path):
        return _of_segments(path)
    if nifti_description(path) == ALGORITHM:
        return FileKind.LOBES
    try:
        values, _grid = read_labels(path, Progress())
    except InputError:
        return _without_labels(path)
    if values.min() < 0 or values.max() > _HIGHEST_LABEL:
        return FileKind.SCAN
    return FileKind.MASKS if values.max() <= max(Label) else FileKind.LABELS


def _of_segments(path: Path) -> FileKind:
    """Of a file with the name of a segmentation; without any segment it is a picture that was given such a name."""
    try:
        if not any(key.startswith("Segment0_") for key in read_nrrd(path).pairs):
            return FileKind.SCAN
        segments = segments_in(path)
    except (InputError, OSError):
        return FileKind.UNREADABLE
    if any(one.id == ours.id for one in segments for ours in SEGMENTS):
        return FileKind.MASKS
    for one in segments:
        if says_estimated(one.fields.get("Name", ""), one.id, one.tags):
            return FileKind.LOBES
        if lobe_of_terminology(one.tags.get("TerminologyEntry", "")) is not None:
            return FileKind.LOBES
    return FileKind.LABELS


def _without_labels(path: Path) -> FileKind:
    """Of a file that is no labelmap: fractions are a scan's."""
    try:
        read_ct(path, Progress())
    except InputError:
        return FileKind.UNREADABLE
    return FileKind.SCAN


def refuse_for_masks(output: Path) -> None:
    """Raise OutputError where masks would take the place of a scan or of lobes, also when replacing was asked for."""
    kind = kind_of(output)
    if kind is FileKind.SCAN:
        raise OutputError("The output exists and is a scan: no masks take its place.", "Choose another name.")
    if kind is FileKind.LOBES:
        raise OutputError("The output exists and holds lobes: no masks take their place.", "Choose another name.")


def refuse_for_lobes(output: Path) -> None:
    """Raise OutputError where lobes would take the place of anything but lobes, also when replacing was asked for."""
    kind = kind_of(output)
    may_be_lobes = kind is FileKind.LABELS and not is_seg_nrrd(output)
    if kind not in (FileKind.LOBES, FileKind.UNREADABLE) and not may_be_lobes:
        raise OutputError("The output exists and holds no lobes: only lobes are replaced.", "Choose another name.")
