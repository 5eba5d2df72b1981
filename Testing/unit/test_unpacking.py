"""A packed scan is read alike with the fast unpacker and without it, and refused alike when it is damaged."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.reading.hounsfield import LEFT_OVER
from CovidSegLib.reading.unpacking import Unpacked


@pytest.fixture(params=["isal", "gzip"])
def unpacker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the package isal, and as in Slicer, which has none."""
    if request.param == "gzip":
        monkeypatch.setitem(sys.modules, "isal", None)
    else:
        pytest.importorskip("isal")
    return request.param


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.nii.gz"
    voxels = np.random.default_rng(0).integers(-1000, 400, (32, 32, 8)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1.0, -1, 2, 1])), path)
    return path


def test_the_voxels_are_those_of_the_file(unpacker: str, scan: Path) -> None:
    expected = np.asarray(nibabel.load(scan).dataobj).transpose(2, 1, 0)
    assert np.array_equal(read_ct(scan, Progress()).voxels, expected)


@pytest.mark.parametrize("place", [0.3, 0.6, 0.999])
def test_an_altered_byte_is_refused(unpacker: str, scan: Path, place: float) -> None:
    data = bytearray(scan.read_bytes())
    data[int(place * len(data))] ^= 0x55
    scan.write_bytes(data)
    with pytest.raises(InputError, match=r"unpacked|cut off"):
        read_ct(scan, Progress())


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_members_in_a_row_are_one_and_zeros_behind_them_nothing(unpacker: str, size: int) -> None:
    length = 300_000 if size > 1 else 30_000  # byte for byte takes long
    data = np.random.default_rng(1).integers(0, 9, length).astype(np.uint8).tobytes()
    packed = gzip.compress(data[:1000]) + gzip.compress(b"") + gzip.compress(data[1000:])
    stream = Unpacked(io.BytesIO(packed + bytes(600_000)))
    assert b"".join(iter(lambda: stream.read(size), b"")) == data
    assert not stream.is_followed
    stream.seek(1500)
    assert stream.read(20) == data[1500:1520]
    stream = Unpacked(io.BytesIO(packed + b"more"))
    assert stream.finish() == len(data)
    assert stream.is_followed


def test_what_follows_the_packed_voxels_is_said_and_no_hindrance(unpacker: str, scan: Path) -> None:
    voxels = read_ct(scan, Progress()).voxels
    scan.write_bytes(scan.read_bytes() + b"garbage" * 30)
    volume = read_ct(scan, Progress())
    assert np.array_equal(volume.voxels, voxels)
    assert volume.notes == (LEFT_OVER,)


def test_a_cut_is_refused(unpacker: str, scan: Path) -> None:
    scan.write_bytes(scan.read_bytes()[:-20])
    with pytest.raises(InputError, match="cut off"):
        read_ct(scan, Progress())
