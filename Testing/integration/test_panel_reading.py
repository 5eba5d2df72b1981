"""After a change the scene is read once, and all that the panel says of it changes together."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

from CovidSegLib.corrections.reviewed_segments import SOURCE_TAG
from CovidSegLib.gui.core.scene_memory import SceneMemory
from CovidSegLib.mrml.covidseg_segments import parts_in
from CovidSegLib.mrml.volumes import read_volume_node
from CovidSegLib.segmentation import Label
from Testing.kit.blocks import HU
from Testing.kit.panel_steps import reading
from Testing.kit.review_steps import INFECTION
from Testing.kit.segment_editor import Reader


def section_of(panel: object, name: str) -> object:
    return panel.section(name)


@pytest.fixture
def reads(opened: tuple, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was read or computed since: "segments", "scan", "numbers", "lesions"."""
    from CovidSegLib.gui.sections import reading_section

    panel = opened[0]
    panel.until(lambda: section_of(panel, "ReviewSection").review is not None and not reading(panel).busy)
    heard: list[str] = []
    places = {
        "read_state": "segments",
        "read_labels_in_steps": "segments",
        "read_in_steps": "scan",
        "measure": "numbers",
        "plan_review": "lesions",
    }

    def noting(work: object, what: str) -> object:
        return lambda *given, **named: heard.append(what) or work(*given, **named)

    for name, what in places.items():
        monkeypatch.setattr(reading_section, name, noting(getattr(reading_section, name), what))
    return heard


def what_is_said(panel: object) -> tuple:
    """Lesions in the list and in the line of numbers, mL in the table and of the list."""
    review = section_of(panel, "ReviewSection")
    table = panel.ui.resultsTable.item(2, 1)
    listed = sum(lesion.lesion.ml for lesion in review.review.lesions.lesions) if review.review else None
    line = section_of(panel, "NumbersSection").line.text
    return review.widgets.table.rowCount, line.rpartition(" · ")[2], table and table.text(), listed and f"{listed:.1f}"


def test_after_delete_review_and_numbers_follow_together_and_are_read_once(opened: tuple, reads: list[str]) -> None:
    panel = opened[0]
    section = section_of(panel, "ReviewSection")
    before = what_is_said(panel)
    assert before[:2] == (2, "2 lesions")
    section.widgets.table.selectRow(0)
    section.widgets.delete.click()
    assert reading(panel).busy  # at once: nothing waits for the reader's hand to rest
    said = {before}
    panel.until(lambda: said.add(what_is_said(panel)) or not reading(panel).busy)
    said.add(what_is_said(panel))
    assert len(said) == 2  # as it was, and as it is: nothing in between
    assert what_is_said(panel)[:2] == (1, "1 lesion")
    assert what_is_said(panel)[2] == what_is_said(panel)[3]
    rest(panel)  # the tags that say who edited it are no change to be read again
    assert sorted(reads) == ["lesions", "numbers", "scan", "segments"]


def test_after_a_stroke_all_follows_together_and_is_read_once(opened: tuple, reads: list[str]) -> None:
    panel, _section, node, scan = opened
    said = {what_is_said(panel)}
    Reader(panel.world.scene, node, scan).paint(INFECTION, np.s_[10:12, 12:16, 70:80])
    panel.until(lambda: said.add(what_is_said(panel)) or what_is_said(panel)[0] == 3)
    said.add(what_is_said(panel))
    assert len(said) == 2
    assert what_is_said(panel)[1] == "3 lesions"
    assert section_of(panel, "ReviewSection").review.edited_percent > 0
    rest(panel)
    assert sorted(reads) == ["lesions", "numbers", "scan", "segments"]


def test_a_stroke_while_the_scene_is_read_is_not_missed(opened: tuple, reads: list[str]) -> None:
    panel, _section, node, scan = opened
    reader = Reader(panel.world.scene, node, scan)
    reader.paint(INFECTION, np.s_[10:12, 12:16, 70:80])
    panel.until(lambda: "numbers" in reads)
    reader.paint(INFECTION, np.s_[16:18, 12:16, 70:80])
    panel.until(lambda: what_is_said(panel)[0] == 4)
    assert what_is_said(panel)[1] == "4 lesions"


