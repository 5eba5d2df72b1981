"""What the header of one DICOM file says: a CT slice, several of them, or what else it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .enhanced_frames import FUNCTIONAL_GROUPS, anatomic_region, merged_frames
from .header_values import number_of, seconds_of, values_of
from .silent_pydicom import quiet_pydicom
from .slice_header import SAME_DIRECTION, UNNUMBERED, Scale, SliceHeader, SlicePlacement, Taken
from .stored_pixels import OVERLAY_BIT_POSITIONS, StoredFrame, open_dicom, stored_frames

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
"""Enhanced CT, and what archives make of ordinary series (legacy converted)."""

_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_DIRECTORY = "1.2.840.10008.1.3.10"

_TAGS = [
    "SOPClassUID", "SeriesInstanceUID", "SeriesNumber", "Modality", "ImageType", "BodyPartExamined", "NumberOfFrames",
    "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelSpacing", "SliceThickness", "ImagePositionPatient", "ImageOrientationPatient",
    "PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "RescaleSlope", "RescaleIntercept", "RescaleType",
    "AcquisitionNumber", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime", "ContentDate", "ContentTime",
    "TemporalPositionIdentifier", "ConvolutionKernel", "KVP", "PixelPaddingValue",
    "AnatomicRegionSequence", *FUNCTIONAL_GROUPS, *OVERLAY_BIT_POSITIONS,
]  # fmt: skip
"""All that is read of a header: any other element counts as absent. A private one needs its creator's tag as well."""

_PLACING = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
"""The elements that say where a slice lies, and how many numbers each has."""

_MODALITIES = {
    "AR", "BI", "BMD", "CR", "DG", "DOC", "DX", "ECG", "ES", "FID", "GM", "IO", "KO", "LS", "M3D", "MG", "MR", "NM",
    "OP", "OT", "PR", "PT", "PX", "REG", "RF", "RG", "RTDOSE", "RTIMAGE", "RTPLAN", "RTRECORD", "RTSTRUCT", "RWV",
    "SC", "SEG", "SM", "SR", "ST", "STAIN", "TG", "US", "XA", "XC",
}  # fmt: skip
"""Terms for Modality (DICOM PS3.3, C.7.3.1.1.1) that a message may name; any other text of a file stays in it."""

_MODALITY, _PATIENT, _STUDY = 0x00080060, 0x00100020, 0x0020000D


def read_headers(path: Path) -> list[SliceHeader] | str | None:
    """The CT slices in a DICOM file (more than one in an enhanced CT), the kind of object that it is instead, or None.

    None: the file cannot be read, or contradicts itself or its size. The kind is a Modality ("MR", "SEG", ...), or
    "directory", "localizer", "picture" (a secondary capture), "pictures", "enhanced CT" (which does not say where its
    frames lie), "frames" (any other object of several), "unknown".
    """
    with quiet_pydicom() as pydicom:
        try:
            with open_dicom(path) as file:
                dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=_TAGS)
                if _is_cut_off(dataset):
                    return None
                kind = _other_kind(dataset)
                if kind:
                    return kind
                frames = _frames(dataset)
                stored = stored_frames(file, dataset) if frames else []
            slices = [_slice_header(path, dataset, *pair) for pair in zip(frames, stored, strict=True)]
            return _without_scouts(slices) if frames else "enhanced CT"
        except Exception:  # pydicom raises nearly anything on a damaged file
            return None


def _frames(dataset: Any) -> list[Any]:
    """What is said of each frame; empty for an enhanced CT that does not say where each of them lies."""
    if str(dataset.get("SOPClassUID", "") or "") not in ENHANCED_CT:
        return [dataset]
    frames = merged_frames(dataset, int(dataset.get("NumberOfFrames", 1) or 1))
    return frames if any(_placement(frame) for frame in frames) else []


def _without_scouts(slices: list[SliceHeader]) -> list[SliceHeader] | str:
    return [header for header in slices if "LOCALIZER" not in header.image_type] or "localizer"


def study_of(path: Path) -> tuple[str, str, bool]:
    """Patient, study, and whether the object is a CT, of the DICOM file ``path``, to tell studies apart.

    The first two are identifiers: to be compared, never to be shown or kept. Empty for a file that cannot be read.
    """
    modality, patient, study = _first_elements(path, (_MODALITY, _PATIENT, _STUDY))
    return patient, study, modality.strip().upper() == "CT"


def modality_of(path: Path) -> str:
    """What kind of object the DICOM file ``path`` is ("CT", "SEG", ...); empty for a file that cannot be read."""
    return _first_elements(path, (_MODALITY,))[0]


def _first_elements(path: Path, tags: Sequence[int]) -> list[str]:
    """The elements ``tags`` of a DICOM file as text; nothing behind the last of them is read."""
    with quiet_pydicom() as pydicom:
        try:
            with open_dicom(path) as file:
                dataset = pydicom.filereader.read_partial(
                    file, lambda tag, *_: tag > max(tags), force=True, specific_tags=list(tags)
                )
            return [str(dataset[tag].value or "") if tag in dataset else "" for tag in tags]
        except Exception:  # as above
            return [""] * len(tags)


