"""What a labelmap tells of itself: that its voxels are still those that CovidSeg wrote, or that somebody changed them.

A SHA-256 of the voxels stands in the header: in a NIfTI file as its description, in NRRD and MetaImage under the key
that ITK reads it as. Programs that write voxels anew drop it or keep it; kept, it no longer fits. What has none counts
as a reader's work. A DICOM SEG has one of its pixel data, as its image comments.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..progress import Progress
from ..reading import read_labels
from ..reading.nrrd import read_nrrd
from ..reading.silent_pydicom import quiet_pydicom
from ..reading.text_headers import read_meta_header
from ..segmentation import Segmentation

KEY = "ITK_FileNotes"
"""The name under which ITK reads and writes the description of a NIfTI file."""

_NIFTI_HEADER = struct.Struct("<70xh76x80s")
"""Of nifti1.h: datatype, descrip."""

_NIFTI_UINT8 = 2


def stamp_of(labels: np.ndarray) -> str:
    """The stamp of ``labels``, uint8 (z, y, x): 73 characters, NIfTI's description has room for 79."""
    return stamp_of_bytes(np.ascontiguousarray(labels, np.uint8).data)


def stamp_of_bytes(content: bytes | memoryview) -> str:
    """The stamp of the pixel data of a DICOM object."""
    return f"CovidSeg {hashlib.sha256(content).hexdigest()}"


def may_be_stamped(segmentation: Segmentation) -> bool:
    """Whether these masks are the network's alone: a reader's may not be replaced unasked."""
    made = segmentation.provenance
    return not (made.edited or made.kept_ml or segmentation.absent)


def labelmap_is_as_written(path: Path, labels: np.ndarray | None = None) -> bool:
    """Whether the labelmap at ``path`` (.nii, .nii.gz, .nrrd, .mha) holds the very voxels that it is stamped with.

    ``labels``: these voxels (z, y, x), where they were read already.
    """
    try:
        stamp = _stamp_in(path)
        return bool(stamp) and stamp == stamp_of(read_labels(path, Progress())[0] if labels is None else labels)
    except (InputError, OSError, EOFError, ValueError, struct.error, zlib.error):
        return False


def _stamp_in(path: Path) -> str:
    """The stamp in the header; "" where there is none, or the voxels are no more of the kind that was written."""
    name = path.name.lower()
    if name.endswith(".nrrd"):
        image = read_nrrd(path)
        return image.pairs.get(KEY, "") if image.dtype == np.uint8 else ""
    if name.endswith(".mha"):
        fields = read_meta_header(path).fields
        return fields.get(KEY.lower(), "") if fields.get("elementtype") == "MET_UCHAR" else ""
    return _description_in(path, _NIFTI_UINT8)


def nifti_description(path: Path) -> str:
    """The description in the header of the NIfTI file at ``path``; "" where it has none or is no such file."""
    try:
        return _description_in(path) if path.name.lower().endswith((".nii", ".nii.gz")) else ""
    except (OSError, EOFError, struct.error, zlib.error):
        return ""


def _description_in(path: Path, needed: int | None = None) -> str:
    """As :func:`nifti_description`; "" where the voxels are not of the kind that is ``needed``."""
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        kind, text = _NIFTI_HEADER.unpack(file.read(_NIFTI_HEADER.size))
    return text.split(b"\0")[0].decode("ascii", "replace") if needed in (None, kind) else ""


def dicom_is_as_written(path: Path) -> bool:
    """Whether the DICOM SEG at ``path`` holds the very pixels that it is stamped with."""
    with quiet_pydicom() as pydicom:
        try:
            dataset = pydicom.dcmread(path)
            return str(dataset.get("ImageComments", "")) == stamp_of_bytes(dataset.PixelData)
        except Exception:  # pydicom raises nearly anything on a damaged file
            return False
