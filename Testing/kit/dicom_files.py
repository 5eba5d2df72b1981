"""Small synthetic DICOM files for tests; no patient, no pixels of anybody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

if TYPE_CHECKING:
    import highdicom

    from CovidSegLib.segmentation import Segmentation

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
SERIES = "1.2.826.0.1.3680043.8.498.1"
OTHER_SERIES = "1.2.826.0.1.3680043.8.498.2"

PATIENT = {
    "PatientName": "Nobody^Anna", "PatientID": "4711", "PatientBirthDate": "19600101", "PatientSex": "F",
    "StudyID": "7", "StudyDate": "20200401", "StudyTime": "101500", "AccessionNumber": "A1",
    "ReferringPhysicianName": "", "FrameOfReferenceUID": "1.2.826.0.1.3680043.8.498.77", "Manufacturer": "Scanner",
    "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.9",
}  # fmt: skip
"""What a scanner writes of patient and study."""


def save(dataset: Dataset, path: Path, *, otherwise: bool = False) -> Path:
    """Write ``dataset`` as its transfer syntax says; ``otherwise``: it was read in another one.

    By the names that pydicom 2, in Slicer 5.10, or 3 has for that.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if int(pydicom.__version_info__[0]) < 3:
        dataset.is_little_endian, dataset.is_implicit_VR = syntax.is_little_endian, syntax.is_implicit_VR
        dataset.save_as(path, write_like_original=False)
    elif otherwise:
        form = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
        pydicom.dcmwrite(path, dataset, **form, force_encoding=True)
    else:
        dataset.save_as(path, enforce_file_format=True)
    return path


def write_slice(path: Path, hu: np.ndarray, position: tuple[float, ...], **fields: Any) -> Path:
    """Write one CT slice with ``hu`` (y, x), stored with an intercept of -1024, at ``position`` (LPS, mm).

    ``fields`` overwrite elements of the file by keyword; None takes one out.
    """
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    elements = {
        "SOPClassUID": CT_IMAGE,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.9",
        "SeriesInstanceUID": SERIES,
        "SeriesNumber": 1,
        "Modality": "CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "ImagePositionPatient": [round(float(value), 6) for value in position],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.8, 0.7],
        "SliceThickness": 2.0,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": hu.shape[0],
        "Columns": hu.shape[1],
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        **fields,
    }
    slope, intercept = float(elements["RescaleSlope"] or 1), float(elements["RescaleIntercept"] or 0)
    elements.setdefault("PixelData", np.rint((hu - intercept) / slope).astype("<u2").tobytes())
    _set(dataset, elements)
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", CT_IMAGE)
    dataset["PixelData"].VR = "OW"
    path.parent.mkdir(parents=True, exist_ok=True)
    return save(dataset, path)


def write_series(folder: Path, volume: np.ndarray, heights: list[float] | None = None, **fields: Any) -> list[Path]:
    """Write ``volume`` (z, y, x) in HU as a series, slices at ``heights`` (mm, default 2 mm apart)."""
    heights = [2.0 * index for index in range(len(volume))] if heights is None else heights
    return [
        write_slice(
            folder / f"{index:03d}_{fields.get('SeriesNumber', 1)}.dcm", plane, (-10.0, -20.0, height), **fields
        )
        for index, (plane, height) in enumerate(zip(volume, heights, strict=True))
    ]


def write_whole_series(folder: Path, heights: list[float] | None = None, **fields: object) -> Path:
    """A series with full identifiers, of 6 slices of 12x16 whose files are in no order of place; returns ``folder``.

    ``fields`` as :func:`write_slice` takes them.
    """
    volume = np.full((6, 12, 16), -800, np.int16)
    volume += np.arange(6, dtype=np.int16)[:, None, None]
    order = [3, 0, 5, 1, 4, 2]
    heights = heights or [-100.0 + 2.5 * index for index in range(6)]
    write_series(folder, volume[order], [heights[index] for index in order], **{**PATIENT, **fields})
    return folder


def labels_in_place(read: highdicom.seg.Segmentation, scan: Segmentation) -> np.ndarray:
    """The segments' numbers on the grid of ``scan`` (z, y, x), by place in the patient, not in an array."""
    found = read.get_volume(combine_segments=True, allow_missing_positions=True)
    lps = np.diag((-1.0, -1.0, 1.0, 1.0)) @ scan.affine
    seen = np.zeros_like(scan.labels)
    for index in np.argwhere(found.array > 0):
        place = np.linalg.inv(lps) @ found.affine @ [*index, 1]
        x, y, z = np.rint(place[:3]).astype(int)
        assert np.abs(place[:3] - (x, y, z)).max() < 1e-3
        seen[z, y, x] = found.array[tuple(index)]
    return seen


def _set(dataset: Dataset, elements: dict[str, Any]) -> None:
    for name, value in elements.items():
        if value is not None:
            setattr(dataset, name, value)
