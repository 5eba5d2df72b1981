"""One CT from one file: its format by its suffix, and what NRRD and MetaImage files hold as a volume."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..errors import InputError
from ..geometry.volume import CtVolume
from ..progress import Progress
from .affine_checks import UNPLACED, checked_affine
from .hounsfield import LEFT_OVER, HounsfieldVolume
from .metaimage import read_metaimage
from .nifti import read_nifti
from .nrrd import read_nrrd
from .text_headers import read_meta_header, read_nrrd_header
from .voxel_files import Planes

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
"""What :func:`read_file` reads, longest first."""

_TEXT_HEADERS = {
    ".nrrd": (read_nrrd, "NRRD file"),
    ".nhdr": (read_nrrd, "NRRD file"),
    ".mha": (read_metaimage, "MetaImage file"),
    ".mhd": (read_metaimage, "MetaImage file"),
}

_HEADERS = {
    ".nrrd": read_nrrd_header,
    ".nhdr": read_nrrd_header,
    ".mha": read_meta_header,
    ".mhd": read_meta_header,
}


def suffix_of(name: str) -> str:
    """The suffix of :data:`SUFFIXES` that a file name ends with (lower case), or ''. A .seg.nrrd is none."""
    lower = name.lower()
    if lower.endswith((".seg.nrrd", ".seg.nhdr")):
        return ""
    return next((suffix for suffix in SUFFIXES if lower.endswith(suffix)), "")


def files_of(path: Path) -> tuple[Path, ...]:
    """The files that hold the image ``path``: itself, and those with its voxels if it is a header.

    No native code looks at them, and nothing is raised: who reads the image tells what is wrong with it.
    """
    read_header = _HEADERS.get(suffix_of(path.name))
    with suppress(InputError, OSError):
        if read_header is not None:
            return tuple(dict.fromkeys((path, *read_header(path).data_files)))
    return (path,)


def read_file(path: Path, progress: Progress, *, labels: bool = False) -> CtVolume:
    """The CT (or ``labels``) in the file ``path``.

    Raises InputError when it is not a usable CT, Cancelled when asked to stop.
    """
    suffix = suffix_of(path.name)
    if not suffix:
        raise _unsupported(path.name.lower())
    try:
        if not path.is_file():
            raise InputError("The input is no ordinary file.", "Give a file or a folder, no pipe and no device.")
        if suffix.startswith(".nii"):
            return read_nifti(path, progress, labels=labels)
        return _read_text_header(path, suffix, progress, labels)
    except OSError:
        raise InputError("The file cannot be read.", "Check that it is there and that you may open it.") from None


def _unsupported(name: str) -> InputError:
    if name.endswith((".seg.nrrd", ".seg.nhdr")):
        return InputError("The file is a segmentation, not a CT.", "Give the scan that it was drawn on.")
    if name.endswith((".dcm", ".ima")):
        return InputError("The file is named as DICOM, but is none or is damaged.", "Copy or export it again.")
    readable = ", ".join(sorted(SUFFIXES))
    return InputError("The file is of a kind that is not read.", f"Give {readable} or a folder with a DICOM series.")


def _read_text_header(path: Path, suffix: str, progress: Progress, labels: bool) -> CtVolume:
    """An NRRD or MetaImage file as a volume."""
    read, source = _TEXT_HEADERS[suffix]
    image = read(path)
    if image.layers != 1:
        raise InputError(
            "The image holds colours or several numbers per voxel, not Hounsfield units.",
            "Give the CT itself, with one number per voxel.",
        )
    affine = checked_affine(image.affine)
    planes = Planes(image)
    volume = HounsfieldVolume(image.shape, labels=labels)
    for index, plane in enumerate(planes):
        progress.step("reading", index, image.shape[0])
        volume.put(index, plane, image.slope, image.intercept)
    progress.step("reading", image.shape[0], image.shape[0])
    notes = (UNPLACED,) * (not image.placed) + (LEFT_OVER,) * planes.left_over
    return CtVolume(volume.voxels, affine, source, notes + volume.notes())
