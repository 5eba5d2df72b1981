"""What one scan gave: masks on its own grid, and the numbers taken from them."""

from __future__ import annotations

import base64
import html
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OutputError
from ..geometry.volume import CtVolume
from ..measures import Density, EstimatedLobe, EstimatedSeverity, Lesion, Measurements, Region, Zone
from ..measures.review import with_certainty
from ..measures.table import table_rows
from ..progress import Progress
from ..reading.silent_pydicom import load_pydicom
from ..report.content import report_content
from ..report.report_formats import check_report, is_report, report_text
from ..report.result_record import ResultRecord
from ..report.thumbnails import thumbnail
from ..segfiles import ExistingFiles, check_suffix, find_reviewed, is_dicom_seg, read_source_series, write_to
from ..segfiles.existing import refuse_source
from ..segfiles.labelmap import array_to_itk
from ..segmentation import Provenance, Segmentation
from ..system.atomic_files import OutputSet
from ..system.checksums import check_scan
from ..system.file_states import file_state

if TYPE_CHECKING:
    import nibabel
    import SimpleITK


@dataclass(frozen=True)
class Lungs:
    """Both lungs, and each alone.

    Attributes
    ----------
    both, left, right
        See :class:`CovidSegLib.measures.Region` (``ml``, ``infection_ml``, ...).
    """

    both: Region
    left: Region
    right: Region


