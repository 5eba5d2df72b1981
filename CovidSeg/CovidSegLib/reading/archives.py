"""A ZIP with one scan in it, as archives (PACS) export it: DICOM in folders, or one file of another kind.

It is unpacked into a folder of its own that goes away again. Nothing in it is believed: names that lead elsewhere,
links, passwords and sizes that no scan has are refused before a byte is written, and sizes again while it is written.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..errors import InputError
from ..progress import Progress
from ..system.unfinished import unfinished_folder
from .dicom_files import begins_as_dicom, files_below, is_dicom
from .files import files_of, suffix_of
from .studies import find_studies

SUFFIX = ".zip"

_MOST_FILES = 100_000
_MOST_BYTES = 8 << 30
_SMALL_BYTES = 1 << 28
_MOST_PACKED = 100
"""Scans are packed to a third or a tenth; pictures of nothing, which tests and phantoms have, are small."""

_ENCRYPTED = 0x1
_CHUNK = 1 << 20
_HEAD_BYTES = 132
_UNKNOWN = (NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError)
"""What zipfile raises for what it does not know and for damage."""


def is_archive(path: Path) -> bool:
    """Whether ``path`` is named as a ZIP."""
    return path.name.lower().endswith(SUFFIX)


def scan_suffix(name: str) -> str:
    """The suffix of a file that may be a scan by its ``name``: an image's, or a ZIP's; '' of any other."""
    return suffix_of(name) or (SUFFIX if name.lower().endswith(SUFFIX) else "")


def may_hold_a_scan(path: Path) -> bool:
    """Whether there is a DICOM file or an image in the ZIP at ``path``, or it cannot be told since it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(_is_of_scan(archive, member) for member in _members(archive))
    except (InputError, *_UNKNOWN):
        return True


def _is_of_scan(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    if suffix_of(member.filename) or member.flag_bits & _ENCRYPTED:
        return True
    with archive.open(member) as file:
        return begins_as_dicom(file.read(_HEAD_BYTES))


@contextmanager
def unpacked(path: Path, progress: Progress) -> Iterator[Path]:
    """The scan in the ZIP at ``path``: a folder with DICOM files, or a file; gone when the context is left.

    Raises InputError when there is not just one, or the ZIP is damaged or none; Cancelled.
    """
    with unfinished_folder() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                members = _members(archive)
                _check_sizes(members, path.stat().st_size, folder)
                for number, member in enumerate(members):
                    progress.step("reading", number, 2 * len(members))
                    _unpack(archive, member, folder)
        except _UNKNOWN:
            raise InputError(
                "The ZIP cannot be unpacked: it is damaged, cut off or packed in an unknown way.",
                "Copy or export it again, or unpack it and give the folder.",
            ) from None
        yield _one_scan(folder, progress)


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files in the ``archive``, hidden ones left out. Raises InputError for what no export has."""
    members = [member for member in archive.infolist() if not member.filename.endswith("/")]  # or no name
    if len(members) > _MOST_FILES:
        raise _refused(f"The ZIP holds {len(members)} files, more than any scan has.")
    for member in members:
        # Some programs on Windows write names as they are there.
        name = member.filename.replace("\\", "/")
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or name.startswith("/") or PureWindowsPath(name).drive or "\0" in name:
            raise _refused("The ZIP holds a file whose name leads out of it.")
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
            raise _refused("The ZIP holds a link, or something else that is no file.")
        if member.flag_bits & _ENCRYPTED:
            raise _refused("The ZIP is locked with a password.")
    return [member for member in members if not _is_hidden(member)]


def _is_hidden(member: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _refused(sentence: str) -> InputError:
    return InputError(sentence, "Unpack it yourself if you trust it, and give the folder with the scan.")


def _check_sizes(members: list[zipfile.ZipInfo], packed: int, folder: Path) -> None:
    """Raise InputError where the members say that they are larger than scans are, or than there is room."""
    whole = sum(member.file_size for member in members)
    if whole > _MOST_BYTES or (whole > _SMALL_BYTES and whole > _MOST_PACKED * packed):
        raise _refused(
            f"The ZIP would unpack to {whole / 1e9:.1f} GB, more than a scan in a file of its size can have."
        )
    if whole > shutil.disk_usage(folder).free:
        raise InputError(
            "There is no room to unpack the ZIP in the folder for temporary files.",
            "Free some space there, or set TMPDIR to another folder.",
        )


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    """Write one member below ``folder``; zipfile gives no more bytes than the member says it has, and checks them."""
    target = folder / PurePosixPath(member.filename.replace("\\", "/"))
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file, _CHUNK)


def _one_scan(folder: Path, progress: Progress) -> Path:
    """The folder if there are DICOM files of one study, or the only image. Raises InputError."""
    files = list(files_below(folder))
    images = [path for path in files if suffix_of(path.name)]
    dicom = [path for path in files if is_dicom(path)]
    studies = [study for study in find_studies(dicom, progress) if study.has_ct] if dicom else []
    scans = len(studies) + len(images)
    if scans > 1:
        raise InputError(
            f"The ZIP holds {scans} scans.", "Unpack it, and give one of them, or all of them to covidseg batch."
        )
    if scans == 1 and studies:
        return folder
    if scans == 1:
        if not all(file.resolve().is_relative_to(folder.resolve()) for file in files_of(images[0])):
            raise _refused("The ZIP holds a header whose voxels lie outside of it.")
        return images[0]
    if dicom:
        return folder
    if any(is_archive(path) for path in files):
        raise InputError("The ZIP holds other ZIPs, which are not looked into.", "Unpack it, and give one of them.")
    raise InputError("The ZIP holds no CT.", "Give one with a DICOM series, or with one CT file.")
