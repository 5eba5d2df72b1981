"""Numbers whose bytes are in the wrong order are refused as such, and so are numbers far beyond Hounsfield units."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path

import nibabel
import numpy as np
import pytest

from CovidSegLib.byte_order import is_swapped
from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct, read_labels
from CovidSegLib.reading.hounsfield import HounsfieldVolume
from CovidSegLib.reading.verdict import judge_scan
from Testing.kit.dicom_files import write_slice
from Testing.kit.small_phantom import small_phantom

KINDS = ["i2", "u2", "i4", "u4", "f4", "f8", "i8"]
WORDS = "bytes of the scan's numbers are in the other order"


@cache
def hu() -> np.ndarray:
    """A chest with noise (4, y, x)."""
    voxels = small_phantom().volume.voxels[3:10:2]
    return (voxels + np.random.default_rng(7).normal(0, 15, voxels.shape).astype(np.int16)).clip(-1024)


def numbers(kind: str) -> np.ndarray:
    return (hu().astype(np.int32) + 1024 * (kind[0] == "u")).astype(f"<{kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_in_the_wrong_order_are_told_and_right_ones_are_not(kind: str) -> None:
    right = numbers(kind)
    wrong = right.view(right.dtype.newbyteorder())
    for plane, other in zip(right, wrong, strict=True):
        assert not is_swapped(plane)
        assert not is_swapped(np.ascontiguousarray(plane.astype(f">{kind}")))
        assert is_swapped(other)
        assert is_swapped(np.asfortranarray(other))


@pytest.mark.parametrize("padding", [-32768, 32767, 0])
@pytest.mark.parametrize("change", [lambda v: v, lambda v: 31 * v, lambda v: 256 * (v // 16 + 64)])
def test_padding_metal_and_scaled_values_are_in_their_order(
    change: Callable[[np.ndarray], np.ndarray], padding: int
) -> None:
    voxels = np.clip(change(hu().astype(np.int32)), -32768, 32767).astype(np.int16)
    voxels[:, :30], voxels[:, 60:64, 60:64] = padding, 30000
    assert not any(is_swapped(plane) for plane in voxels)
    assert not any(is_swapped(plane.astype(np.int32) * 65536) for plane in voxels)


@pytest.mark.parametrize("padding", [-32768, -2000, 0])
def test_padding_does_not_hide_the_wrong_order(padding: int) -> None:
    voxels = hu().copy()
    voxels[:, :30] = padding
    assert all(is_swapped(plane.byteswap()) for plane in voxels)


def wrongly_ordered(folder: Path, suffix: str) -> Path:
    """Big endian voxels in a file whose header says little endian."""
    path, data = folder / f"scan{suffix}", hu().astype(">i2").tobytes()
    z, y, x = hu().shape
    if suffix == ".nii.gz":
        image = nibabel.Nifti1Image(hu().T, small_phantom().volume.affine)
        path.write_bytes(gzip.compress(image.header.binaryblock + bytes(4) + data))
    elif suffix == ".nrrd":
        head = f"NRRD0004\ntype: short\ndimension: 3\nsizes: {x} {y} {z}\nspacings: 2.8 2.8 20\nendian: little\n"
        path.write_bytes(f"{head}encoding: raw\n\n".encode() + data)
    elif suffix == ".mha":
        head = f"NDims = 3\nDimSize = {x} {y} {z}\nElementSpacing = 2.8 2.8 20\nElementByteOrderMSB = False\n"
        path.write_bytes(f"{head}ElementType = MET_SHORT\nElementDataFile = LOCAL\n".encode() + data)
    else:
        path = folder / "series"
        for number, plane in enumerate(hu()):
            stored = (plane + 1024).astype(">u2").tobytes()
            bits = {"BitsStored": 12, "HighBit": 11} if suffix == " of 12 bits" else {}
            write_slice(path / f"{number}.dcm", plane, (0, 0, 20.0 * number), PixelData=stored, **bits)
    return path


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", "", " of 12 bits"])
def test_a_file_that_says_the_wrong_order_is_refused_in_these_words(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match=WORDS):
        read_ct(wrongly_ordered(tmp_path, suffix), Progress())


def test_a_scan_that_was_read_elsewhere_is_refused_in_the_same_words() -> None:
    from CovidSegLib.geometry.volume import CtVolume

    verdict = judge_scan(CtVolume(hu().byteswap(), small_phantom().volume.affine))
    assert WORDS in verdict.density_refused
    with pytest.raises(InputError, match=WORDS):
        verdict.check()


@pytest.mark.parametrize(
    ("values", "slope", "intercept"),
    [
        (numbers("i4") * 65536, 1.0, 0.0),
        (numbers("i2"), 1e30, 0.0),
        (numbers("i2"), 1.0, 1e6),
        (numbers("f4") * 1e4, 1.0, 0.0),
        (numbers("f8"), -1e300, 0.0),
    ],
)
def test_values_far_beyond_hounsfield_units_are_refused_as_such(
    values: np.ndarray, slope: float, intercept: float
) -> None:
    volume = HounsfieldVolume(values.shape)
    for number, plane in enumerate(values):
        volume.put(number, plane, slope, intercept)
    with pytest.raises(InputError, match=r"\d+ % of the values lie beyond -32768 to 32767"):
        volume.notes()


@pytest.mark.parametrize("filled", [-1e30, 3e38, -1e6])
def test_what_was_filled_in_around_the_picture_may_be_any_number(filled: float) -> None:
    volume = HounsfieldVolume(hu().shape)
    for number, plane in enumerate(hu()):
        values = plane.astype(np.float32)
        values[:40], values[60:64, 60:64] = filled, 40000 + np.arange(4)
        volume.put(number, values)
    assert volume.notes() == ()


def test_labels_of_any_number_are_not_looked_at(tmp_path: Path) -> None:
    labels = (hu() > 0).astype(np.int16) * 0x0100
    nibabel.save(nibabel.Nifti1Image(labels.T, small_phantom().volume.affine), tmp_path / "masks.nii.gz")
    assert np.array_equal(read_labels(tmp_path / "masks.nii.gz", Progress())[0], labels)
