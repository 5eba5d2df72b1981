"""The forms of files that masks are written to and read from, by the ending of the name: one entry for each."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError, OutputError
from ..geometry.volume import CtVolume
from ..i18n import tr as _
from ..mask_fit import fit_warnings
from ..reading.dicom_files import is_dicom
from ..reading.dicom_headers import modality_of
from ..segmentation import Segmentation
from ..system.atomic_files import output_errors, replace_file
from ..system.file_states import file_state, refuse_special
from ..system.unfinished import unfinished_name
from . import dicom_seg, seg_nrrd
from .dicom_seg import SourceSeries
from .labelmap import write_image, write_nifti
from .mask_reading import Masks, masks_of_dicom, masks_of_labelmap, masks_of_seg_nrrd
from .stamps import dicom_is_as_written, labelmap_is_as_written


@dataclass(frozen=True)
class _Package:
    """A Python package that need not be there; ``missing``: what is said without it, and what to do."""

    name: str
    missing: tuple[str, str]

    def check(self) -> None:
        """Raise OutputError unless it is there."""
        if importlib.util.find_spec(self.name) is None:
            raise OutputError(*self.missing)


_NIBABEL = _Package(
    "nibabel",
    (_("NIfTI files need the Python package nibabel."), _("Install nibabel, or choose .seg.nrrd, .nrrd or .mha.")),
)
_HIGHDICOM = _Package(
    "highdicom",
    (
        _("DICOM segmentations need the Python package highdicom."),
        _("Install it (pip install highdicom), or choose another form of output."),
    ),
)


@dataclass(frozen=True)
class Format:
    """A form of file: one file, that holds every label.

    ``write`` gets the masks, the place and the DICOM series that the scan is, if it is one; ``read`` a path and the
    scan, and raises InputError. ``package``: what it takes to write, besides what is always there. ``of_series``: it
    cannot be written without a series. ``is_as_written``: whether a file tells that its voxels are the network's alone,
    as CovidSeg wrote them; of a ``.seg.nrrd`` :mod:`.reviewed` says more.
    """

    suffix: str
    write: Callable[[Segmentation, Path, SourceSeries | None], None]
    read: Callable[[Path, CtVolume], Masks]
    is_as_written: Callable[[Path], bool] = lambda _path: False
    package: _Package | None = None
    of_series: bool = False


def _write_dicom(segmentation: Segmentation, path: Path, series: SourceSeries | None) -> None:
    """Write a DICOM SEG. Raises OutputError, also without a ``series``."""
    if series is None:
        raise OutputError(
            _("A DICOM segmentation needs the DICOM series that it refers to."),
            _("Give the DICOM folder as the scan, or choose another form of output."),
        )
    dicom_seg.write_dicom_seg(segmentation, series, path)


def _alone(write: Callable[[Segmentation, Path], None]) -> Callable[[Segmentation, Path, SourceSeries | None], None]:
    return lambda segmentation, path, _series: write(segmentation, path)


FORMATS = (
    # The longer ending first: "x.seg.nrrd" ends in ".nrrd" too.
    Format(seg_nrrd.SUFFIX, _alone(seg_nrrd.write_seg_nrrd), masks_of_seg_nrrd),
    Format(".nii.gz", _alone(write_nifti), masks_of_labelmap, labelmap_is_as_written, package=_NIBABEL),
    Format(".nii", _alone(write_nifti), masks_of_labelmap, labelmap_is_as_written, package=_NIBABEL),
    Format(".nrrd", _alone(write_image), masks_of_labelmap, labelmap_is_as_written),
    Format(".mha", _alone(write_image), masks_of_labelmap, labelmap_is_as_written),
    Format(dicom_seg.SUFFIX, _write_dicom, masks_of_dicom, dicom_is_as_written, package=_HIGHDICOM, of_series=True),
)

SUFFIXES = tuple(form.suffix for form in FORMATS if not form.of_series)
"""Endings that can be written from any scan; upper and lower case are the same."""


def read_masks(path: Path, volume: CtVolume) -> Masks:
    """The masks in ``path`` on the grid of ``volume``: a ``.seg.nrrd``, a DICOM SEG or a labelmap with values 0 to 3.

    Raises InputError when they are none of ours, do not lie on the scan's grid, or were surely drawn on another scan.
    """
    if not path.is_file():
        raise InputError(_("The file with the masks does not exist."), _("Check the name of the file."))
    form = _form_of(path)
    if is_dicom(path) and modality_of(path) == "SEG":  # archives name their files as they like
        masks = masks_of_dicom(path, volume)
    elif form is None or form.of_series:
        masks = masks_of_labelmap(path, volume)
    else:
        masks = form.read(path, volume)
    if masks.of_this_scan:  # however badly they follow it
        return masks
    return replace(masks, doubts=fit_warnings(volume.voxels, masks.segmentation.labels, volume.grid))


def is_as_written(path: Path) -> bool:
    """Whether the file at ``path`` tells that it is as CovidSeg wrote it, with nothing of a reader's in it."""
    form = _form_of(path)
    return form is not None and form.is_as_written(path)


