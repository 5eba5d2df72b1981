"""NRRD and MetaImage files are read as ITK reads them, and whatever a header claims, the worst is a refusal."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.reading.hounsfield import LEFT_OVER

VALUES = np.random.default_rng(3).integers(-1000, 400, (2, 3, 4)).astype("<i2")
RAW = VALUES.tobytes()
SPACE = "space: left-posterior-superior\nspace directions: (0.7,0,0) (0,0.8,0) (0,0,5)\nspace origin: (5,6,7)\n"


def nrrd(path: Path, more: str = SPACE, body: bytes = RAW, *, encoding: str = "raw", fields: str = "") -> Path:
    """An NRRD file of :data:`VALUES`."""
    fields = fields or "type: short\ndimension: 3\nsizes: 4 3 2\nendian: little\n"
    path.write_bytes(f"NRRD0005\n{fields}encoding: {encoding}\n{more}\n".encode("latin-1") + body)
    return path


def meta(path: Path, more: str = "", body: bytes = RAW, data: str = "LOCAL") -> Path:
    """A MetaImage file of :data:`VALUES`."""
    text = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nElementSpacing = 0.7 0.8 5\nDimSize = 4 3 2\n"
        f"ElementType = MET_SHORT\n{more}ElementDataFile = {data}\n"
    )
    path.write_bytes(text.encode() + body)
    return path


def read(path: Path) -> CtVolume:
    return read_ct(path, Progress())


def refusal(path: Path) -> str:
    """What is said where ``path`` is refused; nothing where it is read. All else is raised."""
    try:
        read(path)
    except InputError as error:
        return f"{error.sentence} {error.hint}"
    return ""


def by_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels, and IJK→RAS."""
    image = SimpleITK.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image), np.diag([-1, -1, 1, 1]) @ affine


def check_as_itk(path: Path) -> None:
    voxels, affine = by_itk(path)
    volume = read(path)
    assert np.array_equal(volume.voxels, voxels)
    assert np.allclose(volume.affine, affine, atol=1e-6)


@settings(max_examples=25)
@given(
    st.sampled_from(["right-anterior-superior", "RAS", "LAS", "left-posterior-superior", "LPS"]),
    st.permutations(["(0.7,0,0)", "(0,-0.8,0)", "(0,0,2.5)"]),
    st.tuples(*[st.integers(-300, 300)] * 3),
    st.sampled_from(["raw", "gzip", "ascii"]),
    st.sampled_from(["short", "int16_t", "unsigned short", "int", "float", "double", "longlong", "uint8"]),
    st.sampled_from(["little", "big"]),
)
def test_an_nrrd_file_is_read_as_itk_reads_it(
    tmp_path_factory: pytest.TempPathFactory,
    space: str,
    directions: list[str],
    origin: tuple[int, ...],
    encoding: str,
    kind: str,
    order: str,
) -> None:
    codes = {"short": "i2", "int16_t": "i2", "unsigned short": "u2", "int": "i4", "float": "f4", "double": "f8"}
    codes |= {"longlong": "i8", "uint8": "u1"}
    values = abs(VALUES) % 200
    body = values.astype((">" if order == "big" else "<") + codes[kind]).tobytes()
    body = {"raw": body, "gzip": gzip.compress(body), "ascii": " ".join(map(str, values.ravel())).encode()}[encoding]
    fields = f"type: {kind}\ndimension: 3\nsizes: 4 3 2\nendian: {order}\n"
    more = f"space: {space}\nspace directions: {' '.join(directions)}\nspace origin: {str(origin).replace(' ', '')}\n"
    check_as_itk(nrrd(tmp_path_factory.mktemp("a") / "a.nrrd", more, body, encoding=encoding, fields=fields))


@settings(max_examples=25)
@given(
    st.permutations([(1, 0, 0), (0, -1, 0), (0, 0, 1)]),
    st.tuples(*[st.integers(-300, 300)] * 3),
    st.sampled_from(["Offset", "Position", "Origin"]),
    st.sampled_from(["TransformMatrix", "Rotation", "Orientation"]),
    st.sampled_from([("MET_SHORT", "i2"), ("MET_USHORT", "u2"), ("MET_LONG", "i4"), ("MET_FLOAT", "f4")]),
    st.booleans(),
    st.booleans(),
)
def test_a_metaimage_is_read_as_itk_reads_it(
    tmp_path_factory: pytest.TempPathFactory,
    matrix: list[tuple[int, ...]],
    origin: tuple[int, ...],
    origin_key: str,
    matrix_key: str,
    kind: tuple[str, str],
    big: bool,
    packed: bool,
) -> None:
    body = (abs(VALUES) % 200).astype((">" if big else "<") + kind[1]).tobytes()
    body = zlib.compress(body) if packed else body
    numbers = " ".join(str(number) for row in matrix for number in row)
    text = (
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = {big}\n"
        f"{matrix_key} = {numbers}\n{origin_key} = {' '.join(map(str, origin))}\n"
        f"CompressedData = {packed}\nCompressedDataSize = {len(body)}\nElementSpacing = 0.7 0.8 5\nDimSize = 4 3 2\n"
        f"ElementType = {kind[0]}\nElementDataFile = LOCAL\n"
    )
    path = tmp_path_factory.mktemp("a") / "a.mha"
    path.write_bytes(text.replace("CompressedDataSize", "CompressedDataSize" if packed else "Comment").encode() + body)
    check_as_itk(path)


