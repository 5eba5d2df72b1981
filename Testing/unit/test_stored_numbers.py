"""What a DICOM header says of the bits of a pixel is held against the picture: read right, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from Testing.kit.dicom_files import save, write_slice
from Testing.kit.packed_slices import pack

BITS = "which bits of a pixel hold its number"
NO_SIGN, SIGN = "numbers have no sign", "numbers have a sign"
PACKINGS = ["", "RLE", "JPEG", "JPEG2000", "JPEG-LS"]


@pytest.fixture(scope="module")
def hu() -> np.ndarray:
    """A round body in air with lung and bone in it, and noise: int16 (2, 40, 48), -1000 to 1600 HU."""
    y, x = np.mgrid[:40, :48]
    radius = np.hypot(y - 20, x - 24)
    soft = 1050 / (1 + np.exp((radius - 16) / 0.8)) - 1000
    lung = -850 * np.exp(-(np.hypot(y - 20, x - 18) ** 2) / 20)
    bone = 1600 * np.exp(-(np.hypot(y - 20, x - 33) ** 2) / 20)
    noise = np.random.default_rng(3).normal(0, 15, (2, 40, 48))
    return np.clip(np.rint(soft + lung + bone + noise), -1024, 1600).astype(np.int16)


def write(folder: Path, bits: np.ndarray, packing: str = "", only: int | None = None, **fields: Any) -> Path:
    """A series with ``bits`` (z, y, x); one slice ``only`` has the ``fields``, or all."""
    for number, plane in enumerate(bits):
        own = fields if only in (None, number) else {}
        data = plane.astype("<u2").tobytes()
        path = write_slice(folder / f"{number}.dcm", np.zeros(plane.shape), (0, 0, 2 * number), PixelData=data, **own)
        if packing:
            pack(path, packing)
    return folder


def read(folder: Path) -> np.ndarray:
    return read_ct(folder, Progress()).voxels


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("stored", [10, 11])
def test_numbers_that_need_more_bits_than_the_header_says_are_refused(
    tmp_path: Path, hu: np.ndarray, stored: int, packing: str
) -> None:
    fields = {"BitsStored": stored, "HighBit": stored - 1}
    with pytest.raises(InputError, match=rf"{BITS} .BitsStored is {stored}, HighBit is {stored - 1}"):
        read(write(tmp_path, hu + 1024, packing, **fields))


def test_one_slice_alone_with_too_few_bits_is_refused(tmp_path: Path, hu: np.ndarray) -> None:
    with pytest.raises(InputError, match=BITS):
        read(write(tmp_path, hu + 1024, only=1, BitsStored=11, HighBit=10))


@pytest.mark.parametrize("packing", PACKINGS)
def test_slices_may_say_different_numbers_of_bits_where_all_are_enough(
    tmp_path: Path, hu: np.ndarray, packing: str
) -> None:
    assert np.array_equal(read(write(tmp_path, hu + 1024, packing, only=1, BitsStored=12, HighBit=11)), hu)


@pytest.mark.parametrize(("stored", "high"), [(12, 15), (12, 13), (10, 11)])
@pytest.mark.parametrize("packing", ["", "RLE", "JPEG"])  # the others' streams have no bits below the number
def test_a_high_bit_above_the_highest_of_the_numbers_is_refused(
    tmp_path: Path, hu: np.ndarray, stored: int, high: int, packing: str
) -> None:
    with pytest.raises(InputError, match=BITS):
        read(write(tmp_path, hu + 1024, packing, BitsStored=stored, HighBit=high))


@pytest.mark.parametrize("packing", ["", "RLE", "JPEG"])
def test_numbers_that_lie_at_the_upper_end_of_a_pixel_are_read(tmp_path: Path, hu: np.ndarray, packing: str) -> None:
    bits = (hu.astype(np.uint16) + 1024) << 4
    assert np.array_equal(read(write(tmp_path, bits, packing, BitsStored=12, HighBit=15)), hu)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("stored", [12, 16])
def test_signed_numbers_that_are_said_to_have_no_sign_are_refused(
    tmp_path: Path, hu: np.ndarray, stored: int, packing: str
) -> None:
    bits = hu.astype(np.uint16) & ((1 << stored) - 1)
    fields = {"RescaleIntercept": 0, "BitsStored": stored, "HighBit": stored - 1}
    with pytest.raises(InputError, match=NO_SIGN):
        read(write(tmp_path, bits, packing, **fields))


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("stored", [11, 12])
def test_numbers_without_a_sign_that_are_said_to_have_one_are_refused(
    tmp_path: Path, hu: np.ndarray, stored: int, packing: str
) -> None:
    bits = np.minimum(hu + 1024, (1 << stored) - 1)
    fields = {"PixelRepresentation": 1, "BitsStored": stored, "HighBit": stored - 1}
    with pytest.raises(InputError, match=SIGN):
        read(write(tmp_path, bits, packing, **fields))


@pytest.mark.parametrize("only", [None, 1])
def test_a_sign_in_sixteen_bits_that_was_lost_is_refused_also_in_one_slice(
    tmp_path: Path, hu: np.ndarray, only: int | None
) -> None:
    bits = hu.astype(np.uint16)
    folder = write(tmp_path, bits, PixelRepresentation=1, RescaleIntercept=0)
    assert np.array_equal(read(folder), hu)
    for number in range(2) if only is None else [only]:
        dataset = pydicom.dcmread(folder / f"{number}.dcm")
        dataset.PixelRepresentation = 0
        save(dataset, folder / f"{number}.dcm")
    with pytest.raises(InputError, match=NO_SIGN):
        read(folder)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("mask", [0xFFFF, 0x0FFF])
def test_signs_that_were_continued_above_the_number_are_read(
    tmp_path: Path, hu: np.ndarray, mask: int, packing: str
) -> None:
    fields = {"PixelRepresentation": 1, "RescaleIntercept": 0, "BitsStored": 12, "HighBit": 11}
    assert np.array_equal(read(write(tmp_path, hu.astype(np.uint16) & mask, packing, **fields)), hu)


OTHERS = {
    "the same everywhere": lambda bits: bits | 0x9000,
    "a drawing": lambda bits: bits | (0x1000 * (np.add.outer(np.arange(40), np.arange(48)) % 5 == 0)).astype(np.uint16),
    "noise": lambda bits: bits | (np.random.default_rng(5).integers(0, 16, bits.shape) << 12).astype(np.uint16),
}


@pytest.mark.parametrize("packing", ["", "JPEG", "JPEG2000"])
@pytest.mark.parametrize("others", OTHERS)
def test_bits_above_the_number_that_do_not_go_with_the_picture_are_passed_over(
    tmp_path: Path, hu: np.ndarray, others: str, packing: str
) -> None:
    bits = OTHERS[others](hu.astype(np.uint16) + 1024)
    assert np.array_equal(read(write(tmp_path, bits, packing, BitsStored=12, HighBit=11)), hu)


def test_overlays_go_with_the_picture_and_are_passed_over_where_the_header_says_where_they_are(
    tmp_path: Path, hu: np.ndarray
) -> None:
    sharp = np.where(hu > -500, 40, -1000)
    folder = write(tmp_path, sharp + 1024 + 0x1000 * (hu > -500), BitsStored=12, HighBit=11)
    with pytest.raises(InputError, match=BITS):
        read(folder)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.add_new(0x60020102, "US", 12)
        save(dataset, path)
    assert np.array_equal(read(folder), sharp)


@pytest.mark.parametrize("packing", ["", "JPEG"])
@pytest.mark.parametrize(("stored", "signed"), [(12, 0), (16, 0), (16, 1)])
@pytest.mark.parametrize("is_said", [True, False])
def test_padding_around_the_field_of_view_is_no_wrong_sign_and_no_missing_bit(
    tmp_path: Path, hu: np.ndarray, stored: int, signed: int, packing: str, is_said: bool
) -> None:
    y, x = np.mgrid[:40, :48]
    outside = np.broadcast_to(np.hypot(y - 20, x - 24) > 19, hu.shape)
    bits = np.where(outside, 63536, hu.astype(np.int32) + 1024).astype(np.uint16)
    fields = {"BitsStored": stored, "HighBit": stored - 1, "PixelRepresentation": signed}
    if is_said:
        bits[:, 20, :4] = 63536  # not in one piece with a corner
        fields["PixelPaddingValue"] = -2000 if signed else 63536
    assert np.array_equal(read(write(tmp_path, bits, packing, **fields))[~outside], hu[~outside])


def test_metal_beside_air_is_no_lost_sign(tmp_path: Path, hu: np.ndarray) -> None:
    stored = hu.astype(np.int32) + 1024
    for column in range(6, 40, 4):  # wires, with streaks beside them
        stored[:, 10:30, column : column + 2] = 4095
        stored[:, 10:30, column - 1] = np.maximum(stored[:, 10:30, column - 1] - 700, 0)
    assert np.array_equal(read(write(tmp_path, stored, BitsStored=12, HighBit=11)), stored - 1024)


def test_no_word_of_a_header_is_in_what_is_said(tmp_path: Path, hu: np.ndarray) -> None:
    folder = write(tmp_path, hu + 1024, BitsStored=10, HighBit=9, PatientName="Nobody^Anna", PatientID="4711")
    with pytest.raises(InputError) as refused:
        read(folder)
    assert not any(word in str(refused.value) for word in ("Nobody", "4711", str(tmp_path)))