def write(segmentation: Segmentation, path: Path, series: SourceSeries | None = None) -> None:
    """Write ``segmentation`` to ``path``; an existing file is replaced only when the new one is complete.

    ``.seg.nrrd`` becomes a Slicer segmentation with its three segments (also the empty ones). ``.nii.gz``, ``.nii``,
    ``.nrrd`` and ``.mha`` become a labelmap: uint8 values of :class:`CovidSegLib.segmentation.Label` on exactly the
    scan's grid. ``.dcm`` becomes a DICOM SEG that refers to the images of ``series``. Raises OutputError when it
    cannot be written; then nothing is left behind.
    """
    path = Path(path)
    check_suffix(path)
    replace_file(path, lambda place: write_to(segmentation, place, series), file_state(path))


def write_to(segmentation: Segmentation, place: Path, series: SourceSeries | None = None) -> None:
    """As :func:`write`, for a ``place`` that nobody reads yet: when it fails, half a file may be there."""
    with output_errors():
        _known_form(place).write(segmentation, place, series)


def check_suffix(path: Path) -> None:
    """Raise OutputError unless ``path`` has a known ending and lies in a folder where files can be made."""
    path = Path(path)
    form = _known_form(path)
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            os.stat(path)  # pathlib passes over links in a circle and names with a zero byte
        is_folder, has_place = path.is_dir(), path.parent.is_dir()
    except (OSError, ValueError) as error:
        raise OutputError(_("The name of the output cannot be used."), _("Choose a shorter or simpler one.")) from error
    if is_folder:
        raise OutputError(_("The output is a folder, not a file."), _("Give a file name in it."))
    refuse_special(path)
    if not has_place:
        raise OutputError(_("The folder for the output does not exist."), _("Make it first, or choose another one."))
    if form.package is not None:
        form.package.check()
    _try_folder(path.parent)


def _form_of(path: Path) -> Format | None:
    """The form that the name of ``path`` asks for; None for an ending that is not known."""
    name = path.name.lower()
    return next((form for form in FORMATS if name.endswith(form.suffix)), None)


def _known_form(path: Path) -> Format:
    form = _form_of(path)
    if form is None:
        known = ", ".join(form.suffix for form in FORMATS)
        raise OutputError(
            _("The output file has an ending that is not known."), _("Known endings: {endings}.").format(endings=known)
        )
    return form


def _try_folder(folder: Path) -> None:
    """Raise OutputError unless a file can be made in ``folder``: permission bits alone do not tell on all systems."""
    attempt = folder / unfinished_name()
    try:
        attempt.touch(exist_ok=False)
        attempt.unlink()
    except OSError as error:
        raise OutputError(
            _("Files cannot be made in the folder for the output."), _("Choose a folder that you may write to.")
        ) from error
