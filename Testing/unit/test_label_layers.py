"""A segmentation's file is read whatever a program or a person wrote into its header, or refused with a sentence."""

from __future__ import annotations

import gzip
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.segfiles import read_reviewed, write, write_reviewed
from CovidSegLib.segmentation import Label, Provenance, Segmentation

AFFINE = np.array([[-0.7, 0, 0, 40], [0, -0.8, 0, 50], [0, 0, 2.5, -60], [0, 0, 0, 1]])
SHAPE = (6, 9, 14)
GRID = Grid(AFFINE, SHAPE)
LABELS = np.zeros(SHAPE, np.uint8)
LABELS[1:5, 2:7, 1:6] = Label.RIGHT_LUNG
LABELS[1:5, 2:7, 8:13] = Label.LEFT_LUNG
LABELS[2, 3, 3] = Label.INFECTION
RESULT = Segmentation(LABELS, AFFINE, Provenance("a-network", "ab" * 32, "onnx", "cpu", "CovidSeg 1.0"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "scan.seg.nrrd"
    write(RESULT, path)
    return path


def change(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


@pytest.mark.parametrize(("old", "new"), [(b"Segment", b"Sogment"), (b"_Layer:=0", b"_Layer:=7")])
def test_a_header_that_means_nothing_is_refused_before_a_voxel_is_read(file: Path, old: bytes, new: bytes) -> None:
    content = file.read_bytes().replace(old, new)
    file.write_bytes(content[: content.index(b"\n\n") + 40])  # what is behind the header is cut off
    with pytest.raises(InputError, match="no segmentation"):
        read_reviewed(file, GRID)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"Lunge, verk\xfcrzt", "Lunge, verkürzt"),
        ("Lunge, verkürzt".encode(), "Lunge, verkürzt"),
        ("肺".encode(), "肺"),
        (b"\xff\xfe", "ÿþ"),
    ],
)
def test_a_segments_name_is_read_as_well_as_can_be_told_and_kept(file: Path, raw: bytes, name: str) -> None:
    change(file, b"Segment1_Name:=Right lung", b"Segment1_Name:=" + raw)
    review = read_reviewed(file, GRID)
    assert [segment.fields["Name"] for segment in review.segments] == ["Left lung", name, "COVID-19 infection"]
    merged, result = review.reviewed.join(replace(RESULT))
    write_reviewed(review, merged, result, file)
    assert read_reviewed(file, GRID).segments[1].fields["Name"] == name


@pytest.mark.parametrize(
    "line",
    [
        b"# caf\xe9",
        b"k\xe9y:=v\xe9lue",
        b"\xff\xff: \xff",
        b"odd: " + b"y" * 5000,
        b"Segment" + b"9" * 5000 + b"_ID:=x",
    ],
)
def test_an_odd_line_in_the_header_is_no_hindrance(file: Path, line: bytes) -> None:
    change(file, b"Segment0_ID:=", line + b"\nSegment0_ID:=")
    assert np.array_equal(read_reviewed(file, GRID).layers[0], LABELS)


@pytest.mark.parametrize(
    "line", [b"endian: " + b"x" * 1000, b"type: " + b"x" * 1000, b"space: " + b"%s%n" * 300, b"dimension: 3x"]
)
def test_a_field_that_makes_no_sense_is_refused(file: Path, line: bytes) -> None:
    key = line.split()[0]
    content = [line if one.startswith(key) else one for one in file.read_bytes().split(b"\n", 20)]
    file.write_bytes(b"\n".join(content) if line in content else b"NRRD0004\n" + line + b"\n" + b"\n".join(content[1:]))
    with pytest.raises(InputError):
        read_reviewed(file, GRID)


@pytest.mark.parametrize(("kind", "edge"), [("unsigned char", 1000), ("longlong", 1024), ("short", 16384)])
def test_a_small_file_that_promises_a_large_grid_takes_no_memory(tmp_path: Path, kind: str, edge: int) -> None:
    header = (
        f"NRRD0004\ntype: {kind}\ndimension: 3\nspace: left-posterior-superior\nsizes: {edge} {edge} {edge}\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\nkinds: domain domain domain\nendian: little\nencoding: gzip\n"
        "space origin: (0,0,0)\nSegment0_ID:=LeftLung\n\n"
    )
    path = tmp_path / "a.seg.nrrd"
    path.write_bytes(header.encode() + gzip.compress(bytes(10_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            read_reviewed(path, GRID)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_layers_that_share_a_file_are_told_apart(tmp_path: Path) -> None:
    header = (
        "NRRD0004\ntype: longlong\ndimension: 4\nspace: left-posterior-superior\nsizes: 2 14 9 6\n"
        "space directions: none (0.7,0,0) (0,0.8,0) (0,0,2.5)\nkinds: list domain domain domain\nendian: big\n"
        "encoding: raw\nspace origin: (-40,-50,-60)\n"
        "Segment0_ID:=LeftLung\nSegment0_Layer:=0\nSegment0_LabelValue:=1\n"
        "Segment1_ID:=Other\nSegment1_Layer:=1\nSegment1_LabelValue:=7\n\n"
    )
    path = tmp_path / "a.seg.nrrd"
    path.write_bytes(header.encode() + np.stack([LABELS, 7 * (LABELS > 0)], axis=-1).astype(">i8").tobytes())
    review = read_reviewed(path, GRID)
    assert np.array_equal(review.layers[0], LABELS)
    assert np.array_equal(review.layers[1], 7 * (LABELS > 0))