def test_a_packed_metaimage_that_does_not_say_how_large_it_is_packed_is_read(tmp_path: Path) -> None:
    path = meta(tmp_path / "a.mha", "CompressedData = True\n", zlib.compress(RAW))
    assert np.array_equal(read(path).voxels, VALUES)


@pytest.mark.parametrize(
    "name", ["LIST_1.raw", "CT 77 %.raw", "struct(%Max=5).raw", "CT_100%.raw", "a%s%n%d.raw", "\u80ba.raw"]
)
def test_a_data_file_is_found_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(RAW)
    assert np.array_equal(read(meta(tmp_path / "a.mhd", body=b"", data=name)).voxels, VALUES)
    path = tmp_path / "a.nhdr"
    nrrd(path, SPACE, b"")
    path.write_bytes(path.read_bytes().rstrip() + f"\ndata file: {name}\n".encode())
    assert np.array_equal(read(path).voxels, VALUES)


def test_a_data_file_is_found_by_a_latin_1_name(tmp_path: Path) -> None:
    (tmp_path / "Müller.raw").write_bytes(RAW)
    (tmp_path / os.fsdecode(b"M\xfcnch.raw")).write_bytes(RAW)
    for raw in ("Müller.raw".encode("latin-1"), "Müller.raw".encode(), b"M\xfcnch.raw"):
        path = meta(tmp_path / "a.mhd", body=b"", data="@")
        path.write_bytes(path.read_bytes().replace(b"@", raw))
        assert np.array_equal(read(path).voxels, VALUES)


def test_slices_in_files_of_their_own_are_read_by_list_and_by_pattern(tmp_path: Path) -> None:
    for number, plane in enumerate(VALUES):
        (tmp_path / f"s{number + 7}.raw").write_bytes(plane.tobytes())
    names = "\ns7.raw\ns8.raw"
    for data in (f"LIST{names}", f"LIST 2{names}", "s%d.raw 7 8 1", "s%01d.raw 7 8"):
        assert np.array_equal(read(meta(tmp_path / "a.mhd", body=b"", data=data)).voxels, VALUES), data
        path = nrrd(tmp_path / "a.nhdr", f"{SPACE}data file: {data}", b"")
        assert np.array_equal(read(path).voxels, VALUES), data


