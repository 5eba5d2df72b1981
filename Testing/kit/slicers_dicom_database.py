"""``slicer.dicomDatabase`` as ctkDICOMDatabase is (CTK, Libs/DICOM/Core/ctkDICOMDatabase.cpp): what the module asks it.

Slicer sets the attribute in Modules/Scripted/DICOM/DICOM.py; the package slicer-core has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pydicom


class DicomDatabase:
    """Knows ``files`` by their SOPInstanceUID. ``isOpen``: a property, as PythonQt gives it."""

    def __init__(self, files: Iterable[Path], *, is_open: bool = True) -> None:
        headers = {path: pydicom.dcmread(path, stop_before_pixels=True) for path in files}
        self._files = {str(header.SOPInstanceUID): path for path, header in headers.items()}
        self.isOpen = is_open

    @property
    def uids(self) -> str:
        """The attribute ``DICOM.instanceUIDs`` of a volume that is loaded from all of them."""
        return " ".join(self._files)

    def fileForInstance(self, uid: str) -> str:  # noqa: N802 - CTK's
        """The file, whether it is still there or not; "" for an object that is not in the database."""
        assert self.isOpen, "CTK logs an error where the database is closed"
        return str(self._files.get(uid, ""))
