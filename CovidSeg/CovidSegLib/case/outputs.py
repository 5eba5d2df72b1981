"""What is written for one scan, and what of it may be: decided before the network runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..corrections.merge import Merged
from ..errors import about
from ..geometry.volume import CtVolume
from ..measures.found import Found, find_all
from ..measures.review import with_certainty
from ..progress import Progress
from ..segfiles import (
    ExistingFiles,
    ReviewedFile,
    SourceSeries,
    find_reviewed,
    is_dicom_seg,
    is_seg_nrrd,
    read_source_series,
    write_reviewed,
    write_to,
)
from ..segfiles.existing import refuse_other_scan
from ..segmentation import Segmentation
from ..system.checksums import check_scan
from ..system.file_states import check_still, refuse_protected, states_of


@dataclass
class CaseOutputs:
    """The outputs of one scan.

    Made by :meth:`prepare`; then :meth:`joined`, then :meth:`write` for each output. ``states``: in which state files
    that are there must still be when they are replaced (see :class:`CovidSegLib.system.atomic_files.OutputSet`).
    """

    _existing: ReviewedFile | None = None
    _series: SourceSeries | None = None
    _merged: Merged | None = None
    _wants_segments: bool = False
    states: Mapping[Path, str] = field(default_factory=dict)

    @classmethod
    def prepare(
        cls,
        source: Path,
        files: Sequence[Path],
        volume: CtVolume,
        outputs: Sequence[Path],
        existing: ExistingFiles,
        progress: Progress,
        numbers: Sequence[Path] = (),
    ) -> CaseOutputs:
        """Look at what is there already, and at the DICOM series if an output refers to it.

        ``source``, ``files``: what ``volume`` was read from, as :func:`CovidSegLib.reading.read_ct` takes them;
        ``numbers``: other files that are written, each with a checksum (:mod:`CovidSegLib.system.checksums`). Raises
        OutputError when an existing output must not be replaced, InputError when ``source`` cannot have a DICOM SEG, or
        Cancelled.
        """
        refuse_other_scan(existing, volume.fingerprint)
        # Taken before the look, so that no save falls between the two. What the look says of a file says more.
        states = existing.states((*outputs, *numbers))
        now = dict(states_of((*outputs, *numbers)))
        scan = volume.fingerprint if any(is_seg_nrrd(output) and output.exists() for output in outputs) else ""
        kept = find_reviewed(outputs, volume.grid, existing, scan)
        if existing.is_repeated(now, kept):
            states = now
        check_still(states)
        for file in numbers:
            with about(file):
                refuse_protected(file)
        if not existing.overwrite:
            check_scan(numbers, *([] if existing.own_folder else [volume.fingerprint]))
        wants_dicom = any(is_dicom_seg(output) for output in outputs)
        series = read_source_series(source, progress, files) if wants_dicom else None
        return cls(kept, series, None, any(is_seg_nrrd(output) for output in outputs), states)

    def joined(self, segmentation: Segmentation) -> tuple[Segmentation, Found | None]:
        """The network's result with the reader's corrections, where there are any to keep.

        And what was found in its labels; None where they are not the network's own any more.
        """
        found = find_all(segmentation.labels, segmentation.grid)
        if self._wants_segments:
            segmentation = with_certainty(segmentation, found)
        if self._existing is not None:
            self._merged, segmentation = self._existing.reviewed.join(segmentation)
            self._existing = self._existing.without_voxels()  # a large scan's are half a gigabyte
            return segmentation, None
        return segmentation, found

    def write(self, segmentation: Segmentation, output: Path, place: Path) -> None:
        """Write what :meth:`joined` gave to ``place``, in the form and with the content that ``output`` shall have.

        Raises OutputError.
        """
        if self._existing is not None and self._merged is not None and is_seg_nrrd(output):
            write_reviewed(self._existing, self._merged, segmentation, place)
        else:
            write_to(segmentation, place, self._series)
