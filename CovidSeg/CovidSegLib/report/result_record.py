"""The record of one scan's result: the one form in which a result travels between rooms, processes and files.

JSON, the row of a batch's table, the point of a follow-up, and what the command line prints are views of it. Its form
is published in Resources/Schemas.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from ..errors import InputError
from ..geometry.volume import CtVolume
from ..measures import Measurements
from ..measures.edits import SegmentEdit
from ..measures.measurements_record import MeasurementsRecord, ModelRecord, rounded
from ..measures.values import Ml, Percent
from ..segmentation import Provenance
from ..system.checksums import KEY, OF_NOTHING, completed, mark_of
from ..system.typed_json import LEFT_OUT, REQUIRED, Form, FormError, read_typed, write_typed

SCHEMA: Literal["covidseg-result-1"] = "covidseg-result-1"
"""Name and version of the form; the file ``Resources/Schemas/<SCHEMA>.schema.json`` describes it."""

_Size = Annotated[int, Form(1)]
_Mm = Annotated[float, Form(0, above=True)]


@dataclass(frozen=True)
class LungRecord:
    """Volumes in mL, infection included."""

    left: Ml
    right: Ml
    total: Ml


@dataclass(frozen=True)
class ScanRecord:
    """The upright grid, and in words what was read. ``spacing_mm``: x, y, z."""

    source: str
    slices: _Size
    rows: _Size
    columns: _Size
    spacing_mm: tuple[_Mm, _Mm, _Mm]

    @classmethod
    def of(cls, volume: CtVolume) -> ScanRecord:
        """Of the scan ``volume``."""
        slices, rows, columns = volume.upright_voxels.shape
        return cls(volume.source, slices, rows, columns, volume.grid.upright.spacing)

    def rounded(self) -> ScanRecord:
        """As it is published."""
        x, y, z = (round(value, 4) for value in self.spacing_mm)
        return replace(self, spacing_mm=(x, y, z))


@dataclass(frozen=True, kw_only=True)
class ResultRecord:
    """Numbers of one scan and how they came about; it names neither patient nor file.

    Volumes are in mL, ``infection_percent`` in % of both lungs (None without lung); ``seconds`` per stage;
    ``kept_edits_ml``, ``edited_segments``: None in results of earlier versions. ``source``: what was read, in words.
    ``scan_sha256``: of the scan's voxels, None in results of earlier versions; ``checksum``: of the file alone, see
    :mod:`CovidSegLib.system.checksums`. Only a report has a ``scan``, ``reader_edits`` (None: not recorded whether
    there are any) and a ``label``.
    """

    schema: Literal["covidseg-result-1"] = field(default=SCHEMA, metadata=REQUIRED)
    lung_ml: Annotated[LungRecord, Form(about="mL, infection included.")]
    infection_ml: Ml
    infection_percent: Annotated[Percent | None, Form(about="% of both lungs; null without lung.")]
    infection_counts_as_lung: Literal[True] = field(default=True, metadata=REQUIRED)
    measurements: Annotated[MeasurementsRecord, Form(about="mL, percent, HU. Infection counts as lung.")]
    model: ModelRecord
    engine: str
    device: str
    software: str
    seconds: dict[str, Annotated[float, Form(0)]]
    kept_edits_ml: Annotated[
        float | None, Form(0, about="How much of an earlier result a reader had corrected and this one keeps.")
    ] = field(default=None, metadata=LEFT_OUT)
    edited_segments: Annotated[
        tuple[str, ...] | None, Form(about="Ids of the segments in which a reader changed something.")
    ] = field(default=None, metadata=LEFT_OUT)
    warnings: tuple[str, ...]
    source: Annotated[str | None, Form(about="What was read, in words: DICOM series 2 of 3 (133 slices).")] = field(
        default=None, metadata=LEFT_OUT
    )
    scan: ScanRecord | None = field(default=None, metadata=LEFT_OUT)
    reader_edits: Annotated[
        tuple[SegmentEdit, ...] | None,
        Form(about="What a reader changed, by segment; null when it is not recorded."),
    ] = field(default=None, metadata={**LEFT_OUT, "null": True})
    label: Annotated[str | None, Form(about="What the user typed as the case's name; may be empty.")] = field(
        default=None, metadata=LEFT_OUT
    )
    scan_sha256: Annotated[
        str | None, Form(about="SHA-256 of the scan's voxels: tells one scan from another without naming anybody.")
    ] = field(default=None, metadata=LEFT_OUT)
    checksum: Annotated[
        str | None, Form(about="By it CovidSeg knows whether somebody changed the file since it wrote it.")
    ] = field(default=None, metadata=LEFT_OUT)

    @classmethod
    def of(
        cls,
        measured: Measurements,
        made: Provenance,
        seconds: Mapping[str, float],
        notes: Sequence[str] = (),
        source: str | None = None,
        scan_sha256: str | None = None,
    ) -> ResultRecord:
        """``measured``, and how the masks were made.

        ``notes``: sentences from the reading of the scan, which stand before the other warnings; ``scan_sha256``: see
        :attr:`CovidSegLib.geometry.volume.CtVolume.fingerprint`.
        """
        left, right, total = measured.left, measured.right, measured.total
        record = cls(
            lung_ml=LungRecord(left.lung_ml, right.lung_ml, total.lung_ml),
            infection_ml=total.infection_ml,
            infection_percent=total.infection_percent,
            measurements=MeasurementsRecord.of(measured),
            model=ModelRecord(made.model, made.sha256),
            engine=made.engine,
            device=made.device,
            software=made.software,
            seconds={stage: float(value) for stage, value in seconds.items()},
            kept_edits_ml=made.kept_ml,
            edited_segments=made.edited,
            warnings=tuple(map(str, dict.fromkeys([*notes, *made.warnings, *measured.flags]))),
            source=source,
            scan_sha256=scan_sha256,
        )
        return rounded(record)

    def of_report(self, scan: ScanRecord, edits: Sequence[SegmentEdit] | None, label: str) -> ResultRecord:
        """The same as a report says it of ``scan``; ``edits``: a reader's changes, None where that is not known."""
        told = None if edits is None else rounded(tuple(edits))
        return replace(self, scan=scan.rounded(), reader_edits=told, label=label)

    def to_json(self) -> dict[str, Any]:
        """As plain data, in the form of the schema."""
        data = write_typed(self)
        if self.scan is not None and self.reader_edits is None:
            data["reader_edits"], data["label"] = None, data.pop("label", "")
        return data

    @classmethod
    def from_json(cls, data: Any) -> ResultRecord:
        """The inverse of :meth:`to_json`. What a later version adds is passed over.

        Raises InputError for data of another form.
        """
        try:
            return replace(read_typed(cls, data, others=True), checksum=None)
        except FormError as error:
            raise no_result() from error


def no_result() -> InputError:
    """What is raised for a file that holds no result."""
    return InputError(
        "A JSON file holds no result of this version of CovidSeg.",
        "Write it again: covidseg segment … --json FILE, or covidseg report … -o FILE.json.",
    )


def json_text(content: Mapping[str, Any], identity: str = OF_NOTHING) -> str:
    """``content`` as JSON that every program reads (no NaN), with a checksum.

    ``identity``: of the scans that it is of (:func:`CovidSegLib.system.checksums.identity_of`).
    """
    marked = {**content, KEY: mark_of(identity)}
    return completed(json.dumps(marked, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
