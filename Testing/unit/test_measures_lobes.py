"""Lobes are found by their DICOM codes, and scored from the infection inside them."""

from __future__ import annotations

import numpy as np
import pytest

from CovidSegLib.geometry.grid import Grid
from CovidSegLib.measures import Lobe, lobe_of_codes, lobe_of_terminology, measure
from CovidSegLib.segmentation import Label
from Testing.kit.blocks import UPRIGHT, VOXEL_ML, block_labels

ENTRY = (
    "Segmentation category and type - DICOM master list~SCT^123037004^Anatomical Structure~SCT^{type}^{name}"
    "~{modifier}~Anatomic codes - DICOM master list~^^~^^"
)


def lobe_map() -> np.ndarray:
    """Three slabs of the right lung, two of the left one."""
    lobes = np.zeros((24, 60, 100), np.uint8)
    lobes[3:9, 10:50, 10:40] = Lobe.RIGHT_LOWER
    lobes[9:15, 10:50, 10:40] = Lobe.RIGHT_MIDDLE
    lobes[15:21, 10:50, 10:40] = Lobe.RIGHT_UPPER
    lobes[3:12, 10:50, 60:90] = Lobe.LEFT_LOWER
    lobes[12:21, 10:50, 60:90] = Lobe.LEFT_UPPER
    return lobes


@pytest.mark.parametrize(
    ("kind", "modifier", "lobe"),
    [
        ("45653009", "SCT^24028007^Right", Lobe.RIGHT_UPPER),
        ("45653009", "SCT^7771000^Left", Lobe.LEFT_UPPER),
        ("72481006", "^^", Lobe.RIGHT_MIDDLE),
        ("90572001", "SCT^24028007^Right", Lobe.RIGHT_LOWER),
        ("90572001", "SCT^7771000^Left", Lobe.LEFT_LOWER),
        ("44714003", "^^", Lobe.LEFT_UPPER),
        ("90572001", "^^", None),  # a lower lobe, but of which lung?
        ("39607008", "SCT^7771000^Left", None),  # a lung
    ],
)
def test_codes_tell_the_lobe_whatever_its_name(kind: str, modifier: str, lobe: Lobe | None) -> None:
    assert lobe_of_terminology(ENTRY.format(type=kind, name="Segment_7", modifier=modifier)) == lobe


@pytest.mark.parametrize(
    ("region", "modifier", "lobe"),
    [
        ("SCT^44714003^Upper lobe of left lung", "^^", Lobe.LEFT_UPPER),
        ("SCT^90572001^Lower lobe of lung", "SCT^24028007^Right", Lobe.RIGHT_LOWER),
        ("SCT^90572001^Lower lobe of lung", "^^", None),
        ("^^", "^^", None),
    ],
)
def test_a_segment_that_is_called_lung_is_the_lobe_that_its_region_names(
    region: str, modifier: str, lobe: Lobe | None
) -> None:
    entry = f"List~SCT^123037004^Anatomical Structure~SCT^39607008^Lung~^^~Anatomic codes~{region}~{modifier}"
    assert lobe_of_terminology(entry) == lobe


def test_what_is_no_snomed_code_is_no_lobe() -> None:
    assert lobe_of_codes("DCM", "45653009", "7771000") is None
    assert lobe_of_terminology("") is None
    assert lobe_of_terminology("Left upper lobe") is None


def test_lobes_are_measured_and_scored() -> None:
    labels = block_labels()
    result = measure(labels, Grid(UPRIGHT, labels.shape), lobes=lobe_map())
    by_name = {lobe.name: lobe for lobe in result.lobes}
    lower = by_name["left lower lobe"]
    assert lower.lung_ml == pytest.approx(9 * 40 * 30 * VOXEL_ML)
    assert lower.infection_percent == pytest.approx(100 * 800 / (9 * 40 * 30))  # 7.4 %
    assert {name: lobe.score for name, lobe in by_name.items()} == {
        "right upper lobe": 0,
        "right middle lobe": 0,
        "right lower lobe": 1,
        "left upper lobe": 0,
        "left lower lobe": 2,
    }
    assert result.lobe_score == 3


def test_a_lobe_map_with_a_missing_lobe_gives_no_sum_and_says_so() -> None:
    lobes = lobe_map()
    lobes[lobes == Lobe.RIGHT_MIDDLE] = 0
    result = measure(block_labels(), Grid(UPRIGHT, block_labels().shape), lobes=lobes)
    assert result.lobe_score is None
    flags = " ".join(result.flags)
    assert "no right middle lobe" in flags
    assert "17 % of the lungs belong to no lobe" in flags


def test_a_lobe_map_of_somebody_else_is_not_used() -> None:
    result = measure(block_labels(), Grid(UPRIGHT, block_labels().shape), lobes=np.zeros((24, 60, 100), np.uint8))
    assert result.lobes == ()
    assert any("does not lie on the lungs" in flag for flag in result.flags)


def test_without_lobes_there_is_no_lobe_score() -> None:
    labels = block_labels()
    labels[labels == Label.INFECTION] = Label.LEFT_LUNG
    assert measure(labels, Grid(UPRIGHT, labels.shape)).lobe_score is None
