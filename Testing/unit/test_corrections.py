"""The merge of a reader's corrections with a new run, as sentences about arrays of any content."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from CovidSegLib.corrections.merge import (
    ALL,
    LastWritten,
    bit,
    joined,
    merge,
    reader_voxels,
    to_bits,
    to_labels,
)
from CovidSegLib.corrections.reviewed_segments import ReviewedSegments
from CovidSegLib.corrections.run_lengths import decode, encode
from CovidSegLib.segmentation import SEGMENTS, Label, Provenance, Segmentation

SHAPE = (2, 3, 4)
VOXELS = int(np.prod(SHAPE))
LABELS = [int(label) for label in Label]

labelmaps = st_numpy.arrays(np.uint8, SHAPE, elements=st.sampled_from(LABELS))
bitmaps = st_numpy.arrays(np.uint8, SHAPE, elements=st.integers(0, ALL))
masks = st_numpy.arrays(np.bool_, SHAPE)
held = st.integers(0, ALL)
edits = st.tuples(st.just("edit"), st.integers(0, VOXELS - 1), st.sampled_from(LABELS))
runs = st.tuples(st.just("run"), labelmaps)
saves = st.tuples(st.just("save and load"))


def reloaded(last: LastWritten, shape: tuple[int, ...] = SHAPE) -> LastWritten:
    """The record after it went through its text, segment by segment."""
    texts = {segment.label: last.text(segment.label) for segment in SEGMENTS if last.known & bit(segment.label)}
    return LastWritten.of_texts(texts, shape)


@given(st.lists(st.one_of(edits, edits, runs, saves), max_size=25))
def test_the_readers_voxels_survive_any_sequence_of_runs_and_edits(steps: list[tuple]) -> None:
    current, last = np.zeros(SHAPE, np.uint8), LastWritten.nothing(SHAPE)
    network, drawn = np.zeros(VOXELS, np.uint8), {}  # what the network says now; what the reader wants, by voxel
    settled: dict[int, int] = {}  # by voxel, bits of the segments in which the network came to agree with the reader
    for step in steps:
        if step[0] == "edit":
            _, voxel, label = step
            undone = label == network[voxel] and drawn.get(voxel, label) != label and not settled.get(voxel)
            current.flat[voxel] = bit(label) if label else 0
            if undone:
                del drawn[voxel]
            elif voxel in drawn or label != network[voxel]:
                drawn[voxel] = label
        elif step[0] == "run":
            now, says = to_bits(step[1]).ravel(), to_bits(network)
            for voxel, label in drawn.items():
                wants = bit(label) if label else 0
                decided = (wants ^ int(says[voxel])) | settled.get(voxel, 0)
                settled[voxel] = decided & ~(wants ^ int(now[voxel]))
            merged = merge(current, last, step[1])
            current, last, network = merged.bits.copy(), merged.last, step[1].ravel()
            assert merged.kept_voxels == len(drawn)
        else:
            last = reloaded(last)
        wanted = network.copy()
        wanted[list(drawn)] = list(drawn.values())
        assert to_labels(current).ravel().tolist() == wanted.tolist()


@pytest.mark.parametrize("known", [ALL, ALL & ~bit(Label.LEFT_LUNG)])
def test_a_joined_result_says_which_segments_a_reader_edited_and_how_much_of_them_was_kept(known: int) -> None:
    """A segment without a record counts as edited: nobody can tell."""
    network = np.zeros(SHAPE, np.uint8)
    network[0] = Label.RIGHT_LUNG
    corrected = to_bits(network)
    corrected[0, 0] = bit(Label.RIGHT_LUNG) | bit(Label.INFECTION)  # four voxels
    drawn = LastWritten.by_network(network)
    made = Provenance("network", "ab" * 32, "onnx", "cpu", "CovidSeg 1.0", warnings=("one",), volume="ct/ab")
    new = Segmentation(network, np.diag((-1.0, -2.0, 3.0, 1.0)), made)
    drawn = LastWritten(drawn.drawn, drawn.agreed, known)
    _, result = ReviewedSegments(corrected, drawn, sources=(None, "ct/cd")).join(new)
    assert result.provenance.edited == (("LeftLung",) if known != ALL else ()) + ("Covid19Infection",)
    assert result.provenance.kept_ml == pytest.approx(4 * 0.006)
    assert result.provenance.warnings[0] == "one"
    assert "from another scan" in result.provenance.warnings[1]
    assert np.count_nonzero(result.labels == Label.INFECTION) == 4


@given(labelmaps, labelmaps)
def test_without_edits_a_second_run_equals_a_first_one(first: np.ndarray, second: np.ndarray) -> None:
    once = merge(np.zeros(SHAPE, np.uint8), LastWritten.nothing(SHAPE), first)
    again = merge(once.bits, reloaded(once.last), second)
    alone = merge(np.zeros(SHAPE, np.uint8), LastWritten.nothing(SHAPE), second)
    np.testing.assert_array_equal(again.bits, alone.bits)
    np.testing.assert_array_equal(again.last.drawn, alone.last.drawn)
    assert not again.last.agreed.any()
    assert again.kept_voxels == 0


@given(labelmaps, labelmaps, labelmaps, masks)
def test_an_edit_that_is_undone_leaves_no_trace(
    first: np.ndarray, second: np.ndarray, edit: np.ndarray, where: np.ndarray
) -> None:
    """Undone by hand, also after a run that kept it: what was drawn back to the network's own word is the network's."""
    once = merge(np.zeros(SHAPE, np.uint8), LastWritten.nothing(SHAPE), first)
    edited = np.where(where, to_bits(edit), once.bits)
    again = merge(edited, reloaded(once.last), second)
    changed = reader_voxels(edited, once.last)
    assert again.kept_voxels == np.count_nonzero(changed)
    # Where the network came to agree with the edit, in any segment, there is no other word to go back to.
    agreed = (edited ^ once.bits) & ~(to_bits(second) ^ edited) != 0
    back = np.where(agreed, again.bits, to_bits(second))
    undone = merge(back, reloaded(again.last), first)
    np.testing.assert_array_equal(undone.bits[~agreed], to_bits(first)[~agreed])
    assert undone.kept_voxels == np.count_nonzero(agreed)
    if not agreed.any():
        untouched = merge(to_bits(second), LastWritten.by_network(second), first)
        texts = [[merged.last.text(label) for label in LABELS[1:]] for merged in (undone, untouched)]
        assert texts[0] == texts[1]


@given(bitmaps, labelmaps, labelmaps, held)
def test_a_segment_that_is_held_does_not_change(
    current: np.ndarray, first: np.ndarray, second: np.ndarray, held: int
) -> None:
    last = LastWritten.by_network(first)
    merged = merge(current, last, second, held)
    np.testing.assert_array_equal(merged.bits & held, current & held)
    np.testing.assert_array_equal(merged.last.drawn & held, last.drawn & held)
    # What is drawn anew does not run into a held segment, but for infection over lung.
    grown = merged.bits & ~current & ~np.uint8(held)
    assert not (grown[current & held != 0] & ~np.uint8(bit(Label.INFECTION))).any()
    readers = reader_voxels(current, last)
    if not held & bit(Label.INFECTION):
        np.testing.assert_array_equal(
            merged.bits[~readers] & bit(Label.INFECTION) != 0, second[~readers] == Label.INFECTION
        )


@given(labelmaps, labelmaps, labelmaps, held)
def test_holding_a_segment_makes_no_edits(first: np.ndarray, second: np.ndarray, third: np.ndarray, held: int) -> None:
    once = merge(np.zeros(SHAPE, np.uint8), LastWritten.nothing(SHAPE), first)
    twice = merge(once.bits, once.last, second, held)
    assert twice.kept_voxels == 0
    # When the segment is released, the next run is as if nobody had been there.
    np.testing.assert_array_equal(merge(twice.bits, twice.last, third).bits, to_bits(third))


@given(bitmaps, labelmaps, labelmaps, st.sampled_from(LABELS[1:]))
def test_where_the_record_is_lost_everything_is_the_readers(
    current: np.ndarray, first: np.ndarray, second: np.ndarray, lost: int
) -> None:
    texts = {label: LastWritten.by_network(first).text(label) for label in LABELS[1:]}
    last = LastWritten.of_texts({**texts, lost: None}, SHAPE)
    assert not last.known & bit(lost)
    merged = merge(current, last, second)
    np.testing.assert_array_equal(merged.bits & bit(lost), current & bit(lost))
    assert ReviewedSegments(current, last).edited_percent(lost) is None


@given(bitmaps, labelmaps, st.sets(st.sampled_from(LABELS[1:])))
def test_a_segment_that_is_gone_has_no_lost_record(current: np.ndarray, first: np.ndarray, gone: set[int]) -> None:
    """Nothing was drawn into it as far as is known, so that it is edited only where the reader has drawn it again."""
    whole = LastWritten.by_network(first)
    last = LastWritten.of_texts({label: whole.text(label) for label in LABELS[1:] if label not in gone}, SHAPE)
    assert last.known == ALL
    there = ALL & ~sum(bit(label) for label in gone)
    np.testing.assert_array_equal(last.decided(current) & there, (current ^ to_bits(first)) & there)
    np.testing.assert_array_equal(last.decided(current) & ~np.uint8(there), current & ~np.uint8(there))
    planes = [last.plane(k).decided(plane) for k, plane in enumerate(current)]
    np.testing.assert_array_equal(planes, last.decided(current))
    assert ReviewedSegments(current, last).count_edits()[1] == np.bitwise_or.reduce(last.decided(current), axis=None)


@given(bitmaps, labelmaps, labelmaps)
def test_infection_that_a_held_segment_does_not_take_is_lung(
    current: np.ndarray, first: np.ndarray, second: np.ndarray
) -> None:
    """Completed, or taken out: the lungs get no holes, and what the reader drew is as safe as ever."""
    last = LastWritten.by_network(first)
    merged = merge(current, last, second, bit(Label.INFECTION))
    free = ~reader_voxels(current, last) & (current & bit(Label.INFECTION) == 0)
    if np.isin(second, (Label.LEFT_LUNG, Label.RIGHT_LUNG)).any():
        np.testing.assert_array_equal(merged.bits[free] != 0, second[free] != 0)
    healthy = free & (second != Label.INFECTION)
    np.testing.assert_array_equal(merged.bits[healthy], to_bits(second)[healthy])


def test_lung_in_the_place_of_infection_is_of_its_own_side() -> None:
    """Also where the other lung is nearer, as beside a lung of which only the top is healthy; and on large grids."""
    second = np.zeros((30, 40, 200), np.uint8)
    second[2:28, 5:35, 20:95] = Label.RIGHT_LUNG
    second[2:28, 5:35, 105:180] = Label.LEFT_LUNG
    healthy = second.copy()
    second[2:24, 5:35, 20:95] = Label.INFECTION
    second[8:12, 10:20, 120:140] = Label.INFECTION
    nothing = np.zeros(second.shape, np.uint8)
    merged = merge(nothing, LastWritten.nothing(second.shape), second, bit(Label.INFECTION))
    np.testing.assert_array_equal(to_labels(merged.bits), healthy)
    # A lung that is held too gets nothing.
    held = bit(Label.INFECTION) | bit(Label.RIGHT_LUNG)
    merged = merge(nothing, LastWritten.nothing(second.shape), second, held)
    np.testing.assert_array_equal(to_labels(merged.bits), np.where(healthy == Label.LEFT_LUNG, healthy, 0))


@given(bitmaps, labelmaps, labelmaps)
def test_overlapping_segments_of_a_reader_stay_overlapping(
    current: np.ndarray, first: np.ndarray, second: np.ndarray
) -> None:
    last = LastWritten.by_network(first)
    merged = merge(current, last, second)
    readers = reader_voxels(current, last)
    np.testing.assert_array_equal(merged.bits[readers], current[readers])
    np.testing.assert_array_equal(merged.bits[~readers], to_bits(second)[~readers])
    np.testing.assert_array_equal(reader_voxels(merged.bits, merged.last), readers)


@pytest.mark.parametrize("lung_is", ["lost", "taken out", "whole"])
def test_no_infection_stays_the_readers_word_whatever_becomes_of_the_lung(lung_is: str) -> None:
    """The reader turned infection into lung, and a second network says background: that, too, is no infection."""
    first, second = (np.full(SHAPE, label, np.uint8) for label in (Label.INFECTION, Label.BACKGROUND))
    once = merge(np.zeros(SHAPE, np.uint8), LastWritten.nothing(SHAPE), first)
    again = merge(np.full(SHAPE, bit(Label.LEFT_LUNG), np.uint8), once.last, second)
    texts: dict[int, str | None] = {label: again.last.text(label) for label in LABELS[1:]}
    current = again.bits.copy()
    if lung_is == "lost":
        texts[Label.LEFT_LUNG] = None
    elif lung_is == "taken out":
        del texts[Label.LEFT_LUNG]
        current[:] = 0
    third = merge(current, LastWritten.of_texts(texts, SHAPE), first)
    np.testing.assert_array_equal(third.bits, current)
    assert third.edited & bit(Label.INFECTION)


@given(labelmaps, st.lists(labelmaps, max_size=4), bitmaps, st.sampled_from(LABELS[1:]))
def test_each_segment_is_decided_by_itself(
    first: np.ndarray, others: list[np.ndarray], edited: np.ndarray, lost: int
) -> None:
    """Whatever networks say in between, and though the record of another segment is lost: what the reader changed in a
    segment is as it was left."""
    last = LastWritten.by_network(first)
    decided = edited ^ to_bits(first)
    current = edited
    for new in others:
        merged = merge(current, reloaded(last), new)
        current, last = merged.bits, merged.last
    texts = {label: last.text(label) for label in LABELS[1:]}
    for new in (first, *others):
        merged = merge(current, LastWritten.of_texts({**texts, lost: None}, SHAPE), new)
        np.testing.assert_array_equal(merged.bits & decided, edited & decided)


@given(labelmaps, labelmaps, masks)
def test_what_the_reader_accepted_stays(first: np.ndarray, second: np.ndarray, where: np.ndarray) -> None:
    lesion = where & (first == Label.INFECTION)
    last = LastWritten.by_network(first).accepted(lesion, Label.INFECTION)
    merged = merge(to_bits(first), reloaded(last), second)
    assert merged.kept_voxels == np.count_nonzero(lesion)
    assert (to_labels(merged.bits)[lesion] == Label.INFECTION).all()
    assert ReviewedSegments(to_bits(first), last).edited_percent() == 0


@given(masks, masks)
def test_a_record_comes_back_from_its_text(drawn: np.ndarray, agreed: np.ndarray) -> None:
    text = encode(drawn, agreed)
    assert not set(text) & set("|: \n\\\"'<>&")
    back = decode(text, SHAPE)
    assert back is not None
    np.testing.assert_array_equal(back[0], drawn)
    np.testing.assert_array_equal(back[1], agreed)


@given(masks, st.data())
def test_an_altered_text_is_no_record(drawn: np.ndarray, data: st.DataObject) -> None:
    text = encode(drawn, ~drawn)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("0123456789abcdefABCDEF+/=;|ä "))
    for altered in (text[:place] + letter + text[place + 1 :], text[:place]):
        back = decode(altered, SHAPE)
        # The last letters hold spare bits and a checksum of zlib's own: without them the content may still be whole.
        assert back is None or (np.array_equal(back[0], drawn) and np.array_equal(back[1], ~drawn))
    assert decode(text[: len(text) // 2], SHAPE) is None


def test_a_record_with_the_voxels_of_another_is_none() -> None:
    one, other = (encode(np.full(SHAPE, value), np.zeros(SHAPE, bool)).split(";") for value in (True, False))
    assert decode(";".join([*one[:3], other[3]]), SHAPE) is None


def test_a_record_of_another_grid_is_none() -> None:
    text = encode(np.ones(SHAPE, bool), np.zeros(SHAPE, bool))
    assert decode(text, SHAPE[::-1]) is None
    assert decode("", SHAPE) is None
    assert decode("2" + text[1:], SHAPE) is None


def test_a_text_that_would_unpack_to_gigabytes_is_refused_before_it_does() -> None:
    bomb = base64.b64encode(zlib.compress(bytes(50_000_000))).decode()
    assert decode(f"1;2x3x4;{'0' * 64};{bomb}", SHAPE) is None


def test_the_record_of_a_large_scan_is_compact() -> None:
    z, y, x = np.ogrid[:60, :256, :256]
    ball = ((z - 30) / 25) ** 2 + ((y - 120) / 90) ** 2 + ((x - 120) / 60) ** 2 < 1
    assert len(encode(ball, np.zeros_like(ball))) < 20_000


@pytest.mark.parametrize(
    ("current", "percent"), [([3, 3, 0, 0], 0), ([3, 0, 0, 0], 50), ([3, 3, 3, 3], 50), ([0, 0, 3, 0], 100)]
)
def test_the_edited_share_counts_what_was_added_and_what_was_taken_away(current: list[int], percent: float) -> None:
    network = np.array([3, 3, 0, 0], np.uint8).reshape(1, 1, 4)
    bits = to_bits(np.array(current, np.uint8).reshape(1, 1, 4))
    assert ReviewedSegments(bits, LastWritten.by_network(network)).edited_percent() == percent


def test_nothing_drawn_by_anybody_is_nothing_edited() -> None:
    empty = np.zeros(SHAPE, np.uint8)
    assert ReviewedSegments(empty, LastWritten.by_network(empty)).edited_percent() == 0


@given(labelmaps)
def test_labels_and_bits_are_the_same_for_segments_that_do_not_overlap(labels: np.ndarray) -> None:
    np.testing.assert_array_equal(to_labels(to_bits(labels)), labels)
    pairs = [(label, labels == label) for label in LABELS[1:]]
    np.testing.assert_array_equal(joined(pairs, SHAPE), to_bits(labels))


def test_infection_counts_before_lung_where_they_overlap() -> None:
    assert to_labels(np.array([bit(1) | bit(3), bit(2) | bit(3), bit(1) | bit(2)], np.uint8)).tolist() == [3, 3, 2]
