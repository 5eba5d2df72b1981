"""DICOM slices whose pixels are packed as archives pack them, whole or with a damaged stream; enhanced CT files."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from .dicom_files import ENHANCED_CT, save, write_slice

RLE = "1.2.840.10008.1.2.5"
COMPRESSORS = {
    "JPEG": "1.2.840.10008.1.2.4.70", "JPEG-LS": "1.2.840.10008.1.2.4.80", "JPEG2000": "1.2.840.10008.1.2.4.90",
}  # fmt: skip
"""All without loss."""


def pack(path: Path, compressor: str = "JPEG", change: Callable[[bytes], bytes] = lambda stream: stream) -> Path:
    """Pack the pixels of the slice at ``path``; ``change`` may damage the stream."""
    dataset = pydicom.dcmread(path)
    values = np.frombuffer(dataset.PixelData, "<u2").reshape(dataset.Rows, dataset.Columns)
    stream = change(_rle(values) if compressor == "RLE" else _stream(values, compressor))
    _put(dataset, [stream], RLE if compressor == "RLE" else COMPRESSORS[compressor])
    save(dataset, path)
    return path


def write_enhanced(
    path: Path,
    volume: np.ndarray,
    heights: list[float] | None = None,
    change: Callable[[Dataset], object] = lambda dataset: None,
    *,
    compressor: str = "",
    sop_class: str = ENHANCED_CT,
) -> Path:
    """Write ``volume`` (z, y, x) in HU as one enhanced CT, frames at ``heights`` (mm, default 2 mm apart).

    Every third frame is stored with another intercept. ``change`` may change the data set before it is written.
    """
    write_slice(
        path, volume[0], (0, 0, 0), SOPClassUID=sop_class, ImagePositionPatient=None, ImageOrientationPatient=None,
        PixelSpacing=None, SliceThickness=None, RescaleSlope=None, RescaleIntercept=None,
    )  # fmt: skip
    dataset = pydicom.dcmread(path)
    intercepts = [-1024 if number % 3 else -1000 for number in range(len(volume))]
    frames = [(plane - intercept).astype("<u2") for plane, intercept in zip(volume, intercepts, strict=True)]
    dataset.NumberOfFrames = len(frames)
    dataset.PixelData = b"".join(frame.tobytes() for frame in frames)
    dataset.SharedFunctionalGroupsSequence = [
        _groups(
            PixelMeasuresSequence={"PixelSpacing": [0.8, 0.7], "SliceThickness": 2.0},
            PlaneOrientationSequence={"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
            CTImageFrameTypeSequence={"FrameType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]},
        )
    ]
    heights = [2.0 * number for number in range(len(volume))] if heights is None else heights
    dataset.PerFrameFunctionalGroupsSequence = [
        _groups(
            PlanePositionSequence={"ImagePositionPatient": [-10.0, -20.0, height]},
            PixelValueTransformationSequence={"RescaleSlope": 1, "RescaleIntercept": intercept, "RescaleType": "HU"},
            FrameContentSequence={"StackID": "1", "FrameAcquisitionNumber": 1},
        )
        for height, intercept in zip(heights, intercepts, strict=True)
    ]
    if compressor:
        _put(dataset, [_stream(frame, compressor) for frame in frames], COMPRESSORS[compressor])
    change(dataset)
    save(dataset, path)
    return path


def _groups(**groups: dict[str, Any]) -> Dataset:
    """Functional groups, a sequence of one item each."""
    whole = Dataset()
    for name, elements in groups.items():
        item = Dataset()
        for keyword, value in elements.items():
            setattr(item, keyword, value)
        setattr(whole, name, Sequence([item]))
    return whole


def _put(dataset: Dataset, streams: list[bytes], syntax: str) -> None:
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(streams)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True


def _stream(values: np.ndarray, compressor: str) -> bytes:
    """What GDCM makes of ``values`` (y, x; uint16), or CharLS, which is highdicom's, of JPEG-LS."""
    if compressor == "JPEG-LS":
        return bytes(pytest.importorskip("jpeg_ls").encode_array(np.ascontiguousarray(values)))
    with TemporaryDirectory() as folder:
        writer = SimpleITK.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.SetUseCompression(True)
        writer.SetCompressor(compressor)
        writer.SetFileName(f"{folder}/packed.dcm")
        writer.Execute(SimpleITK.GetImageFromArray(values.astype(np.uint16)[None]))
        data = pydicom.dcmread(f"{folder}/packed.dcm").PixelData
    items, at = [], 0
    while at < len(data):
        tag, length = struct.unpack("<LL", data[at : at + 8])
        if tag == 0xE0DDFFFE:
            break
        items.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    return b"".join(items[1:])


def _rle(values: np.ndarray) -> bytes:
    """``values`` (y, x; uint16) in literal runs, the high bytes first (DICOM PS3.5, annex G)."""
    planes = []
    for shift in (8, 0):
        plane = (values >> shift).astype(np.uint8).tobytes()
        runs = (plane[at : at + 128] for at in range(0, len(plane), 128))
        planes.append(b"".join(bytes([len(run) - 1]) + run for run in runs))
        planes[-1] += b"\0" * (len(planes[-1]) % 2)
    return struct.pack("<16L", 2, 64, 64 + len(planes[0]), *[0] * 13) + b"".join(planes)
