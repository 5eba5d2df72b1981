"""``manifest.jsonl``: what a batch has done, a line a case, safe against a kill or a power cut at any moment.

A line is written and forced to disk only after the case's files are in place, so what the manifest calls done is done.
A line that a kill cut off is taken away again. While a batch runs it holds a lock on the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

from ..errors import InputError, OutputError
from ..report.result_record import ResultRecord
from ..system.checksums import OF_NOTHING, identity_of
from ..system.file_states import refuse_special
from ..system.locks import try_lock
from ..system.unfinished import remove_leftovers
from .entry import Entry

_HEADER = {"covidseg_manifest": 1}


def not_ours() -> OutputError:
    """What is raised where a line is none that a batch wrote."""
    return OutputError(
        "The output folder holds a manifest.jsonl that is not one of ours.", "Move it away, or choose another folder."
    )


def is_manifest(path: Path) -> bool:
    """Whether the file is the manifest of a batch, and not another program's of that name."""
    # A pipe would block whoever opens it; Path raises where a folder may be listed and not entered.
    if not os.path.isfile(path):
        return False
    try:
        with path.open(encoding="utf-8") as file:
            return bool(json.loads(file.readline()) == _HEADER)
    except (OSError, ValueError):
        return False


class Manifest:
    """The manifest at ``path``, opened for adding; :attr:`entries` holds the latest line of every case by its name.

    The records of the cases stay on disk (:meth:`record`): ten kilobytes each would be most of what a batch of
    thousands holds in memory. Entering the context opens and locks it; raises OutputError when another batch is at work
    there, or the file is not one of ours.

    ``identity``: tells the batch from others once it has a line: it is of the first one, which never changes.
    """

    def __init__(self, path: Path) -> None:
        self.identity = OF_NOTHING
        self._path = path
        self._file: IO[bytes] | None = None
        self._places: dict[str, int] = {}
        self._with_record: dict[str, int] = {}
        self.entries: dict[str, Entry] = {}

    def __enter__(self) -> Manifest:
        refuse_special(self._path)
        try:
            self._file = self._path.open("a+b")
        except OSError as error:
            raise OutputError("The batch's manifest cannot be opened.", "Check the output folder.") from error
        try:
            if not try_lock(self._file):
                raise OutputError(
                    "Another batch is at work in this output folder.", "Wait for its end, or choose another folder."
                )
            self._read()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, entry: Entry, record: ResultRecord | None = None) -> None:
        """Add the line of ``entry`` with its ``record`` and force it to disk. Raises OutputError."""
        (place,) = self._write(entry.as_line(record))
        self._enter(entry, place, record is not None)

    def begin(self, entries: Iterable[Entry]) -> None:
        """Note the results that the batch is about to make, so that it knows them again when it is killed.

        ``entries``: see :func:`CovidSegLib.batch.ownership.begun`. Raises OutputError.
        """
        entries = list(entries)
        for entry, place in zip(entries, self._write(*(entry.as_line() for entry in entries)), strict=True):
            self._enter(entry, place, False)

    def record(self, case: str) -> ResultRecord | None:
        """The record of ``case``'s latest line, from the disk; None where it has none. Raises OutputError."""
        return _record(self._line(self._places[case]))

    def last_done(self, case: str) -> tuple[Entry, ResultRecord] | None:
        """The latest entry of ``case`` with a record, and that, from the disk; None for none. Raises OutputError."""
        if case not in self._with_record:
            return None
        line = self._line(self._with_record[case])
        record = _record(line)
        return None if record is None else (Entry.of_line(line), record)

    def _line(self, place: int) -> dict[str, Any]:
        assert self._file is not None
        try:
            self._file.seek(place)
            return json.loads(self._file.readline())
        except (OSError, ValueError) as error:
            raise OutputError("The batch's manifest cannot be read.", "Do not change it while a batch runs.") from error

    def _enter(self, entry: Entry, place: int, has_record: bool) -> None:
        self.entries[entry.case] = entry.after(self.entries.get(entry.case))
        self._places[entry.case] = place
        if has_record:
            self._with_record[entry.case] = place

    def _read(self) -> None:
        assert self._file is not None
        whole = 0
        self._file.seek(0)
        try:
            for text in self._file:
                if not text.endswith(b"\n"):
                    break
                line = json.loads(text, parse_constant=_finite, parse_float=_finite)
                if whole:
                    self._name(text)
                    self._enter(Entry.of_line(line), whole, line.get("record") is not None)
                elif line != _HEADER:
                    raise ValueError("no header")
                whole += len(text)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise not_ours() from error
        if whole < self._file.seek(0, os.SEEK_END):
            self._file.truncate(whole)
        if not whole:
            self._write(_HEADER)

    def _name(self, line: bytes) -> None:
        """Let ``line``, which is not the header, name the batch if it is the first."""
        if self.identity == OF_NOTHING:
            self.identity = identity_of([hashlib.sha256(line).hexdigest()])

    def _write(self, *lines: dict[str, Any]) -> list[int]:
        """Write ``lines``; returns where each of them begins, in bytes."""
        assert self._file is not None
        # File names may hold bytes that are no UTF-8.
        texts = [
            (json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", errors="surrogatepass")
            for line in lines
        ]
        try:
            end = self._file.seek(0, os.SEEK_END)
            self._file.write(b"".join(texts))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError("The batch's manifest cannot be written.", "Is there space left on the disk?") from error
        for line, text in zip(lines, texts, strict=True):
            if line is not _HEADER:
                self._name(text)
        return list(accumulate(map(len, texts), initial=end))[:-1]


def _record(line: Mapping[str, Any]) -> ResultRecord | None:
    """The record in a line, None where there is none. Raises OutputError for one of another form."""
    if line.get("record") is None:
        return None
    try:
        return ResultRecord.from_json(line["record"])
    except InputError as error:
        raise not_ours() from error


def _finite(text: str) -> float:
    """A number of a line; ValueError for one that JSON cannot tell again."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def clear_up(folder: Path, *, own: bool = False) -> None:
    """Remove what processes that are gone left in ``folder`` and in the one for pictures in it.

    ``own``: see :func:`CovidSegLib.system.unfinished.remove_leftovers`; for the holder of the manifest's lock alone.
    """
    for place in (folder, *(entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink())):
        remove_leftovers(place, own=own)
