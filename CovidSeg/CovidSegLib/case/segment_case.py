"""One scan, from its file to the files of its result."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ChangedMeanwhileError
from ..measures.edits import reader_edits
from ..progress import Progress
from ..reading import inspect, read_ct
from ..report.request import ReportRequest
from ..report.result_record import ResultRecord, json_text
from ..report.thumbnails import thumbnail
from ..segfiles import NOTHING_LOST, ExistingFiles, is_seg_nrrd
from ..system.atomic_files import OutputSet
from ..system.checksums import identity_of
from .outputs import CaseOutputs

if TYPE_CHECKING:
    from ..worker.jobs import SegmentFunction


@dataclass(frozen=True)
class SegmentCase:
    """A job (:mod:`worker.jobs`): one scan is segmented, and all its outputs appear, or none.

    ``source``: the scan; ``outputs``: masks; ``json_file``: numbers; ``picture``: where a small picture (JPEG) goes;
    ``files``: those of the study that is meant, where the folder ``source`` holds several. ``existing``: what may be
    done with outputs that are there already, and in which state they were when the run began (:meth:`begun`);
    corrections that were kept are in all outputs and in the numbers.
    ``report``: reports to write as well.
    """

    source: Path
    outputs: tuple[Path, ...]
    json_file: Path | None = None
    picture: Path | None = None
    files: tuple[Path, ...] = ()
    existing: ExistingFiles = NOTHING_LOST
    report: ReportRequest = ReportRequest()  # noqa: RUF009 - frozen

    @property
    def sources(self) -> Sequence[Path]:
        """What is read."""
        return (self.source, *(output for output in self.outputs if output.is_file()))

    @property
    def folders(self) -> Sequence[Path]:
        """Where files are written."""
        return tuple({file.resolve().parent for file in self.targets})

    @property
    def targets(self) -> tuple[Path, ...]:
        """Every file that is written."""
        return (*self.outputs, *self._further)

    @property
    def _further(self) -> tuple[Path, ...]:
        return (*self.report.targets, *filter(None, (self.json_file, self.picture)))

    def begun(self) -> SegmentCase:
        """The same for a run that begins now: what it may replace is what is there now."""
        return replace(self, existing=self.existing.beginning(self.targets))

    def taken(self, answer: Any) -> ResultRecord:
        """The record of the result."""
        return ResultRecord.from_json(answer)

    @contextmanager
    def _advice(self) -> Iterator[None]:
        """Where somebody saved a file meanwhile whose corrections can be kept, the hint says how."""
        try:
            yield
        except ChangedMeanwhileError as error:
            if error.subject in [str(output) for output in self.outputs if is_seg_nrrd(output)]:
                error.hint = "Run again with --keep-edits to bring it up to date, or choose another name."
            raise

    def run(self, segment: SegmentFunction, progress: Progress) -> ResultRecord:
        """Read the scan, segment it and write all files. Returns the record that the JSON file holds.

        It names neither patient nor file. Warnings are also passed to ``progress``. Raises InputError, ModelError,
        EngineError, OutputError or Cancelled; then none of the files is there, and one that was there is as it was.
        """
        began = time.perf_counter()
        progress.step("reading", 0, 1)
        volume = read_ct(self.source, progress, self.files)
        source_words, notes, scan = volume.source, volume.notes, volume.fingerprint
        for note in notes:
            progress.notice("reading", note)
        read = time.perf_counter()
        with self._advice():
            plan = CaseOutputs.prepare(
                self.source, self.files, volume, self.outputs, self.existing, progress, self._further
            )
        prepared = time.perf_counter()
        findings = inspect(volume)
        checked = time.perf_counter()
        network = segment(volume, progress, findings)
        segmented = time.perf_counter()
        progress.step("measures", 0, 1)
        segmentation, found = plan.joined(network)
        verdict = findings.verdict
        measured = self.report.measure(self.source, volume, segmentation, self.files, verdict=verdict, found=found)
        del found  # numbers of lesions, four bytes each
        drawn = thumbnail(volume, segmentation) if self.picture is not None else b""
        edits = reader_edits(segmentation.labels, network.labels, network.grid.voxel_ml) if self.report.files else ()
        del network
        counted = time.perf_counter()
        with self._advice(), OutputSet(plan.states) as files_to_be:
            if self.report.targets:
                self.report.write(volume, segmentation, measured, edits, files_to_be, progress)
            del volume  # a large scan need not stay in memory while the result is packed
            for number, output in enumerate(self.outputs):
                progress.step("writing", number, len(self.outputs))
                plan.write(segmentation, output, files_to_be.add(output))
            if self.picture is not None:
                files_to_be.add_bytes(drawn, self.picture)
            now = time.perf_counter()
            seconds = {"reading": read - began, **segmentation.provenance.seconds, "checks": checked - prepared}
            seconds |= {"measures": counted - segmented, "writing": now - counted, "total": now - began}
            record = ResultRecord.of(measured, segmentation.provenance, seconds, notes, source_words, scan)
            if self.json_file is not None:
                files_to_be.add_text(json_text(record.to_json(), identity_of([scan])), self.json_file)
            progress.step("writing", 1, 1)
            files_to_be.publish()  # from here on the case is done, and not stopped any more
        for warning in record.warnings:
            progress.notice("writing", warning)
        return record
