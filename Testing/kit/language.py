"""A made-up language, «in brackets», for all texts that Slicer's tools find in the module, and for nothing else.

What the panel shows without brackets was never translated.
"""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import PySide6
from PySide6 import QtCore

MODULE = Path(__file__).resolve().parents[2] / "CovidSeg"
_CALL = re.compile(r"""(?<!\w)_\((?=\s*["'])""")


@cache
def extracted() -> frozenset[tuple[str, str]]:
    """Context and text of all that Qt's lupdate finds, called as Slicer's ``update_translations.py`` calls it.

    There, too, ``_("text")`` becomes ``translate("context", "text")`` first.
    """
    files = sorted([*MODULE.rglob("*.py"), *MODULE.rglob("*.ui")])
    with TemporaryDirectory() as folder:
        for file in files:
            copy = Path(folder) / file.relative_to(MODULE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            source = file.read_text(encoding="utf-8")
            if file.suffix == ".py":
                source = _CALL.sub(f'translate("{context_of(file)}", ', source)
            copy.write_text(source, encoding="utf-8")
        names = [str(file.relative_to(MODULE)) for file in files]
        lupdate = Path(PySide6.__file__).parent / "lupdate"
        command = [str(lupdate), *names, "-ts", "found.ts"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        assert done.stderr == "", done.stderr
        root = ET.parse(Path(folder) / "found.ts").getroot()
    return frozenset(
        (context.findtext("name"), message.findtext("source"))
        for context in root.iter("context")
        for message in context.iter("message")
    )


def context_of(file: Path) -> str:
    """How ``slicer.i18n`` calls the context of a source file."""
    return f"{file.parent.name}.{file.stem}" if (file.parent / "__init__.py").is_file() else file.stem


class Bracketed(QtCore.QTranslator):
    """Says «text» for every text that was extracted."""

    def translate(self, context: str, text: str, disambiguation: str | None = None, n: int = -1) -> str | None:
        """What Qt asks for."""
        return f"«{text}»" if (context, text) in extracted() else None


@contextmanager
def bracketed() -> Iterator[None]:
    """Let Qt speak it."""
    translator = Bracketed()
    QtCore.QCoreApplication.installTranslator(translator)
    try:
        yield
    finally:
        QtCore.QCoreApplication.removeTranslator(translator)


def outside_of_brackets(text: str) -> str:
    """What of ``text`` was not translated."""
    while (inner := re.sub("«[^«»]*»", "", text)) != text:
        text = inner
    return text
