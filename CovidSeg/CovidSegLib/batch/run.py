"""The books of a batch: manifest and table after every case, the index now and then and at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..progress import Cancelled
from ..writing import file_state
from .index import write_index
from .manifest import BEGUN, DONE, FAILED, KEPT, Manifest
from .outcome import Failure, Outcome
from .plan import INDEX_NAME, SUMMARY_NAME, PlannedCase, changed_since, state_to_keep
from .summary import CHANGED_SINCE, Row, Summary

INDEX_SECONDS = 10.0
"""How old the index may grow while cases come in; at the end it is complete."""


class Books:
    """Keeps ``manifest``, summary.csv and index.html of ``folder`` for ``cases``; ``model``: see ``model_identity``."""

    def __init__(self, folder: Path, manifest: Manifest, cases: Sequence[PlannedCase], model: str) -> None:
        self._folder, self._manifest, self._cases, self._model = folder, manifest, cases, model
        self._summary = Summary(folder / SUMMARY_NAME)
        self._written = time.monotonic()

    def keep(self, finished: Iterable[PlannedCase]) -> None:
        """Take over the rows of cases that an earlier run has done. Raises OutputError."""
        stems = {case.stem for case in finished}
        for number, case in enumerate(self._cases):
            if case.stem in stems:
                entry = self._manifest.entries[case.stem]
                self._summary.put(number, _row(case, entry, self._manifest.record(case.stem)))
        self._summary.write()

    def add(self, outcome: Outcome) -> Row:
        """Enter one outcome; returns its row. Raises OutputError when the books cannot be written."""
        case, failure = self._cases[outcome.number], outcome.failure
        entry = self._kept(case, failure) or {
            "case": case.stem,
            "status": FAILED if failure else DONE,
            "message": failure.message if failure else "",
            "result": "" if failure else case.result.name,
            "state": "" if failure else state_to_keep(case),
            "written": "" if failure else file_state(case.result),
            "fingerprint": case.fingerprint,
            "origin": case.origin,
            "model": self._model,
            "record": outcome.record,
        }
        self._manifest.add(entry)
        row = _row(case, entry, entry["record"])
        self._summary.put(outcome.number, row)
        self._summary.write()
        if time.monotonic() - self._written > INDEX_SECONDS:
            with suppress(OutputError):  # the one at the end tells; until then there is work to do
                self.write_index()
        return row

    def _kept(self, case: PlannedCase, failure: Failure | None) -> dict[str, Any] | None:
        """The last entry that ``case`` has numbers in, where ``failure`` left its result in place; else None."""
        last = self._manifest.last_done(case.stem) if failure is not None and failure.refused else None
        if failure is None or last is None or not case.result.with_name(last["result"]).exists():
            return None
        state = self._manifest.entries[case.stem].get("states", {}).get(last["result"], "")
        return {**last, "status": KEPT, "message": failure.message, "state": state, "origin": case.origin}

    def write_index(self) -> None:
        """Write index.html. Raises OutputError."""
        write_index(self._folder / INDEX_NAME, self._summary.rows, len(self._cases))
        self._written = time.monotonic()

    def records(self) -> list[dict[str, Any]]:
        """What ``--json`` holds: of every case its name, status, message, and the record if it is done."""
        found = ((case, self._manifest.entries.get(case.stem)) for case in self._cases)
        return [self._told(case, entry) for case, entry in found if entry is not None and entry["status"] != BEGUN]

    def _told(self, case: PlannedCase, entry: dict[str, Any]) -> dict[str, Any]:
        record = self._manifest.record(case.stem)
        message = _row(case, entry, record).message
        return {"case": entry["case"], "status": entry["status"], "message": message} | (record or {})


def _row(case: PlannedCase, entry: Mapping[str, Any], record: Mapping[str, Any] | None) -> Row:
    """The row of ``entry``; it says so where the result is no more the one that the numbers are of."""
    row = Row.of_entry(entry, record)
    if record is None or not changed_since(case, entry):
        return row
    return replace(row, message=" ".join(filter(None, (row.message, CHANGED_SINCE))))


def keep_books(
    outcomes: Generator[Outcome | None, None, None],
    books: Books,
    ended: Callable[[Outcome, Row], None],
    passing: Callable[[], None] = lambda: None,
) -> None:
    """Enter all ``outcomes``; ``ended`` is told of each, ``passing`` is called while there is none.

    The index is complete at the end, however it comes. Raises Cancelled, and OutputError when the books cannot be kept.
    """
    try:
        for outcome in outcomes:
            if outcome is None:
                passing()
            else:
                ended(outcome, books.add(outcome))
    except (Cancelled, KeyboardInterrupt):
        for outcome in _last(outcomes):
            ended(outcome, books.add(outcome))
        raise
    finally:
        outcomes.close()
        books.write_index()


def _last(outcomes: Generator[Outcome | None, None, None]) -> Iterator[Outcome]:
    """Stop ``outcomes`` and hand out those that are there already."""
    with suppress(Cancelled, StopIteration):
        outcome = outcomes.throw(Cancelled())
        while True:
            if outcome is not None:
                yield outcome
            outcome = next(outcomes)
