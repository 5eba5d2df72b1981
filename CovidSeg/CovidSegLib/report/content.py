"""All that a report says, as one value: the page, the JSON and the CSV are made from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..geometry.volume import CtVolume
from ..measures import Measurements
from ..measures.edits import SegmentEdit
from ..measures.table import table_rows
from ..segmentation import Provenance, Segmentation
from ..system.checksums import identity_of, table_text
from ..visible import table_cell
from .result_record import ResultRecord, ScanRecord


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: ``passed`` is None where it could not be."""

    name: str
    passed: bool | None


@dataclass(frozen=True)
class ReportContent:
    """What is said of one scan. It names neither patient nor file; ``label`` is what the user typed for it.

    ``edits``: a reader's changes, None when it is not known whether there were any. ``notes``: sentences from the
    reading and the checks of the scan. ``scan_sha256``: of the scan's voxels.
    """

    measured: Measurements
    made: Provenance
    scan: ScanRecord
    edits: tuple[SegmentEdit, ...] | None = None
    notes: tuple[str, ...] = ()
    label: str = ""
    scan_sha256: str = ""

    @property
    def identity(self) -> str:
        """That of the scan, by which its files are told from those of another one."""
        return identity_of([self.scan_sha256])

    @property
    def warnings(self) -> tuple[str, ...]:
        """All sentences of warning, each once."""
        return tuple(dict.fromkeys([*self.notes, *self.made.warnings, *self.measured.flags]))

    @property
    def edited(self) -> bool:
        """Whether a reader changed anything, as far as is known."""
        return any(edit.added_ml or edit.removed_ml for edit in self.edits or ())


def report_content(
    volume: CtVolume,
    segmentation: Segmentation,
    measured: Measurements,
    *,
    edits: tuple[SegmentEdit, ...] | None = None,
    label: str = "",
) -> ReportContent:
    """The content for ``measured``, the numbers of ``segmentation`` on ``volume``.

    What is said of the scan stands in the notes of ``volume`` or, of masks that were just made, in their provenance.
    """
    return ReportContent(
        measured,
        segmentation.provenance,
        ScanRecord.of(volume),
        edits,
        volume.notes,
        label.strip(),
        volume.fingerprint,
    )


def checks(content: ReportContent) -> tuple[Check, ...]:
    """What was checked, for the reader of the report."""
    measured = content.measured
    # Masks from a file say which network made them, not on what device: it was not loaded, and not verified, now.
    verified = bool(content.made.sha256 and content.made.device)
    # A lung that is not there at all is not seen to be whole.
    both = all(region.infection_percent is not None for region in (measured.left, measured.right))
    whole = both and not measured.partly_visible
    known = measured.density is not None or bool(measured.density_refused)
    return (
        Check("Values are Hounsfield units", measured.density is not None if known else None),
        Check("Both lungs are wholly visible", whole),
        Check("Lung volumes are plausible", measured.plausible),
        Check("The network's weights match their SHA-256", True if verified else None),
    )


def to_record(content: ReportContent) -> ResultRecord:
    """The content as the record of ``Resources/Schemas``."""
    record = ResultRecord.of(
        content.measured, content.made, content.made.seconds, content.notes, scan_sha256=content.scan_sha256
    )
    return record.of_report(content.scan, content.edits, content.label)


def to_csv(content: ReportContent) -> str:
    """Every number as a line: measure, region, value, unit, low, high (with a mask's edge moved by one voxel).

    Then a line for each warning and for why there is no density, as the JSON has them, in the column ``note``.
    """
    rows: list[Sequence[str]] = []
    for row in table_rows(content.measured):
        value, low, high = (_cell(number, row.unit) for number in (row.value, row.low, row.high))
        rows.append((row.measure, row.region, value, row.unit, low, high, ""))
    refused = content.measured.density_refused
    notes = [("density", refused)] if refused and refused not in content.warnings else []
    for what, said in [*notes, *(("warning", said) for said in content.warnings)]:
        rows.append((what, *[""] * 5, table_cell(said)))
    return table_text(("measure", "region", "value", "unit", "low", "high", "note"), rows, content.identity)


def _cell(number: float | None, unit: str) -> str:
    """A number of the table; a class as all other outputs write it."""
    if number is None:
        return ""
    return f"CT-{number:.0f}" if unit == "class" else f"{number:.10g}"