@dataclass(frozen=True, repr=False)
class Result:
    """Masks and numbers of one scan.

    Attributes
    ----------
    volume
        The scan; its voxels stay in memory as long as this result.
    segmentation
        The masks and how they were made.
    measurements
        All numbers.
    path
        What was read; None for what came from memory.
    seconds
        How long each stage took.
    """

    volume: CtVolume
    segmentation: Segmentation
    measurements: Measurements
    path: Path | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        percent = self.percent_infected
        infected = "no lung" if percent is None else f"{percent:.1f} % of {self.lungs.both.ml:.0f} mL of lung infected"
        return f"<covidseg.Result: {infected}>"

    @property
    def labels(self) -> np.ndarray:
        """uint8 (z, y, x) on the scan's own grid: 0 background, 1 left lung, 2 right lung, 3 infection. Read-only."""
        view = self.segmentation.labels.view()
        view.flags.writeable = False
        return view

    @property
    def affine(self) -> np.ndarray:
        """IJK→RAS (4x4, mm) of :attr:`labels`; I is the last axis of the array."""
        return self.segmentation.affine

    @property
    def percent_infected(self) -> float | None:
        """Infection as % of both lungs, 0 to 100; infection counts as lung. None where there is no lung."""
        return self.measurements.total.infection_percent

    @property
    def infection_ml(self) -> float:
        """Infection of both lungs in mL."""
        return self.measurements.total.infection_ml

    @property
    def lungs(self) -> Lungs:
        """Volumes (mL) and infected shares (%) of both lungs and of each."""
        return Lungs(self.measurements.total, self.measurements.left, self.measurements.right)

    @property
    def zones(self) -> tuple[Zone, ...]:
        """Upper, middle and lower third of each lung's height, the right ones first."""
        return self.measurements.zones

    @property
    def lobes(self) -> tuple[EstimatedLobe, ...]:
        """The five lobes, estimated from the shape of the lungs, each with the range of its infected share and score.

        Empty where they cannot be estimated: ``measurements.severity_refused`` says why.
        """
        return self.severity.lobes if self.severity else ()

    @property
    def severity(self) -> EstimatedSeverity | None:
        """The CT severity score (0 to 25) of :attr:`lobes`, with its range; None where they cannot be estimated."""
        return self.measurements.severity

    @property
    def lesions(self) -> tuple[Lesion, ...]:
        """Pieces of infection of 0.5 mL and more, the largest first; ``measurements.small_lesions`` holds the rest."""
        return self.measurements.lesions

    @property
    def density(self) -> Density | None:
        """Densities in HU; None where the scan's values are no HU."""
        return self.measurements.density

    @property
    def provenance(self) -> Provenance:
        """Network with SHA-256, engine, device and version."""
        return self.segmentation.provenance

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what is odd about the scan, the masks or the numbers."""
        return self.record.warnings

    @cached_property
    def record(self) -> ResultRecord:
        """All numbers and how they came about, in the published form: what JSON files and tables are made from."""
        scan = self.volume
        return ResultRecord.of(
            self.measurements, self.provenance, self.seconds, scan.notes, scan.source, scan.fingerprint
        )

    def to_dict(self) -> dict[str, Any]:
        """All numbers as plain data. It names neither patient nor file.

        Returns
        -------
        dict
            In the published form ``covidseg-result-1``, as the command's JSON: volumes in mL, shares in %.
        """
        return self.record.to_json()

    def to_sitk(self) -> SimpleITK.Image:
        """The labels as an image of SimpleITK.

        Returns
        -------
        SimpleITK.Image
            uint8, of size (x, y, z), on the scan's grid in mm.
        """
        return array_to_itk(self.segmentation.labels, self.affine)

    def to_nibabel(self) -> nibabel.Nifti1Image:
        """The labels as a NIfTI image of nibabel.

        Returns
        -------
        nibabel.Nifti1Image
            uint8, of shape (x, y, z), on the scan's grid in mm.
        """
        load_pydicom()
        import nibabel

        image = nibabel.Nifti1Image(self.labels.T, self.affine)
        image.header.set_xyzt_units("mm")
        return image

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the masks.

        Parameters
        ----------
        path
            Its ending decides: .seg.nrrd, .nii.gz, .nii, .nrrd, .mha, or .dcm (of a DICOM series).
        overwrite
            Replace whatever exists, but never the scan's own file. Without it only a ``.seg.nrrd`` of this scan that
            nobody corrected is replaced.

        Returns
        -------
        Path
            ``path``.

        Raises
        ------
        OutputError
            The file may not be replaced, cannot be written, or was saved by somebody meanwhile. A file that was there
            is as it was.
        """
        target = Path(path)
        check_suffix(target)
        if self.path is not None:
            refuse_source(self.path, target)
        # Taken before the look, so that no save of a reader's falls between the two.
        states = {target: file_state(target)}
        choice = ExistingFiles(overwrite=overwrite)
        find_reviewed([target], self.segmentation.grid, choice, self.volume.fingerprint)
        series = None
        if is_dicom_seg(target):
            if self.path is None:
                raise OutputError("Only what was read from a DICOM folder can have a DICOM SEG.", "Choose .seg.nrrd.")
            series = read_source_series(self.path, Progress())
        with OutputSet(states) as files:
            write_to(with_certainty(self.segmentation), files.add(target), series)
            files.publish()
        return target

    def report(self, path: str | os.PathLike[str], *, label: str = "", overwrite: bool = False) -> Path:
        """Write a report.

        Parameters
        ----------
        path
            Its ending decides: .html (a page to read and print), .json or .csv.
        label
            A name of yours for the case.
        overwrite
            Replace a report that somebody changed, or one on another scan. Without it only an earlier report on this
            scan that nobody changed is replaced; what is no report never is.

        Returns
        -------
        Path
            ``path``.

        Raises
        ------
        OutputError
            The file may not be replaced, or cannot be written; what was there is as it was.
        """
        target = Path(path)
        check_report(target)
        states = {target: file_state(target)}
        if target.exists() and not is_report(target):
            raise OutputError("The file exists and is no report of CovidSeg.", "Choose another name.")
        if not overwrite:
            check_scan([target], self.volume.fingerprint)
        content = report_content(self.volume, self.segmentation, self.measurements, label=label)
        with OutputSet(states) as files:
            files.add_text(report_text(content, self.volume, self.segmentation, target.suffix, Progress()), target)
            files.publish()
        return target

    def _repr_html_(self) -> str:
        """A picture and the main numbers, for Jupyter."""
        picture = base64.b64encode(thumbnail(self.volume, self.segmentation)).decode("ascii")
        rows = "".join(
            f"<tr><td>{html.escape(row.measure)}</td><td>{html.escape(row.region)}</td>"
            f"<td style='text-align:right'>{row.value:.1f} {row.unit}</td></tr>"
            for row in table_rows(self.measurements)[:9]
            if row.value is not None
        )
        said = "".join(f"<li>{html.escape(text)}</li>" for text in self.warnings)
        return (
            f"<div><img alt='The slice with the most infection' src='data:image/jpeg;base64,{picture}'>"
            f"<table>{rows}</table><ul>{said}</ul><small>CovidSeg, for research only</small></div>"
        )
