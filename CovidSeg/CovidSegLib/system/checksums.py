"""What a file of ours tells of itself: that it is still as it was written, and of which scans it is.

Somebody may have added a note, a column or a key to a table, a record or a page. A checksum of the whole file stands in
the file itself, where each form has room: it goes along when the file is moved, and a program that saves the file anew
in another way (Excel does) no longer fits it. It guards against loss, not against forgery.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from gzip import GzipFile
from itertools import chain
from pathlib import Path
from typing import IO

from ..errors import OutputError, about
from ..i18n import tr as _

KEY = "checksum"
"""What it is called: the key in JSON, the name in a page's head, the last column of a table."""

OF_NOTHING = "0" * 16
"""The identity of what is of no scan, and of a batch that has done nothing yet."""

_MARK = re.compile(rb"covidseg:([0-9a-f]{16}):([0-9a-f]{32})")
_EMPTY = b"0" * 32
_WHAT_TO_DO = _(
    "Rename it, or choose another name. --overwrite (in Python overwrite=True) replaces it, and every other output as "
    "well."
)
_CHUNK_BYTES = 1 << 20


def identity_of(parts: Iterable[str]) -> str:
    """16 hexadecimal digits for the scans (each by the SHA-256 of its voxels) that a file is of, in any order."""
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[: len(OF_NOTHING)]


def mark_of(identity: str) -> str:
    """What must stand once in a file of the scans of ``identity``: :func:`completed` writes the checksum into it."""
    return f"covidseg:{identity}:{_EMPTY.decode()}"


def completed(text: str) -> str:
    """``text`` with the checksum in its :func:`mark_of`. It is of the bytes in UTF-8, as ``OutputSet`` writes them."""
    return complete_bytes(text.encode("utf-8", errors="backslashreplace")).decode("utf-8")


def table_text(header: Sequence[str], rows: Iterable[Sequence[str]], identity: str) -> str:
    """A table as CSV with a checksum, in the first row of a last column; in its header where there is no row yet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    waiting = [[*row, ""] for row in rows]
    if waiting:
        waiting[0][-1] = mark_of(identity)
    writer.writerow([*header, KEY if waiting else mark_of(identity)])
    writer.writerows(waiting)
    return completed(text.getvalue())


def complete_bytes(head: bytes, rest: Iterable[bytes | memoryview] = ()) -> bytes:
    """``head`` with the checksum of it and of ``rest``, which follows it in the file; its mark stands in ``head``."""
    found = _only_mark(head)
    if found is None:
        return head  # whoever looks finds none, and asks
    start, end = found.span(2)
    return head[:start] + _digest(head[:start] + _EMPTY + head[end:], rest) + head[end:]


def identity_in(head: bytes, rest: Iterable[bytes] = ()) -> str | None:
    """The identity in the mark of ``head``; None where the file is not as it was written. "" where there is no mark."""
    found = _only_mark(head)
    if found is None:
        return None if _MARK.search(head) else ""
    start, end = found.span(2)
    if found[2] != _digest(head[:start] + _EMPTY + head[end:], rest):
        return None
    return found[1].decode()


def chunks(file: IO[bytes] | GzipFile) -> Iterator[bytes]:
    """What is left to be read of ``file``."""
    return iter(partial(file.read, _CHUNK_BYTES), b"")


def check_scan(files: Iterable[Path], *scans: str) -> None:
    """As :func:`refuse_changed` for each of ``files``, to be of ``scans`` (SHA-256 of their voxels; none: any)."""
    for file in files:
        with about(file):
            refuse_changed(file, [identity_of(scans)] if scans else None)


def refuse_changed(path: Path, identities: Collection[str] | None = None) -> None:
    """Raise OutputError where the file at ``path`` is not byte for byte as CovidSeg wrote it.

    Also where it is of no scans of ``identities``, if these are given. What is not there, or empty, may be replaced.
    """
    if not path.is_file():
        return
    try:
        content = path.read_bytes()
    except OSError as error:
        raise changed(path) from error
    if content:
        refuse_unless(identity_in(content), path, identities)


def refuse_unless(found: str | None, path: Path, identities: Collection[str] | None = None) -> None:
    """Raise OutputError unless ``found``, the :func:`identity_in` the file at ``path``, is among ``identities``."""
    if found is None:
        raise changed(path)
    if not found:
        raise OutputError(
            _(
                "The {ending} file exists and has no checksum of CovidSeg's: somebody may have changed it since an "
                "earlier version wrote it."
            ).format(ending=_ending(path)),
            _WHAT_TO_DO,
        )
    if identities is not None and found not in identities:
        raise OutputError(
            _("The {ending} file exists and is of another scan, or of a batch whose manifest is not here.").format(
                ending=_ending(path)
            ),
            _WHAT_TO_DO,
        )


def changed(path: Path) -> OutputError:
    """The error that says so of ``path``."""
    return OutputError(
        _("The {ending} file exists and was changed since CovidSeg wrote it.").format(ending=_ending(path)),
        _WHAT_TO_DO,
    )


def _ending(path: Path) -> str:
    packed = path.suffix.lower() == ".gz"
    return "".join(path.suffixes[-2:]) if packed else path.suffix or _("output")


def _only_mark(content: bytes) -> re.Match[bytes] | None:
    """The mark; None where there is none, or what somebody typed looks like a second one."""
    found = list(_MARK.finditer(content))
    return found[0] if len(found) == 1 else None


def _digest(head: bytes, rest: Iterable[bytes | memoryview]) -> bytes:
    digest = hashlib.sha256()
    for part in chain[bytes | memoryview]([head], rest):
        digest.update(part)
    return digest.hexdigest()[: len(_EMPTY)].encode()
