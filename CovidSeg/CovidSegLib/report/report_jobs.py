"""What is made from masks that are there already, as jobs for a child process (:mod:`CovidSegLib.worker.jobs`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, about
from ..progress import Progress
from ..reading import read_ct
from ..reading.acquisition import acquisition
from ..reading.checks import inspect
from ..segfiles import save_training_case
from ..segfiles.mask_reading import ANOTHER_SCAN, Masks
from ..segfiles.patient_codes import patient_code
from ..segfiles.registry import read_masks
from ..system.atomic_files import OutputSet
from ..system.checksums import check_scan
from ..system.file_states import States, check_still
from .request import ReportRequest
from .result_record import ResultRecord


@dataclass(frozen=True)
class MakeReport:
    """Writes the reports that ``request`` names on the ``masks`` of ``scan``, or only takes the numbers.

    ``begun``: files that may be replaced, in their states when the run began; ``overwrite``: also those that somebody
    changed, or that are of another scan; ``another_scan``: masks count that tell that they were made from other voxels.
    """

    scan: Path
    masks: Path
    request: ReportRequest = ReportRequest()  # noqa: RUF009 - frozen
    begun: States = ()
    overwrite: bool = False
    another_scan: bool = False

    @property
    def sources(self) -> Sequence[Path]:
        """What is read."""
        return (self.scan, self.masks)

    @property
    def folders(self) -> Sequence[Path]:
        """Where files are written."""
        return tuple({file.resolve().parent for file in self.request.targets})

    def run(self, segment: Callable[..., Any], progress: Progress) -> dict[str, Any]:
        """Returns what :meth:`taken` reads; its warnings are notices as well.

        Raises InputError, OutputError or Cancelled.
        """
        progress.step("reading", 0, 1)
        volume = read_ct(self.scan, progress)
        check_still(dict(self.begun))
        if not self.overwrite:
            check_scan(self.request.targets, volume.fingerprint)
        findings = inspect(volume)
        findings.verdict.check_is_no_labelmap()  # volumes need no HU, but a picture of a body
        with about(self.masks):
            masks = read_masks(self.masks, volume)
            if masks.of_another_scan and not self.another_scan:
                raise InputError(
                    ANOTHER_SCAN, "Give the scan that was segmented, or count them all the same with --another-scan."
                )
        volume = replace(volume, notes=(*volume.notes, *findings.warnings, *masks.warnings))
        measured = self.request.measure(
            self.scan, volume, masks.segmentation, verdict=findings.verdict, infection_known=masks.infection_known
        )
        if self.request.targets:
            with OutputSet(dict(self.begun)) as files:
                self.request.write(volume, masks.segmentation, measured, masks.edits, files, progress)
                files.publish()
        record = ResultRecord.of(
            measured, masks.segmentation.provenance, {}, volume.notes, scan_sha256=volume.fingerprint
        )
        for warning in record.warnings:
            progress.notice("report", warning)
        return record.to_json()

    def taken(self, answer: Any) -> ResultRecord:
        """The record of the result."""
        return ResultRecord.from_json(answer)


@dataclass(frozen=True)
class SaveTrainingCase:
    """Adds ``scan`` and its corrected ``masks`` to the data set in ``folder``; ``uncorrected``: others, too.

    ``begun``: see :func:`CovidSegLib.segfiles.training_states`; a case that is there without is not replaced.
    """

    scan: Path
    masks: Path
    folder: Path
    uncorrected: bool = False
    begun: States = ()

    @property
    def sources(self) -> Sequence[Path]:
        """What is read."""
        return (self.scan, self.masks)

    @property
    def folders(self) -> Sequence[Path]:
        """Where files are written."""
        return tuple(self.folder / name for name in ("", "images", "labels"))

    def run(self, segment: Callable[..., Any], progress: Progress) -> dict[str, Any]:
        """Returns the name of the ``case``. Raises InputError, OutputError or Cancelled."""
        progress.step("reading", 0, 1)
        volume = read_ct(self.scan, progress)
        findings = inspect(volume)
        findings.verdict.check()
        with about(self.masks):
            masks = read_masks(self.masks, volume)
            self._check(masks)
        for warning in (*volume.notes, *findings.warnings, *masks.doubts):
            progress.notice("reading", warning)
        patient = patient_code(acquisition(self.scan, progress).patient)
        progress.step("writing", 0, 1)
        labels, absent = masks.segmentation.labels, masks.segmentation.absent
        case = save_training_case(
            volume, labels, self.folder, corrected=masks.corrected, absent=absent, patient=patient, begun=self.begun
        )
        return {"case": case}

    def _check(self, masks: Masks) -> None:
        """Raise InputError unless ``masks`` are of this scan, and somebody looked at them or need not have."""
        if masks.of_another_scan:
            raise InputError(ANOTHER_SCAN, "Give the scan that was segmented, or masks of this one.")
        if not masks.corrected and not self.uncorrected:
            raise InputError(
                "Nobody corrected or confirmed these masks: a network that learns from them learns its own mistakes.",
                "Review them in Slicer first, or save them all the same with --uncorrected; the table will say so.",
            )

    def taken(self, answer: Any) -> str:
        """The name of the case."""
        return str(answer["case"])
