"""Text on its way out of the program: to a terminal, a table, a page. What would act instead of being read is shown.

A file, a model's card or a case may be called anything: a terminal obeys escape sequences, a spreadsheet runs cells
that begin as a formula, and a mark of direction lets a name be read backwards.
"""

from __future__ import annotations

import re
import unicodedata

_ACTS = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Categories of Unicode: control, format (directions of writing among them), half of a pair, line, paragraph."""

_FORMULA = re.compile(r"""(^|[;\n])(?=[\s"']*[=+\-@\uff1d\uff0b\uff0d\uff20])""")
"""Where a spreadsheet would begin a formula: a European one parts cells at semicolons, also in a table with commas.

Excel takes the wide forms of the four signs for them."""


def visible(text: str, keep: str = "") -> str:
    r"""``text`` with control characters and marks of direction as escapes (``\x1b``, ``\u202e``), but for ``keep``.

    Bytes of a file name that are no UTF-8 are shown as Python keeps them (``\udce9``).
    """
    if text.isprintable():
        return text
    return "".join(one if one in keep or unicodedata.category(one) not in _ACTS else _escape(one) for one in text)


def table_cell(text: str) -> str:
    """``text`` as the cell of a CSV table: no formula in any spreadsheet. Line breaks stay, in quotes."""
    shown = visible(text, keep="\n")
    return f"'{shown}" if shown.startswith("'") else _FORMULA.sub(r"\1'", shown)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
