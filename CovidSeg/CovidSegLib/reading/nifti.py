"""NIfTI files (.nii, .nii.gz), one slice at a time.

nibabel explains the header; the voxels are streamed here, so that a lying header or a cut file is found before
memory is taken, and no floating point copy of the volume ever exists.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..errors import InputError
from ..geometry.volume import CtVolume
from ..progress import Progress
from .affine_checks import UNPLACED, checked_affine
from .hounsfield import LEFT_OVER, HounsfieldVolume, check_promise, check_size, truncated
from .silent_pydicom import load_nibabel
from .unpacking import Unpacked, is_gzip

if TYPE_CHECKING:
    from nibabel import Nifti1Header

_UNITS_MM = {1: 1000.0, 3: 0.001}
"""NIfTI's codes for metre and micrometre; all else is taken as mm."""

_QUATERNION_ROUNDING = np.float64(-1e-4)
"""A quaternion in single precision may be longer than 1 by a little: its square 1 - (b² + c² + d²) is then below 0
(seen: -4e-7, and -1e-5 where a program computed in single precision too). -1e-4 is a turn of half a degree."""

_AGREE_MM = 1.0
_AGREE_SHARE = 0.01


def read_nifti(path: Path, progress: Progress, *, labels: bool = False) -> CtVolume:
    """The CT (or ``labels``) in the NIfTI file ``path``, scaled with its slope and intercept. Raises InputError."""
    with path.open("rb") as file:
        compressed = is_gzip(file)
        stream = Unpacked(file) if compressed else file
        header = _header(stream)
        shape = _shape(header)
        dtype = _scalar_type(header)
        affine, notes = _affine(header, shape)
        slope, intercept = _scaling(header)
        start = _data_start(header)
        promised = start + dtype.itemsize * shape[0] * shape[1] * shape[2]
        check_promise(promised, path.stat().st_size, compressed=compressed)
        volume = HounsfieldVolume(shape, labels=labels)
        stream.seek(start)
        for index in range(shape[0]):
            progress.step("reading", index, shape[0])
            volume.put(index, _next_slice(stream, shape, dtype), slope, intercept)
        left_over = bool(stream.read(1))
        if isinstance(stream, Unpacked):
            stream.finish()  # compares the check sum
            left_over |= stream.is_followed
    progress.step("reading", shape[0], shape[0])
    notes += (LEFT_OVER,) * left_over
    return CtVolume(volume.voxels, affine, "NIfTI file", notes + volume.notes())


def _header(stream: BinaryIO | Unpacked) -> Nifti1Header:
    try:
        nibabel = load_nibabel()
    except ImportError:
        raise InputError(
            "NIfTI files cannot be read: the Python package nibabel is missing.",
            "Install nibabel, or save the scan as .nrrd.",
        ) from None
    block = stream.read(540)
    size = block[:4]
    kind = None
    if size in ((348).to_bytes(4, "little"), (348).to_bytes(4, "big")) and block[344:347] == b"n+1":
        kind = nibabel.Nifti1Header
    elif size in ((540).to_bytes(4, "little"), (540).to_bytes(4, "big")) and block[4:7] == b"n+2":
        kind = nibabel.Nifti2Header
    if kind is None:
        raise InputError(
            "The file is not a NIfTI file, though its name says so.", "Use the CT as it was exported, do not rename it."
        )
    length = kind.template_dtype.itemsize
    if len(block) < length:
        raise truncated()
    header = kind(block[:length], check=False)
    header.quaternion_threshold = _QUATERNION_ROUNDING
    return header


def _shape(header: Nifti1Header) -> tuple[int, int, int]:
    """Axes (z, y, x); InputError for more than three dimensions."""
    dimensions = [int(edge) for edge in header["dim"]]
    count = dimensions[0]
    if not 1 <= count <= 7 or min(dimensions[1 : count + 1]) < 1:
        raise InputError("The NIfTI header is damaged: its dimensions make no sense.", "Export the CT again.")
    if max(dimensions[4 : count + 1], default=1) > 1:
        raise InputError(
            "The image has more than three dimensions (a time series or several components).",
            "Give one CT volume: split the file first.",
        )
    x, y, z = ([*dimensions[1 : count + 1], 1, 1])[:3]
    check_size((z, y, x))
    return z, y, x