def read_elements(path: Path, names: Sequence[str]) -> dict[str, str]:
    """The elements ``names`` of a DICOM file as text; empty where it has none or cannot be read."""
    with quiet_pydicom() as pydicom:
        try:
            with open_dicom(path) as file:
                dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(names))
            return {name: str(dataset.get(name, "") or "") for name in names}
        except Exception:  # as above
            return {}


def _is_cut_off(dataset: Any) -> bool:
    """Whether the file ends before it says what it is; every object that has a Modality has a series, which follows."""
    return str(dataset.file_meta.get("MediaStorageSOPClassUID", "")) != _DIRECTORY and all(
        element.tag < _MODALITY for element in dataset
    )


def _other_kind(dataset: Any) -> str:
    """What the object is if it holds no CT slices, else ''."""
    modality = str(dataset.get("Modality", "") or "").strip().upper()
    sop_class = str(dataset.get("SOPClassUID", "") or "")
    several = int(dataset.get("NumberOfFrames", 1) or 1) > 1
    if str(dataset.file_meta.get("MediaStorageSOPClassUID", "")) == _DIRECTORY:
        return "directory"
    if modality != "CT":
        return modality if modality in _MODALITIES else "unknown"
    if sop_class.startswith(_CAPTURE):
        return "pictures" if several else "picture"
    coloured = int(dataset.get("SamplesPerPixel", 1) or 1) != 1
    if sop_class in ENHANCED_CT:
        return "picture" if coloured else ""
    if several:
        return "frames"
    if "LOCALIZER" in _image_type(dataset):
        return "localizer"
    return "picture" if coloured or (sop_class and sop_class != CT_IMAGE) else ""


def _image_type(dataset: Any) -> tuple[str, ...]:
    return tuple(str(word).upper().strip() for word in values_of(dataset, "ImageType"))


def _slice_header(path: Path, dataset: Any, frame: Any, stored: StoredFrame) -> SliceHeader:
    """``frame``: what is said of the slice; the same as ``dataset``, what is said of the file, where it holds one."""
    number = number_of(dataset, "SeriesNumber")
    return SliceHeader(
        path=path,
        series=str(dataset.get("SeriesInstanceUID", "") or ""),
        series_number=UNNUMBERED if number is None else int(number),
        rows=stored.rows,
        columns=stored.columns,
        body_part=str(frame.get("BodyPartExamined", "") or anatomic_region(frame)).upper().strip(),
        thickness=number_of(frame, "SliceThickness") or 0.0,
        stored=stored,
        image_type=_image_type(frame),
        inverted=str(dataset.get("PhotometricInterpretation", "")).strip().upper() == "MONOCHROME1",
        placement=_placement(frame),
        taken=_taken(frame),
        scale=Scale(
            number_of(frame, "RescaleSlope"),
            number_of(frame, "RescaleIntercept"),
            str(frame.get("RescaleType", "") or "").upper().strip(),
        ),
        patient=str(dataset.get("PatientID", "") or ""),
        study=str(dataset.get("StudyInstanceUID", "") or ""),
        reference=str(dataset.get("FrameOfReferenceUID", "") or ""),
    )


def _taken(frame: Any) -> Taken:
    number = number_of(frame, "AcquisitionNumber")
    return Taken(
        None if number is None else int(number),
        tuple(
            str(frame.get(name, "") or "").strip()
            for name in ("TemporalPositionIdentifier", "StackID", "ConvolutionKernel", "KVP")
        ),
        seconds_of(frame, "Acquisition"),
        seconds_of(frame, "Content"),
    )


def lost_elements(path: Path) -> list[str]:
    """Which of the elements that place a slice a DICOM file lacks, or has no such numbers in; all if each has some."""
    with quiet_pydicom() as pydicom:
        try:
            with open_dicom(path) as file:
                dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(_PLACING))
            lost = [name for name, count in _PLACING.items() if len(_numbers(dataset, name)) != count]
        except Exception:  # as above
            lost = []
    return lost or list(_PLACING)


def _numbers(dataset: Any, name: str) -> list[float]:
    """A field with numbers; empty where one of them is none."""
    try:
        numbers = [float(value) for value in values_of(dataset, name)]
    except ValueError:
        return []
    return numbers if np.isfinite(numbers).all() else []


def _placement(dataset: Any) -> SlicePlacement | None:
    """Position, directions and pixel size; None unless all are there and make sense."""
    position, orientation, pixel = (np.array(_numbers(dataset, name)) for name in _PLACING)
    if (position.size, orientation.size, pixel.size) != tuple(_PLACING.values()):
        return None
    row, column = orientation[:3], orientation[3:]
    if (pixel <= 0).any() or abs(row @ column) > SAME_DIRECTION:
        return None
    if abs(np.linalg.norm(row) - 1) > 0.01 or abs(np.linalg.norm(column) - 1) > 0.01:
        return None
    # DICOM writes directions with few digits: make them exact unit vectors at right angles again.
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    return SlicePlacement(position, row, column / np.linalg.norm(column), pixel)