@pytest.mark.parametrize(
    "data", ["%s%n", "%n%n%n 1 2 1", "%999d 1 2 1", "LIST", "s%d.raw 1 999999 1", "%d%d 1 2", "x" * 9000]
)
@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nhdr"])
def test_a_name_that_leads_to_no_file_is_refused(tmp_path: Path, data: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    nrrd(path, f"{SPACE}data file: {data}\n", b"") if suffix == ".nhdr" else meta(path, body=b"", data=data)
    with pytest.raises(InputError):
        read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s1.raw")
    (tmp_path / "s0.raw").write_bytes(VALUES[0].tobytes())
    for data in ("s1.raw", "LIST\ns0.raw\ns1.raw", "s%d.raw 0 1 1"):
        with pytest.raises(InputError, match="no ordinary file"):
            read(meta(tmp_path / "a.mhd", body=b"", data=data))
    for name in ("pipe.mha", "pipe.nii.gz", "pipe.nrrd"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(InputError, match="no ordinary file"):
            read(tmp_path / name)


@pytest.mark.parametrize("key", ["endian", "space", "type", "foo", "encoding", "kinds", "units", "content", "min", "#"])
@pytest.mark.parametrize("length", [300, 1000, 100_000])
def test_a_field_of_any_length_is_no_more_than_a_refusal(tmp_path: Path, key: str, length: int) -> None:
    line = f"{key}: {'x' * length}\n"
    fields = "type: short\ndimension: 3\nsizes: 4 3 2\nendian: little\n".replace(f"{key}: ", f"{key}: {'x' * length}")
    more = SPACE.replace("space: ", "space: x") if key == "space" else SPACE + line
    assert "xxx" not in refusal(nrrd(tmp_path / "a.nrrd", more, fields=fields))
    assert "%s" not in refusal(meta(tmp_path / "a.mha", f"{key} = {'%s%n' * length}\n"))


def test_a_header_may_be_long_and_its_voxels_packed_in_parts(tmp_path: Path) -> None:
    keys = "".join(f"key{number}:={'y' * 90}\n" for number in range(1500))
    parts = b"".join(gzip.compress(RAW[at : at + 10]) for at in range(0, len(RAW), 10))
    for more, body in ((SPACE + keys, gzip.compress(RAW)), (keys + SPACE, gzip.compress(RAW)), (SPACE, parts)):
        assert np.array_equal(read(nrrd(tmp_path / "a.nrrd", more, body, encoding="gzip")).voxels, VALUES)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("dimension: 3", "dimension: 3x"),
        ("dimension: 3", "dimension: 99999999999999999999"),
        ("sizes: 4 3 2", "sizes: 4 3"),
        ("sizes: 4 3 2", "sizes: 4 -3 2"),
        ("sizes: 4 3 2", "sizes: 4 3 nan"),
        ("endian: little", "endian: middle"),
        ("encoding: raw", "encoding: zip"),
        ("(0.7,0,0)", "(0.7,0,0"),
        ("(0.7,0,0)", "(0.7,0,0) (1,1,1)"),
        ("(5,6,7)", "(5,6,1e999)"),
        ("space: ", "space: elsewhere-"),
        ("type: short", "type: block"),
        ("type: short", "type: short\nsizes: 4 3 1"),
        ("encoding: raw", "encoding: raw\nbyte skip: -7"),
        ("encoding: raw", "encoding: raw\nbyte skip: 99"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path, old: str, new: str) -> None:
    path = nrrd(tmp_path / "a.nrrd")
    text = path.read_bytes()
    assert old.encode() in text
    path.write_bytes(text.replace(old.encode(), new.encode()))
    with pytest.raises(InputError):
        read(path)


def test_voxels_packed_with_bzip2_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="packed with bzip2, which is not read"):
        read(nrrd(tmp_path / "a.nrrd", encoding="bzip2"))


def test_what_lies_before_the_voxels_is_left_out_and_what_lies_behind_them_is_said(tmp_path: Path) -> None:
    for line, body in (("line skip: 2\nbyte skip: 3\n", b"one\ntwo\nxyz" + RAW), ("byte skip: -1\n", b"before" + RAW)):
        volume = read(nrrd(tmp_path / "a.nrrd", SPACE + line, body))
        assert np.array_equal(volume.voxels, VALUES)
        assert volume.notes == ()
    assert np.array_equal(read(meta(tmp_path / "a.mha", "HeaderSize = -1\n", b"before" + RAW)).voxels, VALUES)
    for path in (
        nrrd(tmp_path / "a.nrrd", body=RAW + b"x"),
        nrrd(tmp_path / "b.nrrd", body=gzip.compress(RAW) + b"junk", encoding="gzip"),
        meta(tmp_path / "a.mha", body=RAW + b"x"),
    ):
        volume = read(path)
        assert np.array_equal(volume.voxels, VALUES)
        assert volume.notes == (LEFT_OVER,)


@pytest.mark.parametrize("text", ["ends with a line break\n", "\n", "CT\n\n"])
def test_a_metaimage_whose_texts_hold_line_breaks_is_read_as_itk_wrote_it(tmp_path: Path, text: str) -> None:
    """Who copies all that ITK says of an image writes such: it does so of directions that it cannot print."""
    image = SimpleITK.GetImageFromArray(VALUES)
    image.SetMetaData("ITK_original_direction", text)
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "a.mha"))), VALUES)
    assert np.array_equal(read(tmp_path / "a.mha").voxels, VALUES)


def test_a_metaimages_own_scale_is_applied(tmp_path: Path) -> None:
    scale = "ElementToIntensityFunctionSlope = 2\nElementToIntensityFunctionOffset = -1024\n"
    assert np.array_equal(read(meta(tmp_path / "a.mha", scale)).voxels, 2 * VALUES.astype(int) - 1024)


@pytest.mark.parametrize("space", ["scanner-xyz", "3D-left-handed"])
def test_a_space_that_does_not_say_how_the_patient_lies_is_said(tmp_path: Path, space: str) -> None:
    (note,) = read(nrrd(tmp_path / "a.nrrd", SPACE.replace("left-posterior-superior", space))).notes
    assert "left and right" in note


@pytest.mark.parametrize("kind", ["short", "double"])
def test_a_small_file_that_promises_much_takes_no_memory(tmp_path: Path, kind: str) -> None:
    fields = f"type: {kind}\ndimension: 3\nsizes: 1000 1000 1000\nendian: little\n"
    path = nrrd(tmp_path / "a.nrrd", SPACE, gzip.compress(bytes(1 << 20)), encoding="gzip", fields=fields)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="cut off"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@settings(max_examples=150)
@given(st.data())
def test_no_change_of_a_few_bytes_is_more_than_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = folder / data.draw(st.sampled_from(["a.nrrd", "a.mha"]))
    body = gzip.compress(RAW) if data.draw(st.booleans()) else RAW
    if path.suffix == ".nrrd":
        nrrd(path, body=body, encoding="raw" if body == RAW else "gzip")
    else:
        meta(path, f"CompressedData = {body != RAW}\n", body)
    content = bytearray(path.read_bytes())
    for _change in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(content)
    refusal(path)
