"""The form of a result: one list of classes, from which the published schemas, the reader and the writer follow."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures import Measurements, measure
from CovidSegLib.measures.edits import SegmentEdit
from CovidSegLib.report.followup import FOLLOWUP_SCHEMA, TimePoint, follow_up, to_record
from CovidSegLib.report.result_record import SCHEMA, ResultRecord, ScanRecord
from CovidSegLib.report.schemas import made_schema, published_schema
from CovidSegLib.segmentation import Provenance
from CovidSegLib.system.typed_json import write_typed
from Testing.kit.blocks import UPRIGHT, block_labels, block_scan

MADE = Provenance("m", "0", "onnx", "cpu", "s", warnings=("Odd.",), edited=("LeftLung",), kept_ml=1.23456)


@pytest.fixture(scope="module")
def measured() -> Measurements:
    labels = block_labels()
    return measure(labels, Grid(UPRIGHT, labels.shape), voxels=block_scan(labels), stability=True)


@pytest.fixture(scope="module")
def records(measured: Measurements) -> dict[str, ResultRecord]:
    scan = ScanRecord.of(CtVolume(block_scan(block_labels()), UPRIGHT, "NIfTI file"))
    plain = ResultRecord.of(measured, MADE, {"total": 1.23456}, ["Read."], "NIfTI file")
    report = ResultRecord.of(measured, MADE, {})
    edits = [SegmentEdit("Left lung", 0.12345, 0.0)]
    return {"plain": plain, "report": report.of_report(scan, edits, "A"), "unknown": report.of_report(scan, None, "")}


@pytest.mark.parametrize("name", [SCHEMA, FOLLOWUP_SCHEMA])
def test_the_published_schema_is_the_one_that_follows_from_the_classes(name: str) -> None:
    """To write it anew: python -m CovidSegLib.report.schemas."""
    assert published_schema(name) == made_schema(name)


@pytest.mark.parametrize("name", ["plain", "report", "unknown"])
def test_a_record_is_of_the_published_form_and_comes_back_from_it_as_it_was(
    records: dict[str, ResultRecord], name: str
) -> None:
    data = json.loads(json.dumps(records[name].to_json(), allow_nan=False))
    jsonschema.validate(data, published_schema(SCHEMA))
    again = ResultRecord.from_json(data)
    assert again == records[name]
    assert list(again.to_json()) == list(data)  # in the same order, too
    assert ("reader_edits" in data) == (name != "plain")


def test_what_a_later_version_adds_to_a_record_is_passed_over(records: dict[str, ResultRecord]) -> None:
    data = records["plain"].to_json()
    data["measurements"]["zones"][0]["colour"] = data["more"] = 1
    assert ResultRecord.from_json(data) == records["plain"]


def test_a_record_of_an_earlier_version_lacks_what_came_later(records: dict[str, ResultRecord]) -> None:
    data = records["plain"].to_json()
    for name in ("severity_estimated", "severity_refused"):
        del data["measurements"][name]
    for name in ("counted_from_ml", "smaller"):
        del data["measurements"]["lesions"][name]
    del data["kept_edits_ml"], data["edited_segments"]
    older = ResultRecord.from_json(data)
    assert older.measurements.severity_estimated is None
    assert older.to_json()["measurements"]["lesions"] == data["measurements"]["lesions"]
    with pytest.raises(InputError, match="no result"):  # whether a reader corrected it cannot be said
        TimePoint.of(older, 0)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("infection_ml", -1.0),
        ("infection_percent", 100.5),
        ("infection_counts_as_lung", False),
        ("measurements.ct_class", "CT-5"),
        ("measurements.zone_score", True),
        ("measurements.zones", []),
        ("measurements.lobe_score", 26),
        ("measurements.density.lung_percentiles_hu", {"half": 1.0}),
        ("measurements.stability", [{}]),
        ("seconds", {"total": float("inf")}),
    ],
)
def test_a_value_that_the_schema_refuses_is_refused_when_it_is_read(
    records: dict[str, ResultRecord], place: str, value: Any
) -> None:
    data = json.loads(json.dumps(records["plain"].to_json()))
    *path, last = place.split(".")
    inner = data
    for name in path:
        inner = inner[name]
    inner[last] = value
    if value != {"total": float("inf")}:  # JSON itself has no such number
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(data, published_schema(SCHEMA))
    with pytest.raises(InputError, match="no result"):
        ResultRecord.from_json(data)


def test_a_follow_up_is_of_the_published_form(records: dict[str, ResultRecord]) -> None:
    found = follow_up([TimePoint.of(records["plain"], 0), TimePoint.of(records["report"], 9, "2020-01-10")])
    jsonschema.validate(json.loads(json.dumps(write_typed(to_record(found)))), published_schema(FOLLOWUP_SCHEMA))


def test_every_number_of_a_record_is_reached_by_its_path(records: dict[str, ResultRecord]) -> None:
    measured = records["plain"].measurements
    assert measured.numbers("density.ground_glass_ml") == [(measured.density, measured.density.ground_glass_ml)]
    assert measured.numbers("zones.score") == [(zone, zone.score) for zone in measured.zones]
    found = measured.severity_estimated
    assert measured.numbers("severity_estimated.score") == ([(found, found.score)] if found else [])
