"""The books of a batch: manifest and table after every case, the index now and then and at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import ChangedMeanwhileError, OutputError
from ..report.result_record import ResultRecord
from ..system.file_states import kept_state
from ..system.own_table import OwnTable
from .entry import BEGUN, DONE, FAILED, KEPT, Entry
from .index import index_in
from .manifest import Manifest
from .other_folders import OtherCases, is_elsewhere, scan_elsewhere, told_of
from .outcome import Failure, Outcome
from .ownership import changed_since, state_to_keep
from .plan import INDEX_NAME, SUMMARY_NAME, PlannedCase
from .summary import ANOTHER_NETWORK, CHANGED_SINCE, SAME_SCAN, Row, Summary

INDEX_SECONDS = 10.0
"""How old the index may grow while cases come in; at the end it is complete."""


class Books:
    """Keeps ``manifest``, summary.csv and index.html of ``folder`` for ``cases``; ``model``: see ``model_identity``.

    ``begun``: the states of the two when the batch began. One that somebody saves meanwhile stays, and the scans go on:
    :meth:`check_tables` tells at the end. ``others``: cases of other calls, of which they tell as well.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        cases: Sequence[PlannedCase],
        model: str,
        begun: Mapping[Path, str],
        others: OtherCases = OtherCases(),  # noqa: B008 - frozen
    ) -> None:
        self._folder, self._manifest, self._cases, self._model = folder, manifest, cases, model
        self._others, self._refused, self._scans = others.listed, dict[str, Row](), dict[str, str]()
        names = sorted([*(case.stem for case in cases), *others.listed])
        self._places = {name: place for place, name in enumerate(names)}
        self._summary = Summary(folder / SUMMARY_NAME, begun.get(folder / SUMMARY_NAME, ""))
        self._index = OwnTable(folder / INDEX_NAME, begun.get(folder / INDEX_NAME, ""))
        self._changed: ChangedMeanwhileError | None = None
        self._written = time.monotonic()

    def keep(self, finished: Iterable[PlannedCase]) -> None:
        """Take over the rows of ``finished`` cases, and of those of other calls. Raises OutputError."""
        for name in self._others:
            entry, record = told_of(name, self._manifest)
            self._put(entry, record)
            if record is not None and record.scan_sha256:
                self._scans.setdefault(record.scan_sha256, name)
        for case in finished:
            self._put(self._manifest.entries[case.stem], self._manifest.record(case.stem))
        self._write_summary()

    def _put(self, entry: Entry, record: ResultRecord | None) -> Row:
        """Let the table tell of ``entry``; returns its row."""
        row = self._row(entry, record)
        self._summary.put(self._places[entry.case], row)
        return row

    def add(self, outcome: Outcome) -> Row:
        """Enter one outcome; returns its row. Raises OutputError when the books cannot be written."""
        case, failure = self._cases[outcome.number], outcome.failure
        if failure is not None and self._is_anothers(case, failure):
            return self._refuse(case.stem, failure)
        entry, record = self._kept(case, failure) or (self._ended(case, failure), outcome.record)
        self._manifest.add(entry, record)
        row = self._put(entry, record)
        self._write_summary()
        if time.monotonic() - self._written > INDEX_SECONDS:
            with suppress(OutputError):  # the one at the end tells; until then there is work to do
                self.write_index()
        return row

    def _is_anothers(self, case: PlannedCase, failure: Failure) -> bool:
        """Whether the result that stays after ``failure`` is, or may be, of a scan in another input folder."""
        return failure.other_scan or (not failure.refused and bool(scan_elsewhere(case, self._manifest)))

    def _refuse(self, name: str, failure: Failure) -> Row:
        """The row of a scan whose ``name`` another one has: in the manifest that one stays, with its numbers."""
        row = self._refused[name] = Row(name, FAILED, message=failure.message)
        self._summary.put(self._places[name], row)
        self._write_summary()
        return row

    def _ended(self, case: PlannedCase, failure: Failure | None) -> Entry:
        about: dict[str, Any] = {"input_state": case.input_state, "origin": case.origin, "model": self._model}
        if failure is not None:
            return Entry(case.stem, FAILED, failure.message, **about)
        state, written = state_to_keep(case), kept_state(case.result)
        return Entry(case.stem, DONE, result=case.result.name, state=state, written=written, **about)

    def _kept(self, case: PlannedCase, failure: Failure | None) -> tuple[Entry, ResultRecord] | None:
        """The last entry that ``case`` has numbers in, and they, where ``failure`` left its result in place."""
        found = self._manifest.last_done(case.stem) if failure is not None and failure.refused else None
        if failure is None or found is None or not case.result.with_name(found[0].result).exists():
            return None
        last, record = found
        state = self._manifest.entries[case.stem].states.get(last.result, "")
        origin = last.origin if is_elsewhere(case, last) else case.origin
        return replace(last, status=KEPT, message=failure.message, state=state, origin=origin), record

    def write_index(self) -> None:
        """Write index.html. Raises OutputError."""
        with self._no_end():
            self._index.write(index_in(self._folder, self._summary.rows, len(self._places), self._manifest.identity))
        self._written = time.monotonic()

    def _write_summary(self) -> None:
        with self._no_end():
            self._summary.write(self._manifest.identity)

    @contextmanager
    def _no_end(self) -> Iterator[None]:
        """Hours of work do not end because somebody saved a table."""
        try:
            yield
        except ChangedMeanwhileError as error:
            error.hint = "Move it away and run again: the scans are done, and the table is made anew."
            self._changed = self._changed or error

    def check_tables(self) -> None:
        """Raise ChangedMeanwhileError where somebody saved one of the two while the batch ran."""
        if self._changed is not None:
            raise self._changed

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of the table so far."""
        return self._summary.rows

    def records(self) -> list[dict[str, Any]]:
        """What ``--json`` holds: of every case its name, status, message, and the record if it is done."""
        others = [told_of(name, self._manifest) for name in self._others]
        known = [case.stem for case in self._cases if case.stem in self._manifest.entries]
        ended = [(self._manifest.entries[name], self._manifest.record(name)) for name in known]
        told = sorted([*others, *ended], key=lambda one: self._places[one[0].case])
        return [self._told(entry, record) for entry, record in told if entry.status != BEGUN]

    def _told(self, entry: Entry, record: ResultRecord | None) -> dict[str, Any]:
        refused = self._refused.get(entry.case)
        if refused is not None:
            return {"case": entry.case, "status": refused.status, "message": refused.message}
        message = self._row(entry, record).message
        numbers = {} if record is None else record.to_json()
        return {"case": entry.case, "status": entry.status, "message": message} | numbers

    def _row(self, entry: Entry, record: ResultRecord | None) -> Row:
        """The row of ``entry``; it says so where its numbers are not of what is there, or not of this network.

        So it does where it is of a scan that another call knew under another name.
        """
        row = Row.of_entry(entry, record)
        if record is None:
            return row
        said = [ANOTHER_NETWORK] if entry.model not in ("", self._model) else []
        said += [CHANGED_SINCE] if changed_since(self._folder, entry) else []
        first = self._scans.get(record.scan_sha256 or "", entry.case)
        said += [SAME_SCAN.format(case=first)] if first != entry.case else []
        return replace(row, message=" ".join(filter(None, (row.message, *said))))
