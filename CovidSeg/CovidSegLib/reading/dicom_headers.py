"""What the headers of a folder's DICOM files say: which files are CT slices, and which of them belong together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..progress import Progress
from .dicom_files import files_below, is_dicom, shape_of, was_meant_to_be_a_slice
from .silent_pydicom import quiet_pydicom

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")

_TAGS = [
    "SOPClassUID", "SeriesInstanceUID", "SeriesNumber", "Modality", "ImageType", "BodyPartExamined", "NumberOfFrames",
    "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "PixelSpacing",
    "SliceThickness", "ImagePositionPatient", "ImageOrientationPatient", "PatientID", "StudyInstanceUID",
]  # fmt: skip

_MODALITIES = {
    "AR", "BI", "BMD", "CR", "DG", "DOC", "DX", "ECG", "ES", "FID", "GM", "IO", "KO", "LS", "M3D", "MG", "MR", "NM",
    "OP", "OT", "PR", "PT", "PX", "REG", "RF", "RG", "RTDOSE", "RTIMAGE", "RTPLAN", "RTRECORD", "RTSTRUCT", "RWV",
    "SC", "SEG", "SM", "SR", "ST", "STAIN", "TG", "US", "XA", "XC",
}  # fmt: skip
"""Terms for Modality (DICOM PS3.3, C.7.3.1.1.1) that a message may name; any other text of a file stays in it."""

_MODALITY, _PATIENT, _STUDY = 0x00080060, 0x00100020, 0x0020000D

_SAME_DIRECTION = 1e-3
_SAME_SPACING = 1e-3
_UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")


@dataclass(frozen=True)
class SlicePlacement:
    """Where a slice lies, in DICOM's own directions (LPS, mm).

    ``position`` (3,): of the first pixel; ``row`` and ``column`` (3,): the directions in which the columns and the rows
    count; ``pixel`` (2,): distance between rows, between columns.
    """

    position: np.ndarray
    row: np.ndarray
    column: np.ndarray
    pixel: np.ndarray

    @property
    def normal(self) -> np.ndarray:
        """The direction (3,) at right angles to the slice."""
        return np.cross(self.row, self.column)

    def is_parallel(self, other: SlicePlacement) -> bool:
        """Whether the two have the same directions and the same pixel size."""
        return bool(
            np.abs(self.row - other.row).max() < _SAME_DIRECTION
            and np.abs(self.column - other.column).max() < _SAME_DIRECTION
            and np.abs(self.pixel - other.pixel).max() < _SAME_SPACING
        )


@dataclass(frozen=True)
class SliceHeader:
    """One CT slice, without its pixels.

    ``image_type``: the words of ImageType in capitals ("ORIGINAL", "AXIAL", "MIP", ...).
    ``inverted``: large numbers are dark (MONOCHROME1).
    ``placement``: None when the file does not say where it lies. ``patient``, ``study``: to be counted, never told.
    """

    path: Path
    series: str
    series_number: int
    rows: int
    columns: int
    body_part: str
    thickness: float
    image_type: tuple[str, ...] = ()
    inverted: bool = False
    placement: SlicePlacement | None = None
    patient: str = field(default="", repr=False)
    study: str = field(default="", repr=False)

    def continues(self, other: SliceHeader) -> bool:
        """Whether the two can be slices of one volume: same series, image size, direction and pixel size."""
        if (self.series, self.rows, self.columns) != (other.series, other.rows, other.columns):
            return False
        return self.placement is None or other.placement is None or self.placement.is_parallel(other.placement)


def placements(slices: Sequence[SliceHeader]) -> list[SlicePlacement]:
    """Where the ``slices`` lie, in their order; empty when one of them does not say it."""
    known = [header.placement for header in slices if header.placement is not None]
    return known if len(known) == len(slices) else []


@dataclass
class FolderContents:
    """What was found in a folder.

    ``series``: the groups of CT slices that can make a volume, by series number, in the order of their files;
    ``other``: the kinds of all other DICOM objects ("MR", "SEG", "localizer", "enhanced CT", ...);
    ``damaged``: DICOM files that could not be read; ``closed``: folders that may not be opened.
    """

    series: list[list[SliceHeader]] = field(default_factory=list)
    other: set[str] = field(default_factory=set)
    damaged: int = 0
    closed: int = 0


def scan(folder: Path, progress: Progress, files: Sequence[Path] = ()) -> FolderContents:
    """Read the header of every DICOM file in ``folder`` and below; other files are passed over in silence.

    ``files``: only these of them (default: all).
    """
    contents = FolderContents()
    not_entered: list[Path] = []
    paths = sorted(files or files_below(folder, not_entered))
    contents.closed = sum(not os.path.islink(place) for place in not_entered)
    shapes, strange = set[Path](), list[Path]()
    for number, path in enumerate(paths):
        progress.step("reading", number, 2 * len(paths))
        if not is_dicom(path):
            strange.append(path)
            continue
        shapes.add(shape_of(path))
        found = _read_header(path)
        if isinstance(found, str):
            contents.other.add(found)
        elif found is None:
            contents.damaged += 1
        else:
            group = next((group for group in contents.series if found.continues(group[0])), None)
            if group is None:
                contents.series.append([found])
            else:
                group.append(found)
    contents.damaged += sum(was_meant_to_be_a_slice(path, shapes) for path in strange)
    contents.series.sort(key=lambda group: (group[0].series_number, group[0].series, -len(group)))
    return contents


def study_of(path: Path) -> tuple[str, str, bool]:
    """Patient, study, and whether the object is a CT, of the DICOM file ``path``, to tell studies apart.

    The first two are identifiers: to be compared, never to be shown or kept. Empty for a file that cannot be read.
    """
    modality, patient, study = _first_elements(path, (_MODALITY, _PATIENT, _STUDY))
    return patient, study, modality == "CT"


def modality_of(path: Path) -> str:
    """What kind of object the DICOM file ``path`` is ("CT", "SEG", ...); empty for a file that cannot be read."""
    return _first_elements(path, (_MODALITY,))[0]


def _first_elements(path: Path, tags: Sequence[int]) -> list[str]:
    """The elements ``tags`` of a DICOM file as text; nothing behind the last of them is read."""
    with quiet_pydicom() as pydicom:
        try:
            with path.open("rb") as file:
                dataset = pydicom.filereader.read_partial(
                    file, lambda tag, *_: tag > max(tags), force=True, specific_tags=list(tags)
                )
            return [str(dataset[tag].value or "") if tag in dataset else "" for tag in tags]
        except Exception:  # as below
            return [""] * len(tags)


def read_elements(path: Path, names: Sequence[str]) -> dict[str, str]:
    """The elements ``names`` of a DICOM file as text; empty where it has none or cannot be read."""
    with quiet_pydicom() as pydicom:
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(names))
            return {name: str(dataset.get(name, "") or "") for name in names}
        except Exception:  # as below
            return {}


def _read_header(path: Path) -> SliceHeader | str | None:
    """The slice, the kind of object that is no CT slice, or None for a file that cannot be read."""
    with quiet_pydicom() as pydicom:
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=_TAGS)
            return _other_kind(dataset) or _slice_header(path, dataset)
        except Exception:  # pydicom raises nearly anything on a damaged file
            return None


def _other_kind(dataset: Any) -> str:
    """What the object is if it is no ordinary CT slice, else ''."""
    modality = str(dataset.get("Modality", "") or "")
    sop_class = str(dataset.get("SOPClassUID", "") or "")
    if str(dataset.file_meta.get("MediaStorageSOPClassUID", "")) == "1.2.840.10008.1.3.10":
        return "directory"
    if modality != "CT":
        return modality if modality in _MODALITIES else "unknown"
    if sop_class in ENHANCED_CT or int(dataset.get("NumberOfFrames", 1) or 1) > 1:
        return "enhanced CT"
    if "LOCALIZER" in _image_type(dataset):
        return "localizer"
    if (sop_class and sop_class != CT_IMAGE) or int(dataset.get("SamplesPerPixel", 1) or 1) != 1:
        return "CT picture"
    return ""


def _image_type(dataset: Any) -> tuple[str, ...]:
    return tuple(str(word).upper() for word in _values(dataset, "ImageType"))


def _slice_header(path: Path, dataset: Any) -> SliceHeader | None:
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    bytes_needed = rows * columns * int(dataset.get("BitsAllocated", 16)) // 8
    if rows < 1 or columns < 1 or (syntax in _UNCOMPRESSED and path.stat().st_size < bytes_needed):
        return None
    number = dataset.get("SeriesNumber", None)
    thickness = dataset.get("SliceThickness", None)
    return SliceHeader(
        path=path,
        series=str(dataset.get("SeriesInstanceUID", "") or ""),
        series_number=1 << 31 if number is None else int(number),
        rows=rows,
        columns=columns,
        body_part=str(dataset.get("BodyPartExamined", "") or "").upper().strip(),
        thickness=float(thickness or 0.0),
        image_type=_image_type(dataset),
        inverted=str(dataset.get("PhotometricInterpretation", "")).strip().upper() == "MONOCHROME1",
        placement=_placement(dataset),
        patient=str(dataset.get("PatientID", "") or ""),
        study=str(dataset.get("StudyInstanceUID", "") or ""),
    )


def _placement(dataset: Any) -> SlicePlacement | None:
    """Position, directions and pixel size; None unless all are there and make sense."""
    position, orientation, pixel = (
        np.array([float(value) for value in _values(dataset, name)])
        for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    )
    if (position.size, orientation.size, pixel.size) != (3, 6, 2):
        return None
    row, column = orientation[:3], orientation[3:]
    finite = all(np.isfinite(part).all() for part in (position, orientation, pixel))
    if not finite or (pixel <= 0).any() or abs(row @ column) > _SAME_DIRECTION:
        return None
    if abs(np.linalg.norm(row) - 1) > 0.01 or abs(np.linalg.norm(column) - 1) > 0.01:
        return None
    # DICOM writes directions with few digits: make them exact unit vectors at right angles again.
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    return SlicePlacement(position, row, column / np.linalg.norm(column), pixel)


def _values(dataset: Any, name: str) -> list[Any]:
    """A many-valued field as a list; empty when it is absent or empty."""
    value = dataset.get(name, None)
    if value is None or value == "":
        return []
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
