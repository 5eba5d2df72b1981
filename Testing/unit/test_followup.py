"""Scans of one patient over time: changes in mL and percentage points, and breathing beside them."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from CovidSegLib.batch import Entry
from CovidSegLib.batch.summary import Row
from CovidSegLib.errors import InputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.i18n import tr
from CovidSegLib.measures import measure
from CovidSegLib.measures.values import LobesAre
from CovidSegLib.report.followup import FollowUp, TimePoint, follow_up, mixed_networks, to_csv, to_record
from CovidSegLib.report.page import render_follow_up
from CovidSegLib.report.page_pictures import Picture
from CovidSegLib.report.plot import make_plot, nice_ticks
from CovidSegLib.report.result_record import ResultRecord
from CovidSegLib.segmentation import Label, Provenance
from CovidSegLib.system.typed_json import write_typed
from Testing.kit.blocks import LEFT_INFECTED, RIGHT_INFECTED, UPRIGHT, VOXEL_ML, block_labels, block_scan
from Testing.kit.browser import Browser, Seen
from Testing.kit.drawn_lungs import AFFINE, drawn_lungs


def point(day: int, lung: float = 4000.0, infection: float = 400.0, **more: object) -> TimePoint:
    values = {"ground_glass_ml": 300.0, "consolidation_ml": 100.0, "zone_score": 6, "ct_class": "CT-1", "lesions": 3}
    percent = 100 * infection / lung if lung else None
    return TimePoint(day, lung, lung / 2, lung / 2, infection, percent, **{**values, **more})


def test_changes_are_in_ml_and_percentage_points_since_the_first_and_since_the_scan_before() -> None:
    found = follow_up([point(90, infection=100.0), point(0), point(14, infection=600.0)])
    assert [one.day for one in found.points] == [0, 14, 90]
    assert [change.infection_ml for change in found.since_first] == [200, -300]
    assert [change.percentage_points for change in found.since_first] == pytest.approx([5, -7.5])
    assert [change.infection_ml for change in found.since_previous] == [200, -500]
    assert [change.days for change in found.since_previous] == [14, 76]
    assert found.warnings == ()


def test_a_shallower_breath_is_pointed_out_beside_the_larger_share() -> None:
    # The same infection in a lung that holds less air: the share grows, the infection does not.
    found = follow_up([point(0), point(7, lung=3000.0)])
    (change,) = found.since_first
    assert change.infection_ml == 0
    assert change.percentage_points == pytest.approx(100 * 400 / 3000 - 10)
    assert change.lung_ml == -1000
    (warning,) = found.warnings
    assert "25 % smaller" in warning
    assert "compare mL" in warning


@pytest.mark.parametrize(
    ("before", "after", "trend"),
    [
        (843.0, 200.0, "better"),
        (200.0, 843.0, "worse"),
        (400.0, 390.0, "unchanged"),
        (0.0, 0.0, "unchanged"),
        (0.0, 4.9, "unchanged"),
        (0.0, 5.1, "worse"),
        (5.1, 0.0, "better"),
    ],
)
def test_the_way_the_infection_went_is_a_word_and_no_alarm_where_it_went_well(before, after, trend) -> None:
    found = follow_up([point(0, infection=before), point(9, infection=after)])
    assert found.since_first[0].trend == trend
    assert to_record(found).since_first[0].trend == trend
    page = render_follow_up(found)
    assert f'<div class="key first {trend}">' in page
    assert f"day 0 to day 9: <b>{trend}</b>" in page


def test_where_a_scan_shows_no_lung_nothing_got_better() -> None:
    found = follow_up([point(0), point(5, lung=0.0, infection=0.0)])
    assert found.since_first[0].trend == "unknown"


def test_an_improvement_is_not_shown_in_the_colour_of_infection() -> None:
    colors = []
    for after in (800.0, 100.0, 400.0):
        page = render_follow_up(follow_up([point(0), point(9, infection=after)]))
        style = page[page.index("<style>") : page.index("</style>")]
        trend = page.partition('class="key first ')[2].partition('"')[0]
        rule = ".key.first .value" if trend == "worse" else f".key.first.{trend} .value"
        colors.append(style.partition(rule)[2].partition("color: ")[2].partition(";")[0])
    assert colors == ["var(--infection)", "var(--right)", "var(--ink)"]


def test_what_makes_scans_hard_to_compare_is_said() -> None:
    found = follow_up([point(0), point(5, lung=1000.0)], ["Different patients?"])
    assert found.warnings[0] == "Different patients?"
    assert "Day 5: the lung volume is" in found.warnings[1]
    lungless = follow_up([point(0), point(5, lung=0.0, infection=0.0)])
    assert lungless.since_first[0].percentage_points is None
    assert "nan" not in to_csv(lungless)
    json.dumps(write_typed(to_record(lungless)), allow_nan=False)


@pytest.mark.parametrize(
    ("origins", "different"),
    [(("", "given"), False), (("", "given", "estimated, then checked by a reader"), True), (("given", "given"), False)],
)
def test_lobes_of_unknown_origin_are_not_called_different(origins: tuple[LobesAre, ...], different: bool) -> None:
    points = [point(day, lobe_score=9, lobes_are=origin) for day, origin in enumerate(origins)]
    assert any("different origin" in warning for warning in follow_up(points).warnings) is different


@pytest.mark.parametrize(
    ("networks", "different"),
    [(("one", "one"), False), (("one", "two"), True), (("one", ""), False), (("", "one", "two"), True)],
)
def test_masks_of_different_networks_are_pointed_out(networks: tuple[str, ...], different: bool) -> None:
    measured = measure(block_labels(), Grid(UPRIGHT, block_labels().shape))
    records = [ResultRecord.of(measured, Provenance(name, name, "onnx", "cpu", "CovidSeg 1"), {}) for name in networks]
    assert any("different networks" in warning for warning in mixed_networks(records)) is different


@pytest.mark.parametrize(
    ("origins", "words"),
    [
        (("estimated", "estimated"), "The score is the median."),
        (("estimated", "estimated, corrected"), "The score is the median where lobes were not corrected."),
        (("estimated, corrected", "estimated, corrected"), ""),
        (("given", "given"), None),
    ],
)
def test_a_score_is_called_the_median_only_where_it_is(origins: tuple[LobesAre, ...], words: str | None) -> None:
    points = []
    for day, origin in enumerate(origins):
        ends = {"lobe_score_low": 8, "lobe_score_high": 10, "lobes_estimated": True} if origin != "given" else {}
        points.append(point(day, lobe_score=9, lobes_are=origin, **ends))
    page = render_follow_up(follow_up(points), [])
    assert ("90 % range" in page) is (words is not None)
    assert ("median" in page) is bool(words)
    assert (words or "") in page


def test_the_lobes_of_an_earlier_version_are_called_estimated_in_every_table_where_they_have_a_range() -> None:
    measured = measure(drawn_lungs(), Grid(AFFINE, drawn_lungs().shape))
    record = ResultRecord.of(measured, Provenance("m", "0", "onnx", "cpu", "s"), {})
    for are in ("estimated", ""):
        old = replace(record, measurements=replace(record.measurements, lobes_are=are))
        assert TimePoint.of(old, 0).lobes_are == "estimated"
        assert Row.of_entry(Entry("a", "done", result="a.seg.nrrd"), old).lobes_are == "estimated"
    given = replace(record.measurements, lobes_are="", lobe_score=9, severity_estimated=None)
    assert TimePoint.of(replace(record, measurements=given), 0).lobes_are == ""


def test_one_scan_is_no_follow_up() -> None:
    with pytest.raises(ValueError, match="two scans"):
        FollowUp((point(0),))


def test_a_record_holds_mere_text() -> None:
    """A batch keeps a thousand of them; what can still be translated takes ten times the memory."""
    labels = block_labels()
    made = Provenance("m", "0", "onnx", "cpu", "s", warnings=(tr("Something is odd."),))
    record = ResultRecord.of(
        measure(labels, Grid(UPRIGHT, labels.shape), voxels=labels.astype(np.int16)), made, {}
    ).to_json()
    measured = record["measurements"]
    texts = [*record["warnings"], *measured["flags"], measured["density_refused"]]
    assert len(texts) > 3
    assert {type(text) for text in texts} == {str}


def test_numbers_come_from_the_record_of_a_result() -> None:
    labels = block_labels()
    measured = measure(labels, Grid(UPRIGHT, labels.shape), voxels=block_scan(labels))
    record = ResultRecord.of(measured, Provenance("m", "0", "onnx", "cpu", "s"), {}).to_json()
    one = TimePoint.of(ResultRecord.from_json(json.loads(json.dumps(record))), 3)
    assert one.infection_ml == pytest.approx((LEFT_INFECTED + RIGHT_INFECTED) * VOXEL_ML)
    assert (one.day, one.ct_class, one.lesions, one.date) == (3, "CT-1", 2, "")
    for broken in ({}, {**record, "schema": "other"}, {**record, "measurements": {}}, []):
        with pytest.raises(InputError, match="no result"):
            ResultRecord.from_json(broken)
    labels[labels == Label.INFECTION] = Label.LEFT_LUNG
    nothing = ResultRecord.of(measure(labels * 0, Grid(UPRIGHT, labels.shape)), Provenance("", "", "", "", ""), {})
    assert TimePoint.of(nothing, 0).infection_percent is None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *((name, missing) for name in ("model", "software", "edited_segments", "warnings") for missing in (..., None)),
        ("model", {}),
        ("model", {"name": 7}),
        ("warnings", [{}]),
        ("measurements.total.infection_percent", "7 %"),
        ("measurements.total.infection_percent", math.nan),
        ("measurements.total.lung_ml", "4000"),
        ("measurements.total.lung_ml", 10**400),
        ("measurements.density", "none"),
        ("measurements.density.ground_glass_ml", [1]),
        ("measurements.zone_score", "six"),
        ("measurements.lesions", None),
        ("measurements.partly_visible", "left"),
        ("measurements.rules", {}),
    ],
)
def test_a_record_that_was_written_by_hand_or_lost_a_part_is_refused(place: str, value: object) -> None:
    labels = block_labels()
    measured = measure(labels, Grid(UPRIGHT, labels.shape), voxels=block_scan(labels))
    record = json.loads(json.dumps(ResultRecord.of(measured, Provenance("m", "0", "onnx", "cpu", "s"), {}).to_json()))
    *path, last = place.split(".")
    inner = record
    for name in path:
        inner = inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    with pytest.raises(InputError, match="no result"):
        TimePoint.of(ResultRecord.from_json(record), 0)


@given(st.floats(1e-3, 1e5))
def test_ticks_are_round_and_reach_over_the_highest_value(highest: float) -> None:
    ticks = nice_ticks(highest)
    assert ticks[0] == 0
    assert ticks[-1] >= highest * (1 - 1e-6)
    assert ticks[-2] < highest
    assert 2 <= len(ticks) <= 7


@given(st.lists(st.tuples(st.integers(0, 800), st.one_of(st.none(), st.floats(0, 9000))), min_size=2, max_size=9))
def test_every_mark_lies_inside_the_plot(values: list) -> None:
    days = sorted(day for day, _ in values)
    plot = make_plot("x", "#000", [day - days[0] for day in days], [value for _, value in values])
    for x, y, _ in plot.marks:
        assert plot.left <= x <= plot.right
        assert plot.top - 0.1 <= y <= plot.bottom
    assert len(plot.marks) == sum(value is not None for _, value in values)
    assert plot.line.count("M") + plot.line.count("L") == len(plot.marks)


WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Seen]:
    points = [point(0), point(14, infection=1640.2), point(95, lung=3000.0, infection=12.0, date="2020-07-03")]
    page = render_follow_up(follow_up(points, label="A & B"))
    return Browser(tmp_path_factory.mktemp("browser")).look_at_widths(page, WIDTHS)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_browser_shows_the_change_and_nothing_sticks_out(width: int, shown: dict[int, Seen]) -> None:
    seen = shown[width]
    assert seen.overflowing == []
    assert seen.width <= width
    assert seen.loaded == []
    text = " ".join(seen.text.split())
    changes = ("\u2212388 mL", "\u22129.6 points", "\u22121 000 mL", "+1 240")
    for words in (*changes, "25 % smaller", "Case: A & B", "2020-07-03"):
        assert words in text, words


def test_the_page_shows_every_scan_that_has_a_picture_and_two_scans_fit_on_one_sheet(tmp_path: Path) -> None:
    drawn = io.BytesIO()
    Image.new("RGB", (960, 480), (90, 90, 90)).save(drawn, "JPEG")
    pictures = [Picture(drawn.getvalue(), "Day 0"), Picture(drawn.getvalue(), "Day 9")]
    found = follow_up([point(0), point(9, infection=100.0)])
    page, browser = render_follow_up(found, pictures=pictures), Browser(tmp_path)
    for seen in browser.look_at_widths(page, WIDTHS).values():
        assert seen.pictures == [960, 960]
        assert seen.overflowing == []
    assert browser.printed_pages(page, tmp_path / "page.pdf") == 1
    assert render_follow_up(found, pictures=[None, pictures[1]]).count("<img") == 1
    assert "<img" not in render_follow_up(found, pictures=[None, None])
