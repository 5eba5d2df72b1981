"""Masks from files, for a report on what somebody may have corrected."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..corrections.merge import bit
from ..errors import InputError
from ..geometry.grid import Grid
from ..geometry.volume import CtVolume
from ..measures.edits import SegmentEdit, recorded_edits
from ..progress import Progress
from ..reading import read_labels
from ..segmentation import SEGMENTS, UNKNOWN_PROVENANCE, Label, Provenance, Segmentation, label_of_codes
from .dicom_labels import read_dicom_labels
from .reviewed import ReviewedFile, read_reviewed
from .seg_nrrd import provenance_of
from .stamps import dicom_is_as_written, labelmap_is_as_written

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
    ``of_this_scan``: it tells that they were made from these. ``corrected``: False where the file tells that nobody
    corrected them. ``infection_known``: False where no infection is marked, and the file does not tell whether any was
    looked for. ``doubts``: sentences on whether they were drawn on this scan at all (see ``mask_fit``).
    """

    segmentation: Segmentation
    edits: tuple[SegmentEdit, ...] | None = None
    of_another_scan: bool = False
    of_this_scan: bool = False
    corrected: bool = True
    infection_known: bool = True
    doubts: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of their numbers should know."""
        return (*((ANOTHER_SCAN,) if self.of_another_scan else ()), *self.doubts)


def masks_of_seg_nrrd(path: Path, volume: CtVolume) -> Masks:
    """The masks in the ``.seg.nrrd`` at ``path``, on the grid of ``volume``. Raises as :func:`.registry.read_masks`."""
    file = read_reviewed(path, volume.grid)
    if not file.ours:
        raise InputError("The segmentation has none of the segments of CovidSeg.", _ANOTHER_FILE)
    reviewed = file.reviewed
    segmentation = Segmentation(reviewed.labels, volume.affine, _provenance(file), absent=reviewed.absent)
    edits = recorded_edits(segmentation.labels, reviewed.last, volume.grid.voxel_ml)
    scan = volume.fingerprint
    another, this = reviewed.is_of_another_scan(scan), reviewed.is_of_scan(scan)
    return Masks(segmentation, edits, another, this, corrected=reviewed.is_corrected)


def masks_of_labelmap(path: Path, volume: CtVolume) -> Masks:
    """The masks in a labelmap with values 0 to 3. Raises as :func:`.registry.read_masks`."""
    values, grid = labels_of_ours(path, Progress(), _ANOTHER_FILE)
    labels = volume.grid.bring(values, grid.affine)
    as_written = labelmap_is_as_written(path, values)
    known = as_written or bool((values == Label.INFECTION).any())
    made = Segmentation(labels, volume.affine, UNKNOWN_PROVENANCE)
    return Masks(made, corrected=not as_written, infection_known=known)


def tells_of_infection(path: Path, labels: np.ndarray) -> bool:
    """Whether the labelmap at ``path``, which holds ``labels``, tells of infection.

    Without any it may be another program's, which knows lungs alone; what CovidSeg wrote is stamped (:mod:`.stamps`).
    """
    return bool((labels == Label.INFECTION).any()) or labelmap_is_as_written(path, labels)


def labels_of_ours(path: Path, progress: Progress, otherwise: str) -> tuple[np.ndarray, Grid]:
    """The labelmap at ``path``: uint8 (z, y, x) of :class:`Label`, and its grid.

    Raises as :func:`CovidSegLib.reading.read_labels`, and InputError with the hint ``otherwise`` for other values.
    """
    values, grid = read_labels(path, progress)
    if values.min() < 0 or values.max() > max(Label):
        raise InputError("The file is no labelmap with values 0 to 3.", otherwise)
    return values.astype(np.uint8), grid


def masks_of_dicom(path: Path, volume: CtVolume) -> Masks:
    """The masks in a DICOM SEG with our three segments: of CovidSeg, or of Slicer of a result of CovidSeg's.

    It keeps no record of what a network drew, so it does not tell what a reader changed; its stamp tells whether.
    """
    told: list[Provenance] = []

    def labels_of(dataset: pydicom.Dataset) -> dict[int, int | None]:
        told.append(_dicom_provenance(dataset))
        return _our_numbers(dataset)

    labels = read_dicom_labels(path, volume, labels_of)
    made = Segmentation(labels, volume.affine, told[0])
    return Masks(made, corrected=not dicom_is_as_written(path))


def _our_numbers(dataset: pydicom.Dataset) -> dict[int, int | None]:
    """Our label of every segment number. Raises InputError unless each of ours is there once, by its codes."""
    found = our_dicom_labels(dataset)
    if sorted(label for label in found.values() if label is not None) != sorted(one.label for one in SEGMENTS):
        raise InputError("The DICOM SEG has not the three segments of CovidSeg.", _ANOTHER_FILE)
    return {number: label and int(label) for number, label in found.items()}


def our_dicom_labels(dataset: pydicom.Dataset) -> dict[int, Label | None]:
    """Which of our labels each segment number is by its codes; None where it is none."""
    return {int(one.SegmentNumber): label_of_codes(_terminology(one)) for one in dataset.SegmentSequence}


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


def _provenance(file: ReviewedFile) -> Provenance:
    """What the tags of our segments say of the network that made them, and their voxels of who edited them since.

    Not the tag that says AUTOMATIC: a program that knows nothing of CovidSeg leaves it as it was.
    """
    ids = {definition.id for definition in file.ours}
    made = provenance_of(segment.tags.get for segment in file.segments if segment.id in ids)
    voxels, bits = file.reviewed.count_edits()
    edited = tuple(one.id for one in file.ours if bits & bit(one.label))
    return replace(made, edited=edited, kept_ml=voxels * file.grid.voxel_ml)