def _scalar_type(header: Nifti1Header) -> np.dtype[Any]:
    from nibabel.spatialimages import HeaderDataError

    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError):
        dtype = np.dtype("V1")
    if dtype.kind not in "iuf":
        raise InputError(
            "The image holds colours or several numbers per voxel, not Hounsfield units.",
            "Give the CT itself, with one number per voxel.",
        )
    return dtype


def _scaling(header: Nifti1Header) -> tuple[float, float]:
    from nibabel.spatialimages import HeaderDataError

    try:
        slope, intercept = header.get_slope_inter()
    except HeaderDataError:
        raise InputError("The NIfTI header is damaged: its intercept is not a number.", "Export it again.") from None
    return (1.0, 0.0) if slope is None else (float(slope), float(intercept))


def _data_start(header: Nifti1Header) -> int:
    """Where the voxels begin; never inside the header, whatever it says."""
    offset = float(header["vox_offset"])
    if not 0 <= offset < 1 << 30:
        raise InputError("The NIfTI header is damaged: it does not say where the voxels begin.", "Export it again.")
    return max(int(offset), header.template_dtype.itemsize + 4)


def _next_slice(stream: BinaryIO | Unpacked, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> np.ndarray:
    wanted = shape[1] * shape[2] * dtype.itemsize
    data = stream.read(wanted)
    if len(data) < wanted:
        raise truncated()
    return np.frombuffer(data, dtype).reshape(shape[1:])


def _affine(header: Nifti1Header, shape: tuple[int, int, int]) -> tuple[np.ndarray, tuple[str, ...]]:
    """IJK to RAS in mm, and notes. Raises InputError when the header contradicts itself."""
    dimensions = min(int(header["dim"][0]), 3)
    sizes = np.abs(header["pixdim"][1:4].astype(np.float64))
    sizes[dimensions:][sizes[dimensions:] == 0] = 1.0
    if not np.isfinite(sizes).all() or (sizes == 0).any():
        raise _contradiction("a voxel size is zero or not a number")
    header["pixdim"][1:4] = sizes
    if header["pixdim"][0] == 0:  # means 1 (nifti1.h, method 2), which nibabel does not know
        header["pixdim"][0] = 1.0
    factor = _UNITS_MM.get(int(header["xyzt_units"]) & 7, 1.0)
    sform, qform = _coded(header, "sform", factor), _coded(header, "qform", factor)
    if sform is not None:
        lengths, expected = np.linalg.norm(sform[:3, :3], axis=0), sizes * factor
        if (np.abs(lengths - expected) > _AGREE_SHARE * expected)[:dimensions].any():
            raise _contradiction("its voxel sizes and its orientation matrix (sform) disagree")
    if sform is not None and qform is not None and _distance(sform, qform, shape) > _AGREE_MM:
        raise _contradiction("its two orientations (sform and qform) disagree")
    placed = qform if sform is None else sform
    if placed is not None:
        return placed, ()
    return checked_affine(_scaled(header.get_base_affine(), factor)), (UNPLACED,)


def _coded(header: Nifti1Header, name: str, factor: float) -> np.ndarray | None:
    """The header's "sform" or "qform" in mm, or None when it is declared unset."""
    from nibabel.spatialimages import HeaderDataError

    if int(header[f"{name}_code"]) <= 0:
        return None
    try:
        affine = header.get_sform() if name == "sform" else header.get_qform()
    except (HeaderDataError, ValueError):
        raise _contradiction("its orientation (qform) is not a rotation") from None
    return checked_affine(_scaled(affine, factor))


def _scaled(affine: np.ndarray, factor: float) -> np.ndarray:
    scaled = np.array(affine, np.float64)
    scaled[:3] *= factor
    return scaled


def _distance(one: np.ndarray, other: np.ndarray, shape: tuple[int, int, int]) -> float:
    """How far the two matrices put the same corner of the image apart, in mm."""
    corners = np.array([(x, y, z, 1.0) for z in (0, shape[0]) for y in (0, shape[1]) for x in (0, shape[2])])
    return float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())


def _contradiction(why: str) -> InputError:
    return InputError(
        f"The NIfTI header contradicts itself: {why}.",
        "Export the CT again from the original DICOM images, so that it is clear where the patient lies.",
    )
