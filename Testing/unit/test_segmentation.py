"""Which segments of a file or a scene are ours: told by ids, and by codes where no id is one of ours."""

from __future__ import annotations

import pytest

from CovidSegLib.segmentation import SEGMENTS, Label, our_ids

LEFT, RIGHT, INFECTION = (segment.terminology for segment in SEGMENTS)
ALL_THREE = (("a", INFECTION), ("b", RIGHT), ("c", LEFT))


def test_ids_count_before_codes() -> None:
    copies = (("backup", INFECTION), ("LeftLung", ""), ("c", LEFT))
    assert our_ids(copies) == {Label.LEFT_LUNG: "LeftLung"}


def test_codes_tell_all_three_whatever_list_they_were_chosen_from() -> None:
    assert our_ids(ALL_THREE) == {Label.LEFT_LUNG: "c", Label.RIGHT_LUNG: "b", Label.INFECTION: "a"}
    others = tuple((name, entry.replace("CovidSeg~", "Another list~")) for name, entry in ALL_THREE)
    assert our_ids((*others, ("d", "~~"), ("e", ""))) == our_ids(ALL_THREE)


@pytest.mark.parametrize("segments", [ALL_THREE[1:], (*ALL_THREE, ("d", INFECTION)), (("a", "Lung"),), ()])
def test_codes_tell_nothing_where_one_is_missing_or_there_twice(segments: tuple[tuple[str, str], ...]) -> None:
    assert our_ids(segments) == {}