def read(node: object, scan: object, memory: SceneMemory) -> object:
    """What there is to say of the segments now."""
    from CovidSegLib.gui.sections.reading_section import reading_steps
    from CovidSegLib.system.steps import result_of

    return result_of(reading_steps(node, scan, memory))


def test_lungs_and_lesions_are_found_once_for_numbers_and_list(opened: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    from CovidSegLib.measures import found

    _panel, _section, node, scan = opened
    heard: list[str] = []
    for name in ("sided_lungs", "label_lesions"):
        work = getattr(found, name)
        monkeypatch.setattr(found, name, lambda *given, work=work, name=name: heard.append(name) or work(*given))
    said = read(node, scan, SceneMemory())
    assert sorted(heard) == ["label_lesions", "sided_lungs"]
    assert [one.lesion for one in said.review.lesions.by_size()] == list(said.measured.lesions)


@pytest.fixture
def computed(opened: tuple, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is no reader's edit to change, and was computed since the panel was opened."""
    from CovidSegLib.anatomy import lungs
    from CovidSegLib.corrections.merge import LastWritten
    from CovidSegLib.geometry.volume import CtVolume
    from CovidSegLib.gui.sections import reading_section

    panel, _section, node, scan = opened
    for segment in parts_in(node).values():  # as after a run: the scan is known by its voxels
        segment.SetTag(SOURCE_TAG, f"SHA-256 of its voxels {read_volume_node(scan).fingerprint}")
    rest(panel)
    heard: list[str] = []
    places = (
        (LastWritten, "of_texts", "records"),
        (CtVolume, "fingerprint_in", "fingerprint"),
        (reading_section, "judge_scan", "verdict"),
        (lungs, "_part", "sides"),
    )
    for owner, name, what in places:
        work = getattr(owner, name)
        noting = lambda *given, work=work, what=what: heard.append(what) or work(*given)  # noqa: E731
        monkeypatch.setattr(owner, name, noting)
    return heard


def test_a_stroke_computes_nothing_anew_that_it_cannot_have_changed(opened: tuple, computed: list[str]) -> None:
    panel, _section, node, scan = opened
    reader = Reader(panel.world.scene, node, scan)
    reader.paint(INFECTION, np.s_[10:12, 12:16, 70:80])
    panel.until(lambda: what_is_said(panel)[0] == 3)
    rest(panel)
    assert computed == []
    reader.paint(INFECTION, np.s_[3:21, 10:50, 40:46])  # beyond the lung: now it has another shape
    panel.until(lambda: what_is_said(panel)[0] == 4)
    assert computed == ["sides"]


def test_what_is_known_of_a_scan_is_forgotten_with_it(opened: tuple, computed: list[str]) -> None:
    from CovidSegLib.geometry.volume import CtVolume

    panel, _section, node, scan = opened
    memory = panel.session.memory
    other = panel.world.logics.add_volume(CtVolume(read_volume_node(scan).voxels - 1, read_volume_node(scan).affine))
    panel.session.parameters.inputVolume = other
    rest(panel)
    assert panel.session.memory is not memory
    panel.session.parameters.inputVolume = scan
    panel.session.parameters.outputSegmentation = node
    computed.clear()
    panel.until(lambda: what_is_said(panel)[0] == 2)
    rest(panel)
    assert sorted(set(computed)) == ["fingerprint", "records", "sides", "verdict"]


def test_a_scan_whose_voxels_change_is_looked_at_again(opened: tuple) -> None:
    from slicer.util import arrayFromVolume, arrayFromVolumeModified

    _panel, _section, node, scan = opened
    memory = SceneMemory()
    before = read(node, scan, memory).measured
    assert not before.density_refused
    true = arrayFromVolume(scan).copy()
    arrayFromVolume(scan)[:] = np.clip(true, 0, 255)  # without noise: a drawing
    arrayFromVolumeModified(scan)
    grey = read(node, scan, memory).measured
    assert (grey.density, "a labelmap or a mask" in grey.density_refused) == (None, True)
    arrayFromVolume(scan)[:] = np.where(true == HU[Label.INFECTION], true + 10, true)
    arrayFromVolumeModified(scan)
    after = read(node, scan, memory).measured
    assert not after.density_refused
    assert after.density.infection_mean_hu == pytest.approx(before.density.infection_mean_hu + 10)


def test_each_scan_is_looked_at_for_itself(opened: tuple) -> None:
    from CovidSegLib.geometry.volume import CtVolume

    panel, _section, node, scan = opened
    volume = read_volume_node(scan)
    grey = panel.world.logics.add_volume(CtVolume(np.clip(volume.voxels, 0, 255), volume.affine))
    memory = SceneMemory()
    refused = ["a labelmap or a mask" in read(node, one, memory).measured.density_refused for one in (scan, grey, scan)]
    assert refused == [False, True, False]


def test_the_scan_is_not_copied_to_be_measured(opened: tuple) -> None:
    from slicer.util import arrayFromVolume, updateVolumeFromArray

    from CovidSegLib.mrml.volumes import read_in_steps
    from CovidSegLib.system.steps import result_of

    scan = opened[3]
    volume = result_of(read_in_steps(scan, copied=False))
    assert np.shares_memory(volume.voxels, arrayFromVolume(scan))
    assert not volume.voxels.flags.writeable
    assert not np.shares_memory(result_of(read_in_steps(scan)).voxels, arrayFromVolume(scan))
    true = volume.voxels.copy()
    updateVolumeFromArray(scan, true + 0.25)  # no voxels of ours: rounded, as ever
    np.testing.assert_array_equal(result_of(read_in_steps(scan, copied=False)).voxels, true)


def rest(panel: object) -> None:
    """Let pass what a follower waits for, and what it begins then."""
    from CovidSegLib.gui.core.followers import REST_MS
    from Testing.kit.slicer_window.pythonqt import qt

    passed = []
    qt.QTimer.singleShot(2 * REST_MS, lambda: passed.append(True))
    panel.until(lambda: passed and not reading(panel).busy)


def test_the_panel_says_of_doubled_values_what_segment_says_and_gives_no_densities(panel, world, tmp_path) -> None:
    import json

    from CovidSegLib.errors import InputError
    from CovidSegLib.geometry.volume import CtVolume
    from CovidSegLib.gui.report_steps import save_report
    from CovidSegLib.gui.sections.review_section import training_case_steps
    from CovidSegLib.mrml.segmentations import add_segmentation
    from CovidSegLib.segmentation import Provenance, Segmentation
    from CovidSegLib.system.steps import result_of
    from Testing.kit.small_phantom import small_phantom

    words, phantom = "twice as far apart", small_phantom()
    affine = phantom.volume.affine
    scan = world.logics.add_volume(CtVolume(phantom.volume.voxels * np.int16(2), affine))
    made = Provenance("a-network", "ab" * 32, "onnx", "cpu", "CovidSeg 1.0")
    node = add_segmentation(world.scene, Segmentation(phantom.truth, affine, made), scan, "COVID-19")
    panel.session.parameters.inputVolume = scan
    panel.session.parameters.outputSegmentation = node
    panel.until(lambda: panel.session.shown.value is not None and words in panel.ui.checksLabel.text)
    assert panel.session.reason  # Apply cannot be pressed
    shown = panel.session.shown.value
    assert shown.measurements.density is None
    assert [words in text for text in shown.warnings if "density" in text] == [True]
    assert words in panel.ui.resultsNotes.text
    written = json.loads(save_report(node, scan, tmp_path / "r.json").read_text())
    assert set(shown.warnings) <= set(written["warnings"])
    assert [words in text for text in written["warnings"]].count(True) == 1
    with pytest.raises(InputError, match=words):
        result_of(training_case_steps(node, scan, tmp_path / "cases"))
    assert not (tmp_path / "cases").exists()
