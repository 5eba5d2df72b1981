"""Sentences from below the panel: English for everyone, and still translatable where the panel shows them."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.i18n import Text, from_json, one_line, to_json, translated
from CovidSegLib.i18n import tr as _
from CovidSegLib.progress import Progress


def in_capitals(context: str, literal: str) -> str:
    """A language in which everything is loud, in this file's context alone."""
    words = literal.split("{")
    loud = [
        words[0].upper(),
        *(f"{name}}}{rest.upper()}" for name, _end, rest in (w.partition("}") for w in words[1:])),
    ]
    return "{".join(loud) if context == "unit.test_i18n" else literal


def made() -> Text:
    return _("The {side} lung is cut: {advice}").format(side=_("left"), advice="x {y} %s")


def test_a_text_is_an_english_string_for_everyone() -> None:
    assert made() == "The left lung is cut: x {y} %s"
    assert json.dumps([made()]) == '["The left lung is cut: x {y} %s"]'
    assert f"{_('Ready.')}" == "Ready."


def test_the_panel_says_it_in_another_language_with_the_values_in_it() -> None:
    assert translated(made(), in_capitals) == "THE LEFT LUNG IS CUT: x {y} %s"
    assert translated(_("Braces {} in a plain text"), in_capitals) == "BRACES {} IN A PLAIN TEXT"
    assert translated("of a library", in_capitals) == "of a library"


@pytest.mark.parametrize(
    "wrong",
    [
        "LA LUNG",
        "{seite} {advice}",
        "{side} {advice} {more}",
        "{side} {advice} {",
        "{side} {advice} {side.x}",
        "{side} {advice} {side[x]}",
    ],
)
def test_a_translation_with_other_values_is_not_used(wrong: str) -> None:
    assert translated(made(), lambda _context, _literal: wrong).startswith("The ")


@pytest.mark.parametrize(
    "through",
    [
        copy.deepcopy,
        lambda text: pickle.loads(pickle.dumps(text)),
        lambda text: from_json(json.loads(json.dumps(to_json(text)))),
    ],
    ids=["a copy", "a pickle", "another process"],
)
def test_it_stays_translatable_through(through: object) -> None:
    for text in (made(), _("Ready.")):
        assert through(text) == text
        assert translated(through(text), in_capitals) == translated(text, in_capitals)
    assert to_json("plain") == "plain"


def test_errors_and_notices_are_one_line_and_keep_it() -> None:
    error = InputError(_("It failed:{reason}").format(reason=" two\n lines"), _("Try again."))
    assert str(error) == "It failed: two lines Try again."
    assert translated(error.sentence, in_capitals) == "IT FAILED: two lines"
    heard = []
    Progress(heard.append).notice("network", made())
    assert translated(heard[0].notice, in_capitals) == translated(made(), in_capitals)
    assert one_line("a\n b") == "a b"
