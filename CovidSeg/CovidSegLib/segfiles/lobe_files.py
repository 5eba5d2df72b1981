"""Lobes as files: estimated ones are written, those of other programs are read; codes tell which lobe is which."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import __version__
from ..anatomy.lobe_order import lobes_out_of_place
from ..corrections.reviewed_segments import COMPLETED, STATUS_TAG
from ..errors import InputError, OutputError
from ..geometry.grid import Grid
from ..geometry.volume import CtVolume
from ..i18n import tr as _
from ..measures import lobe_of_codes, lobe_of_terminology
from ..measures.given_lobes import GivenLobes
from ..measures.lobe_choice import in_order
from ..progress import Progress
from ..reading import read_labels
from ..reading.dicom_files import files_below, is_dicom
from ..reading.dicom_headers import modality_of
from ..segmentation import Lobe
from ..system.atomic_files import output_errors
from .dicom_labels import read_dicom_labels
from .labelmap import save_nifti
from .reviewed import read_reviewed
from .seg_nrrd import FileSegment, is_seg_nrrd, write_layers
from .stamps import nifti_description

if TYPE_CHECKING:
    import pydicom

SUFFIXES = (".seg.nrrd", ".nii.gz", ".nii")

ESTIMATED_TAG = "CovidSeg.EstimatedLobe"
"""On a segment that was estimated: the SHA-256 of the model. It stays with what a reader corrects."""

ALGORITHM = "CovidSeg lobes estimated from the shape of the lungs"
"""Goes with the segments into a DICOM SEG, where the tag does not; in a NIfTI file it is the description."""

_ALGORITHM_TAG = "DICOM.SegmentAlgorithmName"
TELLING_TAGS = (ESTIMATED_TAG, _ALGORITHM_TAG, STATUS_TAG)
"""The tags of a segment that tell whose lobe it is (:func:`says_estimated`, :func:`says_checked`)."""

_OUR_ID = re.compile("Estimated(Left|Right)(Upper|Middle|Lower)Lobe")

_SIDES = {"LEFT": "7771000^Left", "RIGHT": "24028007^Right"}
_TYPES = {
    "UPPER": "45653009^Upper lobe of lung",
    "MIDDLE": "72481006^Middle lobe of right lung",
    "LOWER": "90572001^Lower lobe of lung",
}
LOBE_COLORS = {
    Lobe.RIGHT_UPPER: (0.35, 0.70, 0.45),
    Lobe.RIGHT_MIDDLE: (0.93, 0.78, 0.30),
    Lobe.RIGHT_LOWER: (0.80, 0.52, 0.25),
    Lobe.LEFT_UPPER: (0.40, 0.62, 0.90),
    Lobe.LEFT_LOWER: (0.62, 0.48, 0.82),
}
"""RGB, 0 to 1."""


def check_lobe_file(path: Path) -> None:
    """Raise OutputError unless lobes can be written in the form that the name of ``path`` asks for."""
    if not path.name.lower().endswith(SUFFIXES):
        raise OutputError("Lobes are written as .seg.nrrd, .nii.gz or .nii.", "Give the file such an ending.")


def write_lobes(lobes: np.ndarray, grid: Grid, path: Path, model: str) -> None:
    """Write ``lobes`` (uint8 (z, y, x) of :class:`Lobe`) on ``grid`` to ``path``. Raises OutputError.

    ``model``: the SHA-256 of the model that told them.
    """
    check_lobe_file(path)
    with output_errors():
        if is_seg_nrrd(path):
            write_layers([lobes], grid.affine, [_segment(lobe, model) for lobe in Lobe], path)
        else:
            save_nifti(lobes, grid.affine, path, ALGORITHM)


def _segment(lobe: Lobe, model: str) -> FileSegment:
    side, part = lobe.name.split("_")
    modifier = "^^" if lobe == Lobe.RIGHT_MIDDLE else f"SCT^{_SIDES[side]}"
    anatomy = f"SCT^123037004^Anatomical Structure~SCT^{_TYPES[part]}~{modifier}"
    tags = {
        "TerminologyEntry": f"Segmentation category and type - DICOM master list~{anatomy}~"
        "Anatomic codes - DICOM master list~^^~^^",
        "DICOM.SegmentAlgorithmType": "AUTOMATIC",
        _ALGORITHM_TAG: ALGORITHM,
        "CovidSeg.Software": f"CovidSeg {__version__}",
        STATUS_TAG: "notstarted",
        ESTIMATED_TAG: model,
    }
    name = f"{side.title()} {part.lower()} lobe (estimated)"
    return FileSegment.called(f"Estimated{side.title()}{part.title()}Lobe", name, LOBE_COLORS[lobe], lobe, tags)


def says_estimated(name: str, segment_id: str, tags: Mapping[str, str]) -> bool:
    """Whether a segment says in any way that CovidSeg estimated it: one of its signs is enough, whatever lost the rest.

    ``tags``: those of Slicer; the algorithm of a segment of a DICOM SEG goes by the name that Slicer has for it. It is
    the one rule for files and for the scene.
    """
    return (
        ESTIMATED_TAG in tags
        or ALGORITHM.lower() in tags.get(_ALGORITHM_TAG, "").lower()
        or "(estimated)" in name.lower()
        or _OUR_ID.search(segment_id) is not None
    )


def says_checked(tags: Mapping[str, str]) -> bool:
    """Whether a reader marked the segment as completed."""
    return tags.get(STATUS_TAG) == COMPLETED


def read_lobe_map(path: Path, volume: CtVolume, *, checked: bool = False) -> GivenLobes:
    """The lobes in ``path`` (``.seg.nrrd``, DICOM SEG, a labelmap of :func:`write_lobes`) on the grid of ``volume``.

    ``checked``: a reader has checked them; so says, too, who marked all of them as completed. Raises InputError when
    the file has no lobe, its voxels are not voxels of the scan, or they lie as no lobes do.
    """
    lobes = _read(path, volume, checked)
    grid = volume.grid
    reason = lobes_out_of_place(grid.to_upright(lobes.lobes), grid.upright.spacing)
    if reason:
        raise InputError(f"The file can be no lobe segmentation of this scan. {reason}", "Give the lobes of this scan.")
    return lobes


def _read(path: Path, volume: CtVolume, checked: bool) -> GivenLobes:
    if is_seg_nrrd(path):
        lobes = _from_slicer(path, volume)
    elif path.is_file() and is_dicom(path):
        lobes = _from_dicom(path, volume)
    elif path.is_file() and nifti_description(path) == ALGORITHM:
        lobes = _from_labelmap(path, volume)
    else:
        raise InputError(
            "Lobes are read from a .seg.nrrd file or a DICOM SEG, or from a .nii.gz of covidseg lobes that still says "
            "so in its header.",
            "Save them in one of these forms.",
        )
    if not lobes.lobes.any():
        raise InputError(
            "The file has no segment whose DICOM code says that it is a lobe of a lung.",
            "Set the segments' terminology in Slicer (double click on the colour of a segment).",
        )
    return replace(lobes, checked=lobes.checked or checked)


def lobes_beside(
    source: Path, volume: CtVolume, files: Sequence[Path] = (), *, checked: bool = False
) -> GivenLobes | None:
    """The lobes of the DICOM SEGs in the folder ``source`` that the scan was read from; None where there are none.

    Of several the first to be tried, with the others behind it (:func:`CovidSegLib.measures.lobe_choice.in_order`).
    ``files``: only these of the folder are meant (default: all). One that belongs to another scan is passed over.
    ``checked``: as for :func:`read_lobe_map`; raises InputError where several of them are estimates, since it is not
    known which of these a reader has checked.
    """
    if not source.is_dir():
        return None
    found = []
    for path in sorted(files or files_below(source)):
        if is_dicom(path) and modality_of(path) == "SEG":
            with suppress(InputError):
                found.append(_read(path, volume, checked))
    if checked and sum(one.estimated for one in found) > 1:
        raise InputError(
            _("The scan's folder holds several estimated lobe segmentations: which one was checked is not known."),
            _("Name it: --lobes FILE --lobes-checked."),
        )
    return in_order(found)


def _from_slicer(path: Path, volume: CtVolume) -> GivenLobes:
    file = read_reviewed(path, volume.grid)
    lobes = np.zeros(volume.voxels.shape, np.uint8)
    found = []
    for segment in file.segments:
        lobe = lobe_of_terminology(segment.tags.get("TerminologyEntry", ""))
        if lobe is not None:
            layer, value = segment.place
            lobes[file.layers[layer] == value] = lobe
            found.append(segment)
    estimated = any(says_estimated(one.fields.get("Name", ""), one.id, one.tags) for one in found)
    return GivenLobes(lobes, estimated, bool(found) and all(says_checked(one.tags) for one in found))


def _from_labelmap(path: Path, volume: CtVolume) -> GivenLobes:
    """What :func:`write_lobes` wrote; another program's labelmap does not tell which value is which lobe."""
    values, grid = read_labels(path, Progress())
    if values.min() < 0 or values.max() > max(Lobe):
        raise InputError("The file is no labelmap of lobes with values 0 to 5.", "Give it as covidseg lobes wrote it.")
    return GivenLobes(volume.grid.bring(values.astype(np.uint8), grid.affine), estimated=True)


def _from_dicom(path: Path, volume: CtVolume) -> GivenLobes:
    estimated: list[bool] = []

    def lobes_of(dataset: pydicom.Dataset) -> dict[int, int | None]:
        found = {int(one.SegmentNumber): _lobe_of(one) for one in dataset.SegmentSequence}
        estimated.extend(_dicom_says_estimated(one) for one in dataset.SegmentSequence if found[int(one.SegmentNumber)])
        return {number: lobe and int(lobe) for number, lobe in found.items()}

    lobes = read_dicom_labels(path, volume, lobes_of)
    return GivenLobes(lobes, any(estimated))


def _dicom_says_estimated(segment: pydicom.Dataset) -> bool:
    names = [str(segment.get(key, "")) for key in ("SegmentLabel", "SegmentDescription", "TrackingID")]
    return says_estimated(
        " ".join(names), " ".join(names), {_ALGORITHM_TAG: str(segment.get("SegmentAlgorithmName", ""))}
    )


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
