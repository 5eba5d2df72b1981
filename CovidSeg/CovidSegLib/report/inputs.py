"""Masks from files, for a report on what somebody may have corrected."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..corrections.merge import ALL, bit, count_edits, is_corrected, to_labels
from ..errors import InputError
from ..geometry.volume import CtVolume
from ..mask_fit import fit_warnings
from ..measures.edits import SegmentEdit, reader_edits
from ..progress import Progress
from ..reading import read_ct
from ..reading.dicom_files import is_dicom
from ..reading.dicom_headers import modality_of
from ..segmentation import SEGMENTS, UNKNOWN_PROVENANCE, Label, Provenance, Segmentation, label_of_codes
from ..writing import Reviewed, is_seg_nrrd, provenance_of, read_reviewed
from .dicom_labels import read_dicom_labels

if TYPE_CHECKING:
    import pydicom

ANOTHER_SCAN = "The masks were made from another scan, or from this one before its voxels changed."
"""What is said where :attr:`Masks.of_another_scan` holds."""

_OWN_WORDS = {
    "ManufacturerModelName": re.compile(r"[a-z0-9_.-]{1,64}"),
    "DeviceSerialNumber": re.compile(r"[0-9a-f]{64}"),
    "SoftwareVersions": re.compile(r"CovidSeg [0-9a-z.+-]{1,32}"),
}
"""What a DICOM SEG of CovidSeg's own says of its making: network, SHA-256 of its weights, version."""

_ANOTHER_FILE = "Give a segmentation that CovidSeg wrote, or one with its three segments."


@dataclass(frozen=True)
class Masks:
    """Masks on the grid of their scan, and what a reader changed in them (None: the file does not tell).

    ``of_another_scan``: the file tells that they were made from other voxels. Two patients' scans may share a grid.
    ``corrected``: False where the file tells that nobody corrected them. ``doubts``: sentences on whether they were
    drawn on this scan at all (see ``mask_fit``).
    """

    segmentation: Segmentation
    edits: tuple[SegmentEdit, ...] | None = None
    of_another_scan: bool = False
    corrected: bool = True
    doubts: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of their numbers should know."""
        return (*((ANOTHER_SCAN,) if self.of_another_scan else ()), *self.doubts)


def read_masks(path: Path, volume: CtVolume) -> Masks:
    """The masks in ``path`` on the grid of ``volume``: a ``.seg.nrrd``, a DICOM SEG or a labelmap with values 0 to 3.

    Raises InputError when they are none of ours, do not lie on the scan's grid, or were surely drawn on another scan.
    """
    masks = _read(path, volume)
    labels = masks.segmentation.labels
    return replace(masks, doubts=fit_warnings(volume.voxels, labels, volume.grid))


def _read(path: Path, volume: CtVolume) -> Masks:
    if not path.is_file():
        raise InputError("The file with the masks does not exist.", "Check the name of the file.")
    if is_dicom(path) and modality_of(path) == "SEG":
        return _dicom_masks(path, volume)
    if is_seg_nrrd(path):
        reviewed = read_reviewed(path, volume.grid)
        return replace(_reviewed_masks(reviewed), of_another_scan=reviewed.is_of_another_scan(volume.fingerprint))
    labelmap = read_ct(path, Progress(), labels=True)
    lowest, highest = int(labelmap.voxels.min()), int(labelmap.voxels.max())
    if lowest < 0 or highest > max(Label):
        raise InputError("The file is no labelmap with values 0 to 3.", _ANOTHER_FILE)
    labels = volume.grid.bring(labelmap.voxels.astype(np.uint8), labelmap.affine)
    return Masks(Segmentation(labels, volume.affine, UNKNOWN_PROVENANCE))


def _dicom_masks(path: Path, volume: CtVolume) -> Masks:
    """Of a DICOM SEG with our three segments: one that CovidSeg wrote, or Slicer of a result of CovidSeg's.

    It keeps no record of what a network drew, so it does not tell what a reader changed.
    """
    told: list[Provenance] = []

    def labels_of(dataset: pydicom.Dataset) -> dict[int, int | None]:
        told.append(_dicom_provenance(dataset))
        return _our_numbers(dataset)

    labels = read_dicom_labels(path, volume, labels_of)
    return Masks(Segmentation(labels, volume.affine, told[0]))


def _our_numbers(dataset: pydicom.Dataset) -> dict[int, int | None]:
    """Our label of every segment number. Raises InputError unless each of ours is there once, by its codes."""
    found = {int(one.SegmentNumber): label_of_codes(_terminology(one)) for one in dataset.SegmentSequence}
    if sorted(label for label in found.values() if label is not None) != sorted(one.label for one in SEGMENTS):
        raise InputError("The DICOM SEG has not the three segments of CovidSeg.", _ANOTHER_FILE)
    return {number: label and int(label) for number, label in found.items()}


def _terminology(segment: pydicom.Dataset) -> str:
    """The segment's codes as Slicer's serialized entry has them: category, type and the type's modifier."""
    kind = segment.SegmentedPropertyTypeCodeSequence[0]
    modifiers = kind.get("SegmentedPropertyTypeModifierCodeSequence") or ()
    codes = [segment.SegmentedPropertyCategoryCodeSequence[0], kind, *modifiers[:1]]
    return "~" + "~".join(f"{code.CodingSchemeDesignator}^{code.CodeValue}^" for code in codes)


def _dicom_provenance(dataset: pydicom.Dataset) -> Provenance:
    """What a DICOM SEG of CovidSeg's own says of the network; nothing else of a header may come into a report."""
    found = [pattern.fullmatch(str(dataset.get(name) or "")) for name, pattern in _OWN_WORDS.items()]
    if not all(found):
        return UNKNOWN_PROVENANCE
    model, sha256, software = (match[0] for match in found if match)
    return Provenance(model, sha256, "", "", software)


def _reviewed_masks(reviewed: Reviewed) -> Masks:
    if not reviewed.ours:
        raise InputError("The segmentation has none of the segments of CovidSeg.", _ANOTHER_FILE)
    labels = to_labels(reviewed.current)
    segmentation = Segmentation(labels, reviewed.grid.affine, _provenance(reviewed), absent=reviewed.absent)
    if reviewed.last.known != ALL:
        return Masks(segmentation)
    edits = reader_edits(labels, to_labels(reviewed.last.drawn), reviewed.grid.voxel_ml)
    return Masks(segmentation, edits, corrected=is_corrected(reviewed.current, reviewed.last))


def _provenance(reviewed: Reviewed) -> Provenance:
    """What the tags of our segments say of the network that made them, and their voxels of who edited them since.

    Not the tag that says AUTOMATIC: a program that knows nothing of CovidSeg leaves it as it was.
    """
    ids = {definition.id for definition in reviewed.ours}
    made = provenance_of(segment.tags.get for segment in reviewed.segments if segment.id in ids)
    voxels, bits = count_edits(reviewed.current, reviewed.last)
    edited = tuple(one.id for one in reviewed.ours if bits & bit(one.label))
    kept_ml = voxels * reviewed.grid.voxel_ml
    return replace(made, edited=edited, kept_ml=kept_ml)
