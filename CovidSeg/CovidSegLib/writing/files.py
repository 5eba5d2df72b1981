"""Which ending means which form."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

from ..errors import OutputError
from ..i18n import tr as _
from ..segmentation import Segmentation
from ..system.unfinished import unfinished_name
from . import dicom_seg
from .labelmap import write_image, write_nifti
from .places import refuse_special
from .publish import output_errors, replace_file
from .seg_nrrd import write_seg_nrrd

_WRITERS: dict[str, Callable[[Segmentation, Path], None]] = {
    # The longer ending first: "x.seg.nrrd" ends in ".nrrd" too.
    ".seg.nrrd": write_seg_nrrd,
    ".nii.gz": write_nifti,
    ".nii": write_nifti,
    ".nrrd": write_image,
    ".mha": write_image,
}

SUFFIXES = tuple(_WRITERS)
"""Endings that can be written from any scan; upper and lower case are the same."""


_KNOWN = (*SUFFIXES, dicom_seg.SUFFIX)


def is_dicom_seg(path: Path) -> bool:
    """Whether the ending asks for a DICOM SEG, which only a DICOM series can have."""
    return path.name.lower().endswith(dicom_seg.SUFFIX)


def is_seg_nrrd(path: Path) -> bool:
    """Whether the ending asks for a Slicer segmentation, which can be updated later."""
    return path.name.lower().endswith(".seg.nrrd")


def write(segmentation: Segmentation, path: Path, series: dicom_seg.SourceSeries | None = None) -> None:
    """Write ``segmentation`` to ``path``; an existing file is replaced only when the new one is complete.

    ``.seg.nrrd`` becomes a Slicer segmentation with its three segments (also the empty ones). ``.nii.gz``, ``.nii``,
    ``.nrrd`` and ``.mha`` become a labelmap: uint8 values of :class:`CovidSegLib.segmentation.Label` on exactly the
    scan's grid. ``.dcm`` becomes a DICOM SEG that refers to the images of ``series``. Raises OutputError when it
    cannot be written; then nothing is left behind.
    """
    path = Path(path)
    check_suffix(path)
    replace_file(path, lambda place: write_to(segmentation, place, series))


def write_to(segmentation: Segmentation, place: Path, series: dicom_seg.SourceSeries | None = None) -> None:
    """As :func:`write`, for a ``place`` that nobody reads yet: when it fails, half a file may be there."""
    with output_errors():
        if not is_dicom_seg(place):
            _WRITERS[_suffix(place)](segmentation, place)
        elif series is None:
            raise OutputError(_("A DICOM segmentation needs the DICOM series that it refers to."))
        else:
            dicom_seg.write_dicom_seg(segmentation, series, place)


def check_suffix(path: Path) -> None:
    """Raise OutputError unless ``path`` has a known ending and lies in a folder where files can be made."""
    path = Path(path)
    suffix = _suffix(path)
    try:
        is_folder, has_place = path.is_dir(), path.parent.is_dir()
    except OSError as error:
        raise OutputError(_("The name of the output cannot be used."), _("Choose a shorter or simpler one.")) from error
    if is_folder:
        raise OutputError(_("The output is a folder, not a file."), _("Give a file name in it."))
    refuse_special(path)
    if not has_place:
        raise OutputError(_("The folder for the output does not exist."), _("Make it first, or choose another one."))
    if suffix.startswith(".nii") and importlib.util.find_spec("nibabel") is None:
        raise OutputError(
            _("NIfTI files need the Python package nibabel."), _("Install nibabel, or choose .seg.nrrd, .nrrd or .mha.")
        )
    if is_dicom_seg(path) and importlib.util.find_spec("highdicom") is None:
        raise OutputError(
            _("DICOM segmentations need the Python package highdicom."),
            _("Install it (pip install highdicom), or choose another form of output."),
        )
    _try_folder(path.parent)


def _suffix(path: Path) -> str:
    """The known ending of ``path``, in lower case."""
    name = path.name.lower()
    for suffix in _KNOWN:
        if name.endswith(suffix):
            return suffix
    raise OutputError(
        _("The output file has an ending that is not known."),
        _("Known endings: {endings}.").format(endings=", ".join(_KNOWN)),
    )


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
