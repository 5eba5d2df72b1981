"""What the DICOM files of a volume node say of it and the node does not: whether its values are HU, and so on.

Slicer's DICOM reader notes on a volume which objects it is made of; Slicer's DICOM database knows their files.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..reading.dicom_headers import read_headers
from ..reading.series_notes import of_other_unit, series_notes
from ..system.file_states import states_of
from ..system.last_answer import LastAnswer

if TYPE_CHECKING:
    import slicer

_UIDS = "DICOM.instanceUIDs"
"""The attribute of Slicer's DICOMScalarVolumePlugin: a UID for each slice, "Unknown" for one without."""

_OWN_UIDS = "CovidSeg.instanceUIDs"
"""The same on a copy that has other slices: Slicer's exporters would take its own attribute for theirs."""


@dataclass(frozen=True)
class SaidByFiles:
    """``notes``: sentences for people; ``of_other_unit``: whether the values are said to be no HU."""

    notes: tuple[str, ...] = ()
    of_other_unit: bool = False


_last: LastAnswer[SaidByFiles] = LastAnswer()
"""Of the files that were asked for last, as they were then: a scan is read anew after each edit."""


def uids_of(node: slicer.vtkMRMLVolumeNode) -> str:
    """Which DICOM objects ``node`` was made of, as Slicer or :func:`note_origin` has noted it; else ""."""
    return node.GetAttribute(_UIDS) or node.GetAttribute(_OWN_UIDS) or ""


def note_origin(copy: slicer.vtkMRMLVolumeNode, node: slicer.vtkMRMLVolumeNode) -> None:
    """Let ``copy``, which has other slices, know of what objects ``node`` was made."""
    if uids_of(node):
        copy.SetAttribute(_OWN_UIDS, uids_of(node))


def said_by_files(node: slicer.vtkMRMLVolumeNode) -> SaidByFiles:
    """What the first, the middle and the last file of ``node`` say; nothing where there is none, or none can be read.

    To be called where Slicer's database may be asked: in the main thread.
    """
    uids = uids_of(node).split()
    if not uids:
        return SaidByFiles()
    asked = dict.fromkeys((uids[0], uids[len(uids) // 2], uids[-1]))
    files = tuple(filter(None, map(_file_of, asked)))
    # A file may be gone for a while, as on a disk of the network.
    return _last.to(states_of(map(Path, files)), lambda: _said_in(files)) if files else SaidByFiles()


def _file_of(uid: str) -> str:
    import slicer

    database = getattr(slicer, "dicomDatabase", None)  # slicer-core has none
    return str(database.fileForInstance(uid)) if database and database.isOpen else ""


def _said_in(files: tuple[str, ...]) -> SaidByFiles:
    slices = []
    for file in files:
        found = None
        with suppress(ImportError):  # pydicom is Slicer's own
            found = read_headers(Path(file))
        slices += found if isinstance(found, list) else []
    return SaidByFiles(series_notes(slices), of_other_unit(slices)) if slices else SaidByFiles()
