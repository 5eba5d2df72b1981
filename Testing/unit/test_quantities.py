"""The one list of numbers: each is where the list says, and a new entry is shown everywhere."""

from __future__ import annotations

import csv
import json
from dataclasses import fields
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from CovidSegLib.batch.entry import Entry
from CovidSegLib.batch.summary import Row, Summary, check_own_table
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures import Measurements, all_measures, measure, quantities, table
from CovidSegLib.measures.measurements_record import MeasurementsRecord
from CovidSegLib.measures.quantities import QUANTITIES, Quantity
from CovidSegLib.measures.subject import Subject
from CovidSegLib.measures.table import table_rows
from CovidSegLib.report.content import report_content, to_csv
from CovidSegLib.report.followup import TimePoint, follow_up
from CovidSegLib.report.followup import to_csv as followup_csv
from CovidSegLib.report.page import render_follow_up, render_page, with_unit
from CovidSegLib.report.result_record import SCHEMA, ResultRecord
from CovidSegLib.report.schemas import published_schema
from CovidSegLib.segmentation import Provenance, Segmentation
from Testing.kit.blocks import UPRIGHT, block_labels, block_scan

MADE = Provenance("m", "0", "onnx", "cpu", "s")


def measured_blocks() -> Measurements:
    labels = block_labels()
    slabs = np.repeat([[5, 2], [4, 2], [4, 1], [3, 1]], (9, 3, 3, 9), axis=0).repeat(50, axis=1)  # right, left
    lobes = np.where(labels > 0, slabs[:, None], 0).astype(np.uint8)
    return measure(labels, Grid(UPRIGHT, labels.shape), voxels=block_scan(labels), lobes=lobes, stability=True)


def test_every_number_stands_in_the_json_where_the_list_says() -> None:
    record = MeasurementsRecord.of(measured_blocks())
    for quantity in QUANTITIES:
        if quantity.measure is not None:
            assert quantity.path.removeprefix("more.") in (record.more or {})
            continue
        parts = [record]
        for name in quantity.path.split("."):
            values = [getattr(part, name) for part in parts if part is not None]
            parts = [one for value in values for one in (value if isinstance(value, tuple) else [value])]
        assert parts or quantity.path.startswith("severity_estimated"), quantity.path


def test_every_column_of_the_list_has_a_field_and_no_path_stands_twice() -> None:
    paths = [quantity.path for quantity in QUANTITIES]
    assert len(paths) == len(set(paths))
    ours = [quantity for quantity in QUANTITIES if quantity.measure is None]
    columns = {quantity.column for quantity in ours if "{" not in quantity.column}
    assert columns - {""} <= {column.name for column in fields(Row)}
    points = {quantity.point for quantity in ours}
    assert points - {""} <= {column.name for column in fields(TimePoint)}


def _voxels(subject: Subject) -> float:
    return float(np.count_nonzero(subject.lungs.codes)) * subject.voxel_ml


def test_a_new_number_is_in_all_outputs_by_its_one_entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    new = Quantity(
        "more.counted_ml", "Counted volume", "mL", column="counted_ml", point="counted_ml", measure=_voxels
    )  # fmt: skip
    for module in (quantities, table, all_measures):
        monkeypatch.setattr(module, "QUANTITIES", (*QUANTITIES, new))
    measured = measured_blocks()
    volume = measured.total.lung_ml
    assert [row.value for row in table_rows(measured) if row.measure == "Counted volume"] == pytest.approx([volume])
    record = ResultRecord.of(measured, MADE, {"total": 1.0}, source="file")
    data = json.loads(json.dumps(record.to_json()))
    assert data["measurements"]["more"]["counted_ml"] == pytest.approx(volume, abs=1e-3)
    jsonschema.validate(data, published_schema(SCHEMA))
    assert ResultRecord.from_json(data) == record

    summary = Summary(tmp_path / "summary.csv")
    summary.put(0, Row.of_entry(Entry("a", "done", result="a.nii"), record))
    summary.put(1, Row("b", "failed"))
    summary.write()
    check_own_table(tmp_path / "summary.csv")
    with (tmp_path / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["counted_ml"]) == pytest.approx(volume, abs=1e-3)
    assert rows[1]["counted_ml"] == ""

    found = follow_up([TimePoint.of(record, 0), TimePoint.of(record, 9)])
    (first, _) = csv.DictReader(followup_csv(found).splitlines())
    assert float(first["counted_ml"]) == pytest.approx(volume, abs=1e-3)
    page = render_follow_up(found)
    assert page.count(with_unit(volume, "mL")) >= 2
    assert "<td>Counted volume</td>" in page

    labels = block_labels()
    scan = CtVolume(block_scan(labels), UPRIGHT, "file")
    content = report_content(scan, Segmentation(labels, UPRIGHT, MADE), measured)
    assert "Counted volume,both lungs" in to_csv(content)
    assert "<td>Counted volume</td>" in render_page(content, {})


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "HU", "\u2013"),
        (0.0, "%", "0.0 %"),
        (-850.34, "HU", "\u2212850.3 HU"),
        (3.0, "count", "3"),
        (12345.6, "mm", "12\u202f350 mm"),
        (-0.00123456, "", "\u22120.001235"),
    ],
)
def test_a_further_number_of_any_unit_is_written_as_people_read_it(value: float | None, unit: str, text: str) -> None:
    assert with_unit(value, unit) == text


def test_a_table_of_a_version_with_other_further_columns_is_ours(tmp_path: Path) -> None:
    Summary(tmp_path / "summary.csv").write()
    text = (tmp_path / "summary.csv").read_text(encoding="utf-8")
    (tmp_path / "summary.csv").write_text(text.strip() + ",later_ml\n", encoding="utf-8")
    check_own_table(tmp_path / "summary.csv")
