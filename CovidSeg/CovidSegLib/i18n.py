"""Sentences that are written far below the panel, and said by it in the user's language.

Nothing here needs Slicer: :func:`tr` is imported as ``_``, as ``slicer.i18n.tr`` is in the panel, so that Slicer's own
tools find the literals. Its result is English, and an ordinary string, for everyone but the panel, which asks
:func:`translated` for the same sentence in another language.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import PurePath
from typing import Any

Json = str | list[Any]


class Text(str):
    """An English text that knows how it was made.

    ``context``: where Slicer's translations keep it (folder and file, as ``slicer.i18n`` names them); ``template``: the
    literal in the source; ``values``: what stands in the place of its ``{names}``, texts among them.
    """

    context: str
    template: str
    values: Mapping[str, str]

    def __new__(cls, context: str, template: str, values: Mapping[str, str] | None = None) -> Text:
        """``values`` None: a template that waits for :meth:`format`, and is a text by itself until then."""
        made = super().__new__(cls, template if values is None else template.format_map(values))
        made.context, made.template, made.values = context, template, values or {}
        return made

    def format(self, **values: object) -> Text:  # type: ignore[override]
        """The text with ``values`` in the place of its ``{names}``."""
        return Text(self.context, self.template, {name: _as_text(value) for name, value in values.items()})

    def __reduce__(self) -> tuple[Any, ...]:
        """So that copies and other processes keep what it knows."""
        return Text, (self.context, self.template, self.values or None)


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def tr(literal: str) -> Text:
    """``literal`` as a :class:`Text` of the file that calls this; a literal, so that Slicer's tools find it."""
    file = PurePath(sys._getframe(1).f_code.co_filename)
    return Text(f"{file.parent.name}.{file.stem}", literal)


def translated(text: str, translate: Callable[[str, str], str]) -> str:
    """``text`` in the user's language, when it is a :class:`Text`; anything else comes back as it is.

    ``translate``: from context and literal to the literal in that language (``slicer.i18n.translate``). A translation
    that lacks a value, or asks for another one, is not used.
    """
    if not isinstance(text, Text):
        return text
    said = translate(text.context, text.template)
    values = {name: translated(value, translate) for name, value in text.values.items()}
    if not values:
        return said
    if all(f"{{{name}}}" in said for name in values):
        with suppress(LookupError, ValueError, AttributeError, TypeError):
            return said.format_map(values)
    return text.template.format_map(values)


def one_line(text: str) -> str:
    """``text`` without line breaks; a :class:`Text` stays one."""
    return _unbroken(text) if isinstance(text, Text) else _unbroken(text).strip()


def _unbroken(text: str) -> str:
    """As :func:`one_line`; a blank at an end stays, since a value may begin with one (" (No space left)")."""
    if not isinstance(text, Text):
        return re.sub(r"\s+", " ", text)
    return text.format(**{name: _unbroken(value) for name, value in text.values.items()}) if text.values else text


def to_json(text: str) -> Json:
    """``text`` as plain data for another process."""
    if not isinstance(text, Text):
        return text
    return [text.context, text.template, {name: to_json(value) for name, value in text.values.items()}]


def from_json(data: Json) -> str:
    """The text that :func:`to_json` made ``data`` of."""
    if isinstance(data, str):
        return data
    context, template, values = data
    return Text(context, template, {name: from_json(value) for name, value in values.items()} or None)
