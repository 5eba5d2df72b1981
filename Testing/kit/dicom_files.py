"""Small synthetic DICOM files for tests; no patient, no pixels of anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
SERIES = "1.2.826.0.1.3680043.8.498.1"
OTHER_SERIES = "1.2.826.0.1.3680043.8.498.2"


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
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(folder: Path, volume: np.ndarray, heights: list[float] | None = None, **fields: Any) -> list[Path]:
    """Write ``volume`` (z, y, x) in HU as a series, slices at ``heights`` (mm, default 2 mm apart)."""
    heights = [2.0 * index for index in range(len(volume))] if heights is None else heights
    return [
        write_slice(
            folder / f"{index:03d}_{fields.get('SeriesNumber', 1)}.dcm", plane, (-10.0, -20.0, height), **fields
        )
        for index, (plane, height) in enumerate(zip(volume, heights, strict=True))
    ]


def _set(dataset: Dataset, elements: dict[str, Any]) -> None:
    for name, value in elements.items():
        if value is not None:
            setattr(dataset, name, value)
