"""Lobes from files of other programs: a Slicer segmentation or a DICOM SEG; their codes tell which lobe is which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..geometry.volume import CtVolume
from ..measures import Lobe, lobe_of_codes, lobe_of_terminology
from ..reading.dicom_files import files_below, is_dicom
from ..reading.dicom_headers import modality_of
from ..writing import is_seg_nrrd, read_reviewed
from ..writing.lobes import ALGORITHM, is_estimate
from .dicom_labels import read_dicom_labels

if TYPE_CHECKING:
    import pydicom

_TERMINOLOGY = "TerminologyEntry"


def read_lobe_map(path: Path, volume: CtVolume) -> np.ndarray:
    """The lobes in ``path`` (``.seg.nrrd``, or a DICOM SEG) on the grid of ``volume``: uint8 (K, J, I) of Lobe.

    Raises InputError when the file has no lobe, or its voxels are not voxels of the scan.
    """
    if is_seg_nrrd(path):
        lobes = _from_slicer(path, volume)
    elif path.is_file() and is_dicom(path):
        lobes = _from_dicom(path, volume)
    else:
        raise InputError("Lobes are read from a .seg.nrrd file or a DICOM SEG.", "Save them in one of these forms.")
    if not lobes.any():
        raise InputError(
            "The file has no segment whose DICOM code says that it is a lobe of a lung.",
            "Set the segments' terminology in Slicer (double click on the colour of a segment).",
        )
    return lobes


def lobes_beside(source: Path, volume: CtVolume, files: Sequence[Path] = ()) -> np.ndarray | None:
    """The lobes of a DICOM SEG in the folder ``source`` that the scan was read from; None where there is none.

    ``files``: only these of the folder are meant (default: all). One that belongs to another scan is passed over.
    """
    if not source.is_dir():
        return None
    for path in sorted(files or files_below(source)):
        if is_dicom(path) and modality_of(path) == "SEG":
            try:
                return read_lobe_map(path, volume)
            except InputError:
                continue
    return None


def _from_slicer(path: Path, volume: CtVolume) -> np.ndarray:
    reviewed = read_reviewed(path, volume.grid)
    lobes = np.zeros(volume.voxels.shape, np.uint8)
    estimates = []
    for segment in reviewed.segments:
        lobe = lobe_of_terminology(segment.tags.get(_TERMINOLOGY, ""))
        if lobe is not None:
            layer, value = segment.place
            mask = reviewed.layers[layer] == value
            estimates.append(is_estimate(segment, int(np.count_nonzero(mask))))
            lobes[mask] = lobe
    if estimates and all(estimates):
        raise _estimated()
    return lobes


def _estimated() -> InputError:
    return InputError(
        "The lobes in the file were estimated by CovidSeg, and nobody has corrected them.",
        "Leave them out: the score of estimated lobes is given with its range.",
    )


def _from_dicom(path: Path, volume: CtVolume) -> np.ndarray:
    return read_dicom_labels(path, volume, _lobes_of)


def _lobes_of(dataset: pydicom.Dataset) -> dict[int, Lobe | None]:
    if any(ALGORITHM in str(one.get("SegmentAlgorithmName", "")) for one in dataset.SegmentSequence):
        raise _estimated()
    return {int(one.SegmentNumber): _lobe_of(one) for one in dataset.SegmentSequence}


def _lobe_of(segment: pydicom.Dataset) -> Lobe | None:
    """By type and type modifier; where those only say "lung", by the anatomic region."""
    for sequence, modifiers in (
        ("SegmentedPropertyTypeCodeSequence", "SegmentedPropertyTypeModifierCodeSequence"),
        ("AnatomicRegionSequence", "AnatomicRegionModifierSequence"),
    ):
        for code in segment.get(sequence) or ():
            modifier = next(iter(code.get(modifiers) or segment.get(modifiers) or ()), None)
            value = str(modifier.CodeValue) if modifier is not None else ""
            lobe = lobe_of_codes(str(code.CodingSchemeDesignator), str(code.CodeValue), value)
            if lobe is not None:
                return lobe
    return None
