"""Reading: one CT scan from a file or a DICOM folder, as a :class:`CovidSegLib.geometry.volume.CtVolume` in HU.

- :func:`read_ct`: by what the path is: .nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd, a folder with a DICOM series, an
  enhanced CT, or a ZIP with one of these in it.
- :func:`find_cases`: every CT in a folder, for batch runs.
- :func:`CovidSegLib.reading.checks.inspect`: what is odd about a scan, in words.

What cannot be used raises InputError with one sentence and a hint; nothing here names a patient, a date or a path.
Inside: ``files``, ``nifti``, ``nrrd``, ``metaimage``, ``text_headers``, ``voxel_files``, ``unpacking`` (single files),
``layers`` (segmentations); ``dicom_files``, ``folder_contents``, ``dicom_headers``, ``header_values``,
``enhanced_frames``, ``slice_header`` (what DICOM files say), ``stored_pixels``, ``packed_streams``, ``pixels`` (their
pixels), ``series_groups``, ``slice_positions``, ``series_choice``, ``body_parts`` (which slices are the scan),
``dicom`` (all of it together), ``studies`` (which files belong to one study); ``archives`` (ZIP);
``hounsfield`` (any numbers to int16 HU), ``cases``, ``trees`` (what lies in a
folder), ``verdict`` (what values are), ``checks``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..geometry.grid import Grid
from ..geometry.volume import CtVolume
from ..progress import Progress
from .archives import is_archive, unpacked
from .cases import FoundCase, find_cases
from .checks import Findings, inspect
from .dicom import read_dicom, read_dicom_file, series_files
from .dicom_files import is_dicom
from .files import read_file, suffix_of

__all__ = ["Findings", "FoundCase", "find_cases", "inspect", "read_ct", "read_labels", "series_files"]


def read_ct(path: Path, progress: Progress, files: Sequence[Path] = ()) -> CtVolume:
    """The CT scan at ``path`` (a file, a DICOM folder, a ZIP with one): int16 HU (z, y, x), IJK to RAS in mm.

    Parameters: ``progress`` gets the stage "reading"; ``files``: where a DICOM folder holds more than one study, the
    files of the one that is meant (:attr:`FoundCase.files`). The result's ``notes`` are sentences for the user.
    Raises InputError when there is no usable CT, Cancelled when the user asked to stop.
    """
    return _read(Path(path), progress, files, labels=False)


def read_labels(path: Path, progress: Progress) -> tuple[np.ndarray, Grid]:
    """The labelmap at ``path``: int16 (z, y, x), and its grid. Raises as :func:`read_ct`, also for fractions."""
    volume = _read(Path(path), progress, (), labels=True)
    return volume.voxels, volume.grid


def _read(path: Path, progress: Progress, files: Sequence[Path], *, labels: bool) -> CtVolume:
    about = _looked_at(path)
    if stat.S_ISDIR(about.st_mode):
        return read_dicom(path, progress, files)
    if stat.S_ISREG(about.st_mode) and about.st_size == 0:
        raise InputError("The file is empty.", "Copy or export it again.")
    if is_archive(path):
        with unpacked(path, progress) as scan:
            volume = _read(scan, progress, (), labels=labels)
            return replace(volume, source=f"{volume.source} in a ZIP")
    if not suffix_of(path.name) and is_dicom(path):
        return read_dicom_file(path, progress)
    return read_file(path, progress, labels=labels)


def _looked_at(path: Path) -> os.stat_result:
    """What the system tells of ``path``. Raises InputError where it is not there, or is a file that may not be read."""
    closed = InputError("The file or folder cannot be opened.", "Check that you may read it.")
    try:
        about = path.stat()
    except PermissionError:
        raise closed from None
    except OSError:
        raise InputError("The file or folder does not exist.", "Check the path.") from None
    if stat.S_ISREG(about.st_mode) and not os.access(path, os.R_OK):
        raise closed
    return about
