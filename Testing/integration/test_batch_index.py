"""The index of a batch in a real browser: every scan with its picture, the most involved first, at any width."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest

from CovidSegLib.batch.index import index_page
from CovidSegLib.batch.plan import PICTURES_NAME
from CovidSegLib.batch.summary import Row
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.report.thumbnails import HEIGHT, WIDTH, thumbnail
from CovidSegLib.segmentation import Label, Provenance, Segmentation
from Testing.kit.browser import Browser
from Testing.kit.command_line import CLEAN, CommandLine, rough_chest, told_scan

LONG = "a very long name " + "without-any-place-to-break" * 8
NASTY = '<img src=x onerror=alert(1)> & "co" #1 100%?'
ROWS = [
    Row("mild", "done", "mild.seg.nrrd", lung_ml=4000, infection_ml=40, infection_percent=1.0, source="NIfTI file"),
    Row(
        NASTY, "done", f"{NASTY}.seg.nrrd", lung_ml=3000, infection_ml=1500, infection_percent=50.0, message="Odd <b>."
    ),
    Row("empty", "done", "empty.seg.nrrd", lung_ml=0, infection_ml=0, message="No lung was found."),
    Row(LONG, "done", f"{LONG[:40]}.seg.nrrd", lung_ml=5000, infection_ml=1000, infection_percent=20.0),
    Row("hardly", "done", "hardly.seg.nrrd", lung_ml=4000, infection_ml=0.4, infection_percent=0.01),
    Row("broken", "failed", message="The file <is> damaged. Copy it again."),
]


def chest() -> tuple[CtVolume, Segmentation]:
    """Six slices with two lungs; infection on the patient's left, most of it on slice 4."""
    voxels = rough_chest(6)
    labels = np.zeros(voxels.shape, np.uint8)
    labels[:, :, 64:][voxels[:, :, 64:] < -500] = Label.LEFT_LUNG
    labels[:, 30:95, 20:64][voxels[:, 30:95, 20:64] < -500] = Label.RIGHT_LUNG
    labels[:, :, 120:], labels[:, :30], labels[:, 95:] = 0, 0, 0
    labels[4, 55:75, 80:95] = Label.INFECTION
    affine = np.diag([-3.0, -3.0, 5.0, 1.0])
    return CtVolume(voxels, affine), Segmentation(labels, affine, Provenance("m", "0", "onnx", "cpu", "CovidSeg 0"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / PICTURES_NAME).mkdir()
    for row in ROWS[:2] + ROWS[2:3]:
        (tmp_path / PICTURES_NAME / f"{row.case}.jpg").write_bytes(thumbnail(*chest()))
    return tmp_path


@pytest.mark.parametrize("width", [1280, 390])
def test_the_most_involved_come_first_and_nothing_sticks_out(folder: Path, width: int) -> None:
    seen = Browser(folder).look(index_page(ROWS, 7), width)
    assert seen.overflowing == []
    assert seen.width == width
    places = [seen.text.index(name) for name in (NASTY, LONG, "mild", "hardly", "empty", "Not done (1)", "broken")]
    assert places == sorted(places)
    assert "5 of 7 scans done, 1 failed, 1 to come" in seen.text
    # What is there is not "0.0 %" and "0 mL".
    assert "< 0.1 % of lung" in seen.text
    assert "infection 0.40 mL of 4000 mL lung" in seen.text
    assert re.search(r"50\.0 % of lung\s+infection 1500 mL of 3000 mL lung", seen.text)
    assert "The file <is> damaged. Copy it again." in seen.text
    assert "not a medical device" in seen.text
    # Its own pictures and nothing else were loaded, whatever the scans are called.
    shown = [picture for picture in seen.pictures if picture]  # others are out of sight, or (LONG) not there
    assert shown == [WIDTH] * len(shown)
    assert len(shown) == 3 if width == 1280 else len(shown) >= 1
    assert all(name.startswith("file:") for name in seen.loaded)


def test_the_page_shows_the_score_and_never_one_of_estimated_lobes_without_its_range() -> None:
    numbers = {"lung_ml": 4000.0, "infection_ml": 40.0, "infection_percent": 1.0}
    ends = {f"estimated_lobe_score{end}": value for end, value in (("", 5.0), ("_low", 4.0), ("_high", 7.0))}
    page = index_page([Row("a", "done", **numbers, **ends), Row("b", "done", **numbers, lobe_score=3.0)], 2)
    assert "CT severity 5 (4 to 7) of 25, lobes estimated" in page
    assert "CT severity 3 of 25<" in page


def test_the_page_lets_in_its_own_pictures_alone_and_takes_no_name_for_html() -> None:
    page = index_page(ROWS, 7)
    assert "content=\"default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'\"" in page
    assert "<img src=x" not in page
    assert "<is>" not in page
    assert page.count("<img ") == page.count('src="pictures/') == 5


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such names")
def test_a_file_name_that_is_not_utf8_is_a_link_to_its_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"latin_\xe9")
    (tmp_path / "scans").mkdir()
    told_scan(tmp_path / "scans" / f"{name}.nii.gz", CLEAN)
    told_scan(tmp_path / "scans" / "b.nii.gz", CLEAN)
    ended = CommandLine(tmp_path, stand_in=True).run("batch", "scans", "out", "--json", "all.json")
    assert ended.returncode == 0, ended.stderr
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    links = re.findall('(?:href|src)="([^"]+)"', page)
    assert "latin_%E9.seg.nrrd" in links
    assert all((tmp_path / "out" / os.fsdecode(unquote_to_bytes(link))).is_file() for link in links)
    assert len(json.loads((tmp_path / "all.json").read_text())["cases"]) == 2


def test_a_picture_shows_the_slice_with_most_infection_as_radiologists_look_at_it(tmp_path: Path) -> None:
    import io

    from PIL import Image

    volume, segmentation = chest()
    packed = thumbnail(volume, segmentation)
    picture = np.asarray(Image.open(io.BytesIO(packed)), np.int16)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert len(packed) < 30_000
    red = picture[..., 0] - picture[..., 2] > 40
    assert red.any()
    assert np.flatnonzero(red.any(axis=0)).mean() > WIDTH / 2  # the patient's left is on the right
    none = Segmentation(np.zeros_like(segmentation.labels), volume.affine, segmentation.provenance)
    assert len(thumbnail(volume, none)) > 0
