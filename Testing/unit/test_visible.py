"""What a file or a card is called cannot steer a terminal, a spreadsheet or a page."""

from __future__ import annotations

import csv
import io
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from CovidSegLib.batch.index import index_page
from CovidSegLib.batch.summary import Row, Summary
from CovidSegLib.cli.console import Console
from CovidSegLib.i18n import tr
from CovidSegLib.report.page import render_follow_up
from CovidSegLib.system.printing import Printing
from CovidSegLib.visible import table_cell, visible
from Testing.unit.test_followup import follow_up, point

ACTS = "\x1b[31mred\x07\x9b1m\u202egnp\u200f\u2028"
"""A colour, a bell, the same in one byte, a right-to-left override and mark, a line separator."""

_FORMULA_STARTS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def test_what_would_act_is_shown_and_what_is_read_stays() -> None:
    assert visible(ACTS) == r"\x1b[31mred\x07\x9b1m\u202egnp\u200f\u2028"
    assert visible("Ärztin 肺\u00a0<\u2009\u202f°") == "Ärztin 肺\u00a0<\u2009\u202f°"
    assert visible("a\tb\nc\r", keep="\n\t") == "a\tb\nc\\r"
    assert visible("\udce9") == r"\udce9"


@given(st.text())
def test_nothing_that_is_shown_acts(text: str) -> None:
    assert not re.search("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]", visible(text))


@given(st.text(st.sampled_from("=+-@;,\t\n \"'a1\uff1d")))
def test_no_cell_is_a_formula_wherever_a_spreadsheet_parts_the_line(text: str) -> None:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(["case", table_cell(text), "done"])
    for delimiter in ",;\t":
        for row in csv.reader(io.StringIO(line.getvalue(), newline=""), delimiter=delimiter):
            assert not [cell for cell in row if cell.strip().startswith(_FORMULA_STARTS)]


def test_a_table_of_a_batch_shows_what_would_act(tmp_path) -> None:
    summary = Summary(tmp_path / "summary.csv")
    summary.put(0, Row(f"scan{ACTS}", "failed", message="odd;=cmd|' /C calc'!A0"))
    summary.write()
    text = (tmp_path / "summary.csv").read_text(encoding="utf-8")
    assert r"scan\x1b[31mred\x07" in text
    assert ";'=cmd" in text
    assert visible(text, keep="\n") == text


def test_a_page_shows_what_would_act_whoever_wrote_it() -> None:
    index = index_page([Row(f"scan{ACTS}", "failed", message=tr("A {name}.").format(name=ACTS))], 1)
    page = render_follow_up(follow_up([point(0, ct_class=ACTS), point(3)], [ACTS], ACTS), [ACTS])
    for text in (index, page):
        assert visible(text, keep="\n") == text
        assert r"\u202egnp" in text


def test_whatever_a_command_prints_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with Printing():
        print(ACTS)
        Console(quiet=False).warn(ACTS)
        print("a\rb", file=sys.stderr)
    output, errors = capsys.readouterr()
    assert output == visible(ACTS) + "\n"
    assert errors.splitlines() == [f"warning: {visible(' '.join(ACTS.split()))}", "a\\rb"]
