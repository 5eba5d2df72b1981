"""The reports of one scan, made while its voxels are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, about
from ..geometry.volume import CtVolume
from ..measures import Measurements, Rules, measure
from ..measures.edits import SegmentEdit
from ..measures.found import Found
from ..progress import Progress
from ..reading.verdict import Verdict
from ..segfiles.lobe_files import lobes_beside, read_lobe_map
from ..segmentation import Segmentation
from ..system.atomic_files import OutputSet
from .content import report_content
from .report_formats import report_text


@dataclass(frozen=True)
class ReportRequest:
    """What a user wants to have reported.

    ``files``: where to (.html, .json, .csv; none: no report); ``label``: what stands as the case's name; ``rules``: see
    :class:`CovidSegLib.measures.Rules`; ``lobes``: a file with lobes (``.seg.nrrd``, DICOM SEG), None: a DICOM SEG of
    lobes that lies in the scan's own folder is used, if there is one; ``lobes_checked``: a reader has checked them, if
    they are CovidSeg's estimate; ``picture``: where the picture for a follow-up
    goes (see :func:`.thumbnails.visit_picture`).
    """

    files: tuple[Path, ...] = ()
    label: str = ""
    rules: Rules = Rules()  # noqa: RUF009 - frozen
    lobes: Path | None = None
    lobes_checked: bool = False
    picture: Path | None = None

    @property
    def targets(self) -> tuple[Path, ...]:
        """Every file that is written."""
        return (*self.files, *filter(None, (self.picture,)))

    def measure(
        self,
        source: Path,
        volume: CtVolume,
        segmentation: Segmentation,
        files: Sequence[Path] = (),
        *,
        verdict: Verdict,
        found: Found | None = None,
        infection_known: bool = True,
    ) -> Measurements:
        """The numbers as this request wants them.

        ``source``, ``files``: what ``volume`` was read from, as :func:`CovidSegLib.reading.read_ct` takes them;
        ``verdict``: what its values are; ``found``, ``infection_known``: see :func:`CovidSegLib.measures.measure`.
        Raises InputError when the lobes cannot be used.
        """
        if self.lobes is None:
            lobes = lobes_beside(source, volume, files, checked=self.lobes_checked)
            if lobes is None and self.lobes_checked:
                raise InputError(
                    "There are no lobes that a reader could have checked.", "Give them with --lobes as well."
                )
        else:
            with about(self.lobes):
                lobes = read_lobe_map(self.lobes, volume, checked=self.lobes_checked)
        return measure(
            segmentation.labels,
            segmentation.grid,
            voxels=volume.voxels,
            lobes=lobes,
            absent=segmentation.absent,
            rules=self.rules,
            stability=bool(self.files),
            found=found,
            verdict=verdict,
            infection_known=infection_known,
        )

    def write(
        self,
        volume: CtVolume,
        segmentation: Segmentation,
        measured: Measurements,
        edits: tuple[SegmentEdit, ...] | None,
        outputs: OutputSet,
        progress: Progress,
    ) -> None:
        """Add the reports and the picture to ``outputs``, each as its file. Raises OutputError or Cancelled."""
        if self.picture is not None:
            from .thumbnails import visit_picture  # loads what draws

            outputs.add_bytes(visit_picture(volume, segmentation), self.picture)
        content = report_content(volume, segmentation, measured, edits=edits, label=self.label)
        for number, file in enumerate(self.files):
            progress.step("report", number, len(self.files))
            outputs.add_text(report_text(content, volume, segmentation, file.suffix, progress), file)
