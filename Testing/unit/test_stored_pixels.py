"""Pixels come out of DICOM files as they went in, however they are packed; what is damaged is found, not followed."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from Testing.kit.dicom_files import save, write_series, write_slice
from Testing.kit.packed_slices import pack


@pytest.fixture
def scan() -> np.ndarray:
    """HU (4, 32, 40), smooth as pictures are, all different from slice to slice."""
    z, y, x = np.mgrid[:4, :32, :40]
    noise = np.random.default_rng(4).integers(-20, 20, (4, 32, 40))
    return (40 * z + 20 * y - 15 * x - 350 + noise).astype(np.int16)


def read(folder: Path) -> CtVolume:
    return read_ct(folder, Progress())


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000", "RLE"])
def test_a_packed_series_is_read_with_its_values(tmp_path: Path, scan: np.ndarray, compressor: str) -> None:
    for path in write_series(tmp_path, scan):
        pack(path, compressor)
    volume = read(tmp_path)
    assert np.array_equal(volume.voxels, scan)
    assert volume.notes == ()


EXTRA = b"\x12\x34\x56\x33" * 20
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "ends early": lambda stream: stream[: len(stream) * 3 // 10],
    "ends early, with its mark of the end": lambda stream: stream[: len(stream) * 3 // 10] + b"\xff\xd9",
    "extra bytes behind the end": lambda stream: stream + EXTRA,
    "extra bytes before the end": lambda stream: stream.rstrip(b"\0")[:-2] + EXTRA + b"\xff\xd9",
    "extra bytes inside": lambda stream: stream[: len(stream) // 2] + EXTRA + stream[len(stream) // 2 :],
    "of another size": lambda stream: stream.replace(struct.pack(">HH", 32, 40), struct.pack(">HH", 40, 32), 1),
    "empty": lambda stream: bytes(2),
    "text": lambda stream: b"not a picture at all" * 20,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_slice_whose_jpeg_stream_is_damaged_is_refused_and_the_console_stays_clean(
    tmp_path: Path, scan: np.ndarray, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pack(write_series(tmp_path, scan)[2], "JPEG", DAMAGES[damage])
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("damage", ["ends early", "extra bytes behind the end", "empty", "text"])
@pytest.mark.parametrize("compressor", ["JPEG2000", "RLE"])
def test_damage_of_other_packings_is_found_too(
    tmp_path: Path, scan: np.ndarray, damage: str, compressor: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pack(write_series(tmp_path, scan)[2], compressor, DAMAGES[damage])
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("compressor", ["", "JPEG"])
def test_junk_behind_the_pixels_that_claims_gigabytes_costs_no_memory_and_is_damage(
    tmp_path: Path, scan: np.ndarray, compressor: str
) -> None:
    junk = bytes.fromhex("fcfffcff4f420000f0ffffff") + b"\x07" * 88
    paths = write_series(tmp_path, scan)
    if compressor:
        [pack(path, compressor) for path in paths]
    paths[1].write_bytes(paths[1].read_bytes() + junk)
    tracemalloc.start()
    volume = read(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    assert "1 damaged DICOM file was left out." in volume.notes
    for path in paths:
        path.write_bytes(path.read_bytes() + junk)
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["PatientComments", "ImageComments", "RescaleSlope"])
def test_a_length_in_the_header_that_claims_gigabytes_costs_no_memory(
    tmp_path: Path, scan: np.ndarray, name: str
) -> None:
    paths = write_series(tmp_path, scan, **{name: "1"})
    data = paths[1].read_bytes()
    element = pydicom.dcmread(paths[1]).get_item(name)
    at = element.value_tell - (8 if element.VR != "UN" else 12)
    tag = data[at : at + 4]
    paths[1].write_bytes(data[:at] + tag + b"OB\0\0\xf0\xff\xff\xff" + data[at + 8 :])
    tracemalloc.start()
    volume = read(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    assert "1 damaged DICOM file was left out." in volume.notes


def test_zeros_and_whole_elements_behind_the_pixels_are_no_damage(tmp_path: Path, scan: np.ndarray) -> None:
    paths = write_series(tmp_path, scan)
    paths[0].write_bytes(paths[0].read_bytes() + bytes(300))
    paths[1].write_bytes(paths[1].read_bytes() + struct.pack("<HH2sHL", 0xFFFC, 0xFFFC, b"OB", 0, 6) + b"filled")
    volume = read(tmp_path)
    assert np.array_equal(volume.voxels, scan)
    assert volume.notes == ()


def test_drawings_in_the_bits_that_no_number_uses_are_not_read(tmp_path: Path, scan: np.ndarray) -> None:
    for number, plane in enumerate(scan):
        stored = (plane + 1024).astype("<u2") | 0x8000 * (np.arange(plane.size).reshape(plane.shape) % 2 == 0)
        fields = {"BitsStored": 12, "HighBit": 11, "PixelData": stored.astype("<u2").tobytes()}
        write_slice(tmp_path / str(number), plane, (0, 0, number), **fields)
    assert np.array_equal(read(tmp_path).voxels, scan)


def test_signed_numbers_of_twelve_bits_keep_their_sign(tmp_path: Path, scan: np.ndarray) -> None:
    for number, plane in enumerate(scan):
        fields = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1, "RescaleIntercept": 0}
        data = (plane.astype("<i2") & 0xFFF).astype("<u2").tobytes()
        write_slice(tmp_path / str(number), plane, (0, 0, number), PixelData=data, **fields)
    assert np.array_equal(read(tmp_path).voxels, scan)


def test_numbers_with_the_high_byte_first_are_read(tmp_path: Path, scan: np.ndarray) -> None:
    for path in write_series(tmp_path, scan):
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.2"
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        list(dataset.iterall())  # read, no longer bytes in the other order
        save(dataset, path, otherwise=True)
        assert b"\x7f\xe0\x00\x10OW" in path.read_bytes()
    assert np.array_equal(read(tmp_path).voxels, scan)


def test_a_length_that_looks_like_a_kind_of_value_is_a_length(tmp_path: Path) -> None:
    """0x4242 bytes, which read "BB": 33 rows of 257 pixels."""
    wide = np.arange(4 * 33 * 257, dtype=np.int16).reshape(4, 33, 257) % 500
    for path in write_series(tmp_path, wide):
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
        save(dataset, path, otherwise=True)
        assert b"\xe0\x7f\x10\x00BB\0\0" in path.read_bytes()
    assert np.array_equal(read(tmp_path).voxels, wide)


def deflated(path: Path) -> bytes:
    """The file with its data set packed as a whole (transfer syntax 1.2.840.10008.1.2.1.99)."""
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    save(dataset, path)
    return path.read_bytes()


def test_a_deflated_series_is_read_and_one_that_swells_without_end_is_damaged(tmp_path: Path, scan: np.ndarray) -> None:
    paths = write_series(tmp_path, scan)
    data = [deflated(path) for path in paths]
    assert np.array_equal(read(tmp_path).voxels, scan)
    start = 144 + int.from_bytes(data[0][140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(1 << 24)) for _ in range(20)) + packer.flush()
    paths[1].write_bytes(data[1][:start] + bomb)
    assert "1 damaged DICOM file was left out." in read(tmp_path).notes
