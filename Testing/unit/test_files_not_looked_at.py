"""Whatever lies in a DICOM folder and is not read is counted and said; what is no file is never opened."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.progress import Progress
from CovidSegLib.reading import find_cases, read_ct
from CovidSegLib.reading.dicom_files import is_dicom
from CovidSegLib.system.unfinished import unfinished_name
from Testing.kit.dicom_files import write_series
from Testing.kit.packed_slices import pack

SCAN = np.arange(10 * 6 * 5, dtype=np.int16).reshape(10, 6, 5)

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has neither pipes nor such names in folders")


def behind_a_link(folder: Path, paths: list[Path]) -> None:
    away = folder.parent.parent / "away"
    away.mkdir()
    for path in paths:
        shutil.move(path, away)
    (folder / "rest").symlink_to(away, target_is_directory=True)


def packed(_folder: Path, paths: list[Path]) -> None:
    for path in paths:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def emptied(_folder: Path, paths: list[Path]) -> None:
    for path in paths:
        path.write_bytes(bytes(path.stat().st_size))


def overwritten(_folder: Path, paths: list[Path]) -> None:
    for path in paths:
        path.write_bytes(b"what a virus leaves " * 99)


def hidden(_folder: Path, paths: list[Path]) -> None:
    for path in paths:
        path.rename(path.with_name("." + path.name))


def in_a_hidden_folder(folder: Path, paths: list[Path]) -> None:
    (folder / ".trash" / "deep").mkdir(parents=True)
    for path in paths:
        path.rename(folder / ".trash" / "deep" / path.name)


def linked_to_nothing(folder: Path, paths: list[Path]) -> None:
    for path in paths:
        path.unlink()
        path.symlink_to(folder / "nowhere")


def pipes(_folder: Path, paths: list[Path]) -> None:
    for path in paths:
        path.unlink()
        os.mkfifo(path)


WAYS: list[tuple[Callable[[Path, list[Path]], None], str]] = [
    (behind_a_link, "Left out, not looked into: 1 link that is not followed."),
    (packed, "Left out, not looked into: 3 packed files."),
    (emptied, "3 damaged DICOM files were left out."),
    (overwritten, "3 damaged DICOM files were left out."),
    (hidden, "Left out, not looked into: 3 hidden DICOM files."),
    (in_a_hidden_folder, "Left out, not looked into: 1 hidden folder with DICOM files."),
    (linked_to_nothing, "Left out, not looked into: 3 links that are not followed."),
    (pipes, "Left out, not looked into: 3 pipes or devices."),
]


@posix
@pytest.mark.parametrize(("way", "note"), WAYS, ids=[way.__name__ for way, _note in WAYS])
def test_slices_that_are_not_looked_at_are_counted_and_said(
    tmp_path: Path, way: Callable[[Path, list[Path]], None], note: str
) -> None:
    folder = tmp_path / "scans" / "one"
    paths = [path.rename(path.with_suffix("")) for path in write_series(folder, SCAN)]
    way(folder, paths[7:])
    volume = read_ct(folder, Progress())
    assert np.array_equal(volume.voxels, SCAN[:7])
    assert volume.notes == (note,)
    told: list[str] = []
    (case,) = find_cases(tmp_path / "scans", Progress(lambda report: told.append(report.notice)))
    assert read_ct(case.path, Progress(), case.files).notes == (note,)
    assert note in told or "damaged" in note


@posix
def test_a_pipe_among_the_scans_of_a_batch_is_left_out_and_said(tmp_path: Path) -> None:
    write_series(tmp_path / "one", SCAN)
    for name in ("pipe.nii.gz", "pipe", "one/pipe.nrrd"):
        os.mkfifo(tmp_path / name)
    told: list[str] = []
    (case,) = find_cases(tmp_path, Progress(lambda report: told.append(report.notice)))
    assert case.stem == "one"
    assert "Left out, not looked into: 3 pipes or devices." in told
    assert not is_dicom(tmp_path / "pipe")


@posix
@pytest.mark.parametrize("compressor", ["", "JPEG"])
def test_folders_and_files_whose_names_are_no_utf_8_are_read(tmp_path: Path, compressor: str) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller CT"))
    for path in write_series(tmp_path / "plain", SCAN):
        if compressor:
            pack(path, compressor)
        folder.mkdir(exist_ok=True)
        shutil.copy(path, folder / os.fsdecode(b"\xe4" + path.name.encode()))
    assert np.array_equal(read_ct(folder, Progress()).voxels, SCAN)


@posix
def test_what_is_hidden_beside_the_scans_of_a_batch_is_said_where_it_is_a_scan(tmp_path: Path) -> None:
    write_series(tmp_path / "one", SCAN)
    (loose, *_rest) = write_series(tmp_path / ".old" / "a", SCAN)
    shutil.copy(loose, tmp_path / ".slice.dcm")
    shutil.copytree(tmp_path / ".old", tmp_path / unfinished_name())
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("[core]")
    told: list[str] = []
    find_cases(tmp_path, Progress(lambda report: told.append(report.notice)))
    assert "Left out, not looked into: 1 hidden DICOM file, 1 hidden folder with DICOM files." in told
