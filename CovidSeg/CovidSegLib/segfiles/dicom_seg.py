"""DICOM SEG: the result as an object for an archive (PACS), tied to the CT images that it was made from.

Written by highdicom, outside of Slicer; in Slicer its own exporter is the way. It carries the patient and study of the
CT, as every DICOM object of the study does.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, OutputError
from ..progress import Progress
from ..reading import series_files
from ..reading.affine_checks import LPS_TO_RAS
from ..reading.silent_pydicom import load_pydicom, quiet_pydicom
from ..segmentation import SEGMENTS, Provenance, Segmentation, SegmentDefinition
from ..system.read_back import not_as_written
from .dicom_source import read_header
from .stamps import may_be_stamped, stamp_of_bytes

if TYPE_CHECKING:
    import highdicom
    import pydicom

SUFFIX = ".dcm"

_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
"""Without these a SEG cannot say which images it belongs to (DICOM's type 1)."""

_SERIES_STEP = 1000
"""Our series is numbered this much higher than the CT's."""

_NO_SEG = (
    "The headers of the DICOM series hold values of which no DICOM segmentation can be made.",
    "Choose another form of output, such as .seg.nrrd.",
)

_MEANING_LENGTH = 64
"""The longest code meaning that DICOM allows (VR LO)."""


def is_dicom_seg(path: Path) -> bool:
    """Whether the ending asks for a DICOM SEG, which only a DICOM series can have."""
    return path.name.lower().endswith(SUFFIX)


@dataclass(frozen=True)
class SourceSeries:
    """The CT images, without pixels, in the order of the volume's slices; None for a slice that was filled in."""

    images: tuple[pydicom.Dataset | None, ...]


def read_source_series(folder: Path, progress: Progress, files: Sequence[Path] = ()) -> SourceSeries:
    """The headers of the series that :func:`CovidSegLib.reading.read_ct` reads from ``folder`` (or ``files`` in it).

    Raises InputError when the input is no DICOM folder or the series lacks the identifiers that a SEG must name, and
    OutputError when highdicom is not installed.
    """
    _import_highdicom()
    if not folder.is_dir():
        raise InputError(
            "A DICOM segmentation needs the CT as a DICOM series: it refers to its images.",
            "Give the folder with the series, or choose another form of output.",
        )
    paths = series_files(folder, progress, files)
    if len(set(paths) - {None}) < len([path for path in paths if path is not None]):
        raise InputError(
            "The CT is an enhanced (multi-frame) object: no DICOM segmentation is written of it.",
            "Choose another form of output, such as .seg.nrrd.",
        )
    images = tuple(None if path is None else read_header(path) for path in paths)
    uids = [_uids(image) for image in images if image is not None]
    for name in _UIDS:
        if not all(one[name] for one in uids):
            raise InputError(
                "The DICOM series has lost its identifiers, so that no DICOM segmentation can refer to its images "
                f"(there is no valid {name}).",
                "Use the series as the scanner made it, or choose another form of output, such as .seg.nrrd.",
            )
    for name in ("StudyInstanceUID", "FrameOfReferenceUID"):
        if len({one[name] for one in uids}) > 1:
            raise InputError(f"The images of the DICOM series differ in {name}.", "Export the series again.")
    _try(next(image for image in images if image is not None))
    return SourceSeries(images)


def _try(image: pydicom.Dataset) -> None:
    """Make an empty segmentation of one image, to say now what would be said when all work is done."""
    empty = np.zeros((1, int(image.Rows), int(image.Columns)), np.uint8)
    made = Provenance("none", "", "none", "none", "none")
    try:
        _dataset(Segmentation(empty, np.eye(4), made), SourceSeries((copy.deepcopy(image),)))
    except OutputError:
        raise InputError(*_NO_SEG) from None


def write_dicom_seg(segmentation: Segmentation, series: SourceSeries, path: Path) -> None:
    """Write a binary SEG with our three segments (also empty ones) to ``path``. Raises OutputError, OSError.

    Frames lie where the CT's images lie; slices that were filled in on reading have frames of their own.
    """
    dataset = _dataset(segmentation, series)
    if may_be_stamped(segmentation):
        # A value of odd length gets one byte more in the file.
        pixels = bytes(dataset.PixelData)
        dataset.ImageComments = stamp_of_bytes(pixels + bytes(len(pixels) % 2))
    with _quiet():
        dataset.save_as(path, enforce_file_format=True)
    check_written(path, dataset)


def _dataset(segmentation: Segmentation, series: SourceSeries) -> pydicom.Dataset:
    """The SEG. Raises OutputError where highdicom cannot make one of these headers; it would name the value."""
    highdicom = _import_highdicom()
    from pydicom.uid import generate_uid

    images = [image for image in series.images if image is not None]
    if segmentation.labels.shape != (len(series.images), int(images[0].Rows), int(images[0].Columns)):
        raise ValueError("the segmentation is not on the grid of the series")
    for image in images:
        if image.SliceThickness is None:  # highdicom does not read again what has none
            image.SliceThickness = segmentation.grid.spacing[2]
    made = segmentation.provenance
    try:
        with _quiet():
            return highdicom.seg.Segmentation(
                images,
                segmentation.labels,
                highdicom.seg.SegmentationTypeValues.BINARY,
                [_description(highdicom, segment, segmentation) for segment in SEGMENTS],
                series_instance_uid=generate_uid(),
                series_number=_series_number(images[0]),
                sop_instance_uid=generate_uid(),
                instance_number=1,
                manufacturer="CovidSeg",
                manufacturer_model_name=made.model[:_MEANING_LENGTH],
                software_versions=made.software[:_MEANING_LENGTH],
                device_serial_number=made.sha256,
                content_label="COVIDSEG",
                content_description="Lungs and COVID-19 infection; for research only",
                series_description="CovidSeg segmentation",
                **({} if len(images) == len(series.images) else _planes(highdicom, segmentation)),
            )
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise OutputError(*_NO_SEG) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what highdicom and pydicom say of odd values in the CT's own header, which may name the patient."""
    logger = logging.getLogger("highdicom")
    level = logger.level
    try:
        logger.setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _series_number(image: pydicom.Dataset) -> int:
    with suppress(TypeError, ValueError):
        return max(int(image.get("SeriesNumber") or 0), 0) + _SERIES_STEP
    return _SERIES_STEP


def check_written(path: Path, written: pydicom.Dataset) -> None:
    """Raise OutputError unless the file at ``path`` holds the pixels of ``written``, which come last in it."""
    with quiet_pydicom() as pydicom:
        found = pydicom.dcmread(path)
    # A value of odd length gets one byte more.
    if found.get("PixelData", b"")[: len(written.PixelData)] != written.PixelData:
        raise not_as_written()


def _planes(highdicom: Any, segmentation: Segmentation) -> dict[str, Any]:
    """Where every slice lies, for a volume that has more slices than the series has images."""
    lps = LPS_TO_RAS @ segmentation.affine
    x_mm, y_mm, z_mm = segmentation.grid.spacing
    corners = [(lps @ (0, 0, k, 1))[:3] for k in range(len(segmentation.labels))]
    system = highdicom.CoordinateSystemNames.PATIENT
    directions = np.concatenate([lps[:3, 0] / x_mm, lps[:3, 1] / y_mm])
    return {
        "plane_positions": [highdicom.PlanePositionSequence(system, corner.tolist()) for corner in corners],
        "plane_orientation": highdicom.PlaneOrientationSequence(system, directions.tolist()),
        "pixel_measures": highdicom.PixelMeasuresSequence((y_mm, x_mm), z_mm, spacing_between_slices=z_mm),
    }


def _description(
    highdicom: Any, segment: SegmentDefinition, segmentation: Segmentation
) -> highdicom.seg.SegmentDescription:
    """A segment in DICOM's words: codes, colour, and who drew it."""
    from pydicom.sr.codedict import codes

    made = segmentation.provenance
    _, category, kind, modifier, _, region, _ = segment.terminology.split("~")
    regions = [_code(highdicom, region)] if region != "^^" else None
    description = highdicom.seg.SegmentDescription(
        segment_number=int(segment.label),
        segment_label=segment.name,
        segmented_property_category=_code(highdicom, category),
        segmented_property_type=_code(highdicom, kind),
        algorithm_type="SEMIAUTOMATIC" if segment.id in made.edited else "AUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="CovidSeg", family=codes.cid7162.ArtificialIntelligence, version=made.software, source=made.model
        ),
        anatomic_regions=regions,
        display_color=highdicom.color.CIELabColor.from_rgb(*(round(255 * channel) for channel in segment.color)),
    )
    if modifier != "^^":
        # Left and right belong to the property's code; highdicom has no parameter for it.
        item = description.SegmentedPropertyTypeCodeSequence[0]
        item.SegmentedPropertyTypeModifierCodeSequence = [_code(highdicom, modifier)]
    return description


def _code(highdicom: Any, text: str) -> highdicom.sr.CodedConcept:
    """Slicer's ``scheme^value^meaning`` as DICOM's coded concept."""
    scheme, value, meaning = text.split("^")
    return highdicom.sr.CodedConcept(value, scheme, meaning[:_MEANING_LENGTH])


def _uids(image: pydicom.Dataset) -> dict[str, str]:
    """The identifiers of an image; empty where there is none or none that DICOM allows."""
    with quiet_pydicom() as pydicom:
        values = {name: str(image.get(name) or "") for name in _UIDS}
        return {name: value if value and pydicom.uid.UID(value).is_valid else "" for name, value in values.items()}


def _import_highdicom() -> Any:
    load_pydicom()
    try:
        import highdicom
    except ImportError:
        raise OutputError(
            "DICOM segmentations need the Python package highdicom.",
            "Install it (pip install highdicom), or choose another form of output.",
        ) from None
    return highdicom
