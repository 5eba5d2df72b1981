"""Pictures are drawn from what was measured, also where some of it could not be."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs the extra 'training'")

from CovidSegLib.errors import InputError
from CovidSegLib.network.card import checked_card
from CovidSegLib.segmentation import Label
from CovidSegTraining.fit.trained_on import name_hashes
from CovidSegTraining.judge.figures import FigurePanel, bars, bland_altman, colors, curves, overlay, panels
from CovidSegTraining.judge.protocol import ProtocolRow
from CovidSegTraining.ship.card import as_markdown, checked_facts, with_facts, with_metrics


def is_picture(file) -> bool:
    from PIL import Image

    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("L"))
    return min(pixels.shape) > 100 and pixels.std() > 5


def test_every_picture_is_drawn(tmp_path):
    hu = np.full((40, 60), -800.0)
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 10:20] = Label.INFECTION
    panels([FigurePanel("one", hu, {"true": mask, "predicted": mask * 0})] * 2, tmp_path / "deep" / "panels.png")
    curves(
        [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "dice": 0.5}],
        tmp_path / "curves.png",
        names=("loss", "dice"),
        x="step",
        score="Dice",
    )
    rows = [
        {"case": "a", "dice": 0.5, "mine": 3.0, "true": 2.0},
        {"case": "b", "dice": None, "mine": math.nan, "true": 1.0},
    ]
    bars(rows, {"Dice": "dice"}, tmp_path / "bars.png")
    bland_altman(rows, {"mL": ("mine", "true")}, tmp_path / "bland.png")
    for name in ("deep/panels.png", "curves.png", "bars.png", "bland.png"):
        assert is_picture(tmp_path / name), name
    assert not [file for file in tmp_path.rglob("*") if "part" in file.name]


def test_an_overlay_shows_the_slice_and_paints_infection_red():
    hu = np.array([[-1250.0, 250.0, -500.0]])
    mask = np.array([[0, 0, Label.INFECTION]], np.uint8)
    picture = overlay(hu, mask)
    np.testing.assert_allclose(picture[0, :2], [[0, 0, 0], [1, 1, 1]])
    assert picture[0, 2, 0] > picture[0, 2, 1] + 0.2
    assert colors(mask)[0, 0].sum() == 0


def card() -> dict:
    return {
        "name": "tiny", "description": "A test.", "classes": ["neither", "lung", "infection"], "limits": "None known.",
        "inputs": {"shape": [64, 96], "hu_window": [-1250, 250]},
        "files": {"onnx": {"name": "t.onnx", "sha256": 32 * "ab"}},
    }  # fmt: skip


def page(data: dict) -> str:
    """The card ``data``, which must be one, as people read it."""
    return as_markdown(checked_card(data))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"data": []}, "data is not known"),
        ({"training_data": "our own cases"}, "training_data must be"),
        ({"finish": {"x": 1}}, "finish is not a table of thresholds"),
        ({"files": {}}, "files is not known"),
        ({"licence": 3}, "licence must be str"),
        ({"inputs": {"shape": [288]}}, "inputs.shape"),
        ({"inputs": {"second_look": [288, 352]}}, "inputs.shape is missing"),
        ({"inputs": {"shape": [288, 352], "hu_window": [-1000, 400]}}, "inputs.hu_window is not known"),
        ({"inputs": {"shape": [288, 350]}}, "multiples of 32"),
    ],
)
def test_facts_that_would_break_a_card_are_refused(facts, message):
    with pytest.raises(InputError, match=message):
        checked_facts(facts)


def test_the_sizes_of_a_cards_inputs_are_replaced_and_the_rest_of_them_stays():
    two = with_facts(card(), checked_facts({"inputs": {"shape": [224, 288], "second_look": [256, 320]}}))
    assert two["inputs"] == {"shape": [224, 288], "second_look": [256, 320], "hu_window": [-1250, 250]}
    assert with_facts(two, checked_facts({"limits": "Some."}))["inputs"] == two["inputs"]
    one = with_facts(two, checked_facts({"inputs": {"shape": [288, 352]}}))
    assert one["inputs"] == {"shape": [288, 352], "second_look": None, "hu_window": [-1250, 250]}


def test_a_file_without_scores_is_no_metrics():
    with pytest.raises(InputError, match="holds no scores"):
        with_metrics({"name": "a"}, {"steps": 3})


@pytest.fixture
def drawn(monkeypatch) -> list:
    """The figures that are drawn, instead of their files."""
    from CovidSegTraining.judge import figures

    made: list = []
    monkeypatch.setattr(figures, "_save", lambda figure, file: made.append(figure))
    return made


def test_slices_tell_colours_side_and_window(tmp_path, drawn):
    mask = np.zeros((8, 8), np.uint8)
    panels([FigurePanel("one", mask, {"true": mask, "predicted": mask})], tmp_path / "slices.png")
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["Left lung", "Right lung", "COVID-19 infection"]
    assert [axis.get_title() for axis in drawn[0].axes] == [
        "CT, -1250 to 250 HU", "true", "predicted", "CT and predicted",
    ]  # fmt: skip
    assert all([text.get_text() for text in axis.texts] == ["R"] for axis in drawn[0].axes)


def test_a_plot_says_what_its_axes_are_and_its_legend_hides_no_scan(tmp_path, drawn):
    curves([{"step": 1, "loss": 2.0, "dice": 0.5}], tmp_path / "c.png", names=("loss", "dice"), x="step", score="Dice")
    assert [axis.get_ylabel() for axis in drawn[0].axes] == ["loss", "Dice"]
    assert all(step == round(step) for step in drawn[0].axes[0].get_xticks())
    rows = [{"mine": 3.0, "true": 2.0}, {"mine": 5.0, "true": 7.0}]
    bland_altman(rows, {"mL": ("mine", "true")}, tmp_path / "bland.png")
    (axis,) = drawn[1].axes
    drawn[1].draw_without_rendering()
    assert axis.get_legend().get_window_extent().y1 < axis.get_window_extent().y0


def test_bars_begin_with_the_worst_and_end_with_what_measures_nothing(tmp_path, drawn):
    values = (0.8, None, 0.3, 0.6, 0.0)
    bars([{"case": str(value), "dice": value} for value in values], {"Dice": "dice"}, tmp_path / "bars.png")
    (axis,) = drawn[0].axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["0.0", "0.3", "0.6", "0.8", "None"]
    assert axis.yaxis_inverted()
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["Dice"]
    assert [text.get_text() for text in axis.texts] == ["nothing to measure"]


def test_a_card_tells_the_scores_of_one_fold():
    text = page(with_metrics(card(), {"fold": 1, "mean": {"lung": 0.98765, "left": None}, "cases": []}))
    assert "Held-out fold 1" in text
    assert "0.988" in text
    assert "left" not in text
    assert text.startswith("# tiny\n\nA test.\n")


def test_a_card_tells_the_table_of_a_cross_validation():
    table = [{"measure": "lung", "name": "lung", "values": [0.9, 1.0, None], "limit": ">= 0.985"}]
    scores = {"folds": [1, 2], "table": table, "mean": {"lung": 0.95}, "scans": [{"case": "a"}], "lungs": []}
    with_table = with_metrics(card(), scores)
    (row,) = with_table["metrics"]["table"]
    assert row["mean"] == pytest.approx(0.95)
    assert row["scans"] == 2
    assert with_table["metrics"]["cases"] == [{"case": "a"}]
    assert with_table["metrics"]["mean"] == {"lung": 0.95}, "the list of networks quotes it"
    assert "0.950 (0.900-1.000)" in page(with_table)


def test_a_card_says_how_many_of_the_judged_cases_were_trained_on():
    """Also where the scores are of a version that only warned, or of another network."""
    scores = {"fold": 0, "mean": {"lung": 0.9}, "cases": [{"case": "one"}, {"case": "two"}]}
    seen = {**card(), "trained_on": name_hashes(["two"])}
    assert "1 of 2 cases were trained on: no fair judgement." in page(with_metrics(seen, scores))
    of_fold = {**scores, "fold": 5, "trained_on_cases": 2}
    assert "2 of 2 cases of fold 5 were trained on" in page(with_metrics(card(), of_fold))
    assert "Cases that were not in a fold of the training." in page(with_metrics(card(), scores))
    assert "Held-out fold 1." in page({**card(), "metrics": {"fold": 1, "mean": {"lung": 0.9}}})


def test_a_card_rounds_once_and_so_tells_what_the_table_tells():
    values = [0.984461, 0.984461]  # rounded to four digits, and then to three: 0.985
    table = [{"name": "lung", "values": values, "limit": ""}]
    scores = {"folds": [1, 2], "table": table, "mean": {"lung": 0.98}, "scans": []}
    shown = ProtocolRow("lung", tuple(values), "").cells()[1]
    assert shown == "0.984 (0.984-0.984)"
    assert shown in page(with_metrics(card(), scores))
