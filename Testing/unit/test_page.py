"""The page of a report with values of every length: nothing sticks out, one sheet, numbers as people write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures import measure, visibility
from CovidSegLib.report.content import ReportContent, checks, report_content
from CovidSegLib.report.page import ml, number, percent, render_page, signed
from CovidSegLib.segmentation import Label, Provenance, Segmentation
from Testing.kit.blocks import UPRIGHT, block_labels, block_scan
from Testing.kit.browser import Browser, Seen
from Testing.kit.drawn_lungs import drawn_lungs

MADE = Provenance("a-network-with-a-long-name", "0123456789abcdef" * 4, "tensorflow", "gpu", "CovidSeg 10.11.12")


def content(
    labels: np.ndarray, voxels: np.ndarray, *, scale: float = 2.4, notes: tuple[str, ...] = (), **more: object
) -> ReportContent:
    affine = UPRIGHT @ np.diag([scale, scale, scale, 1])
    measured = measure(labels, Grid(affine, labels.shape), voxels=voxels, stability=True)
    volume = CtVolume(voxels, affine, notes=notes)
    return report_content(volume, Segmentation(labels, affine, MADE), measured, **more)


def full() -> ReportContent:
    """Large lungs, wholly infected on one side, with every other number as long as it gets."""
    labels = block_labels()
    labels[labels == Label.RIGHT_LUNG] = Label.INFECTION
    labels[3:21:3, 10:50:9, 60:90:7] = Label.INFECTION  # many lesions
    voxels = block_scan(labels)
    lung = labels > 0
    voxels[lung] = np.random.default_rng(0).integers(-1000, -100, np.count_nonzero(lung))
    return content(labels, voxels, label="A very long label without any blank: " + "x" * 60, notes=("A note. " * 12,))


WIDTHS = (1280, 760, 390)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Seen]:
    return Browser(tmp_path_factory.mktemp("browser")).look_at_widths(render_page(full(), {}), WIDTHS)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_longest_numbers_fit(width: int, shown: dict[int, Seen]) -> None:
    seen = shown[width]
    assert seen.overflowing == []
    assert seen.width <= width
    assert "100.0 %" in seen.text


def test_pieces_that_are_too_small_to_be_counted_are_told_with_their_volume(tmp_path: Path) -> None:
    labels = block_labels()
    before = content(labels, block_scan(labels), scale=1)
    labels[15, 30, 70] = Label.INFECTION
    one_more = content(labels, block_scan(labels), scale=1)
    pages = [render_page(each, {}) for each in (before, one_more)]
    assert all("Lesions of 0.5 mL and more: 2" in page for page in pages)
    assert ["Smaller pieces: 1" in page for page in pages] == [False, True]


def test_a_scan_without_lung_is_a_page_too(tmp_path: Path) -> None:
    labels = np.zeros_like(block_labels())
    page = render_page(content(labels, block_scan(block_labels())), {})
    seen = Browser(tmp_path).look(page, 390)
    assert seen.overflowing == []
    assert "nan" not in seen.text.lower()
    assert "None" not in seen.text
    assert "no lung" in seen.text


def test_every_check_says_whether_it_was_passed() -> None:
    lungs = drawn_lungs()  # blocks end flat, as lungs do that are cut off
    passed = {check.name: check.passed for check in checks(content(lungs, block_scan(lungs), scale=1.3))}
    assert list(passed.values()) == [True, True, True, True]
    labels = block_labels()
    cut = content(labels[8:], np.clip(block_scan(labels)[8:], -1000, 250))
    found = {check.name: check.passed for check in checks(cut)}
    assert found["Values are Hounsfield units"] is False
    assert found["Both lungs are wholly visible"] is False


def test_a_lung_that_was_not_found_is_not_called_wholly_visible() -> None:
    labels = block_labels()
    labels[:, :, :50] = 0
    found = {check.name: check.passed for check in checks(content(labels, block_scan(labels)))}
    assert found["Both lungs are wholly visible"] is False
    assert found["Lung volumes are plausible"] is False


def test_what_a_check_finds_does_not_hang_on_the_words_of_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visibility, "_", lambda literal: "Other words.")
    both = block_labels()
    one = block_labels()
    one[:, :, :50] = 0
    for labels, scale, passed in ((both, 2.4, True), (both, 1.0, False), (both, 4.0, False), (one, 2.4, False)):
        found = {check.name: check.passed for check in checks(content(labels, block_scan(labels), scale=scale))}
        assert found["Lung volumes are plausible"] is passed


def test_numbers_are_written_as_people_write_them() -> None:
    assert [ml(value) for value in (None, 0, 0.001, 0.051, 9.994, 9.999, 12.4, 3936.4)] == [
        "\u2013", "0", "<\u20090.01", "0.05", "9.99", "10", "12", "3\u202f936",
    ]  # fmt: skip
    assert [percent(value) for value in (None, 0, 0.01, 0.05, 7.04, 100)] == [
        "\u2013", "0.0", "<\u20090.1", "0.1", "7.0", "100.0",
    ]  # fmt: skip
    assert [number(value) for value in (None, -519.3, 0)] == ["\u2013", "\u2212519", "0"]
    assert [signed(value) for value in (None, -0.04, 0.5, -12)] == ["\u2013", "0.0", "+0.5", "\u221212.0"]
    assert signed(-1114.6, 0) == "\u22121\u202f115"
