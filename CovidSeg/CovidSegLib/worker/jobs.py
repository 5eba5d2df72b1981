"""What a child process can be asked to do (:mod:`CovidSegLib.worker.parent`), and the job of segmenting voxels at hand.

A job is a frozen dataclass that travels to the child, so its fields are plain values and paths; what it returns travels
back as JSON. Whatever opens a stranger's file does it in a job: a file that breaks a library breaks one child.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..errors import EngineError
from ..i18n import from_json, to_json
from ..i18n import tr as _

if TYPE_CHECKING:
    import numpy as np

    from ..geometry.volume import CtVolume
    from ..progress import Progress
    from ..reading.checks import Findings
    from ..segmentation import Segmentation

VOXELS_FILE, LABELS_FILE, CERTAINTY_FILE = "voxels.npy", "labels.npy", "certainty.npy"
"""What lies in the folder that parent and child share: int16 HU, uint8 labels, their certainty (see
:class:`CovidSegLib.segmentation.Segmentation`)."""


class SegmentFunction(Protocol):
    """What segments a volume: the child's engine, or the pipeline in this process."""

    def __call__(self, volume: CtVolume, progress: Progress, findings: Findings | None = None, /) -> Segmentation:
        """``findings``: what :func:`CovidSegLib.reading.inspect` said of ``volume``, where that is known already."""


_Taken = TypeVar("_Taken", covariant=True)


class Job(Protocol[_Taken]):
    """Work for a child process."""

    @property
    def sources(self) -> Sequence[Path]:
        """What is read: what memory that may take follows from its size."""

    @property
    def folders(self) -> Sequence[Path]:
        """Where files are written besides the child's private folder: one that is killed may leave unfinished ones."""
        return ()

    def run(self, segment: SegmentFunction, progress: Progress) -> Any:
        """Do it. Returns what JSON can hold, or what has a ``to_json``.

        Raises the errors of errors.py, or Cancelled; then no file is left.
        """

    def taken(self, answer: Any) -> _Taken:
        """What came of :meth:`run` as JSON, as the parent is to have it."""


@dataclass(frozen=True)
class ReadScan(Job["CtVolume"]):
    """Reads the scan at ``path``; its voxels travel through ``folder``."""

    folder: Path
    path: Path

    @property
    def sources(self) -> Sequence[Path]:
        """The scan."""
        return (self.path,)

    def run(self, segment: SegmentFunction, progress: Progress) -> dict[str, Any]:
        """Returns what :class:`geometry.volume.CtVolume` has besides its voxels."""
        import numpy as np

        from ..reading import read_ct

        progress.step("reading", 0, 1)
        volume = read_ct(self.path, progress)
        np.save(self.folder / VOXELS_FILE, volume.voxels, allow_pickle=False)
        return {
            "affine": volume.affine.tolist(),
            "source": to_json(volume.source),
            "notes": [to_json(note) for note in volume.notes],
            "of_other_unit": volume.of_other_unit,
        }

    def taken(self, answer: Any) -> CtVolume:
        """The scan."""
        import numpy as np

        from ..geometry.volume import CtVolume

        voxels = _taken_array(self.folder / VOXELS_FILE)
        notes = tuple(map(from_json, answer["notes"]))
        affine, source = np.array(answer["affine"]), from_json(answer["source"])
        return CtVolume(voxels, affine, source, notes, of_other_unit=answer["of_other_unit"])


@dataclass(frozen=True)
class SegmentVoxels(Job["Segmentation"]):
    """Segments the voxels that lie in ``folder`` and puts the labels beside them.

    ``affine`` (4 rows), ``source``, ``notes`` (see ``i18n.to_json``): as in :class:`geometry.volume.CtVolume`;
    ``findings``: see :class:`SegmentFunction`.
    """

    folder: Path
    affine: tuple[tuple[float, ...], ...]
    source: str
    notes: tuple[Any, ...] = ()
    findings: Findings | None = None

    @classmethod
    def of(cls, volume: CtVolume, folder: Path, findings: Findings | None = None) -> SegmentVoxels:
        """The job for a child with this ``folder``, where the voxels are put. Raises EngineError."""
        import numpy as np

        try:
            np.save(folder / VOXELS_FILE, volume.voxels, allow_pickle=False)
        except OSError as error:
            raise EngineError(
                _("The scan could not be written to the folder for temporary files."),
                _("Free some space there, or set TMPDIR to another folder."),
            ) from error
        notes = tuple(to_json(note) for note in volume.notes)
        return cls(folder, tuple(map(tuple, volume.affine.tolist())), volume.source, notes, findings)

    @property
    def sources(self) -> Sequence[Path]:
        """The voxels, as they will be."""
        return (self.folder / VOXELS_FILE,)

    def run(self, segment: SegmentFunction, progress: Progress) -> dict[str, Any]:
        """Returns what :class:`CovidSegLib.segmentation.Segmentation` has besides its arrays."""
        import numpy as np

        from ..geometry.volume import CtVolume

        voxels = np.asarray(np.load(self.folder / VOXELS_FILE, mmap_mode="r", allow_pickle=False))
        volume = CtVolume(voxels, np.array(self.affine), self.source, tuple(map(from_json, self.notes)))
        segmentation = segment(volume, progress, self.findings)
        np.save(self.folder / LABELS_FILE, segmentation.labels, allow_pickle=False)
        if segmentation.certainty is not None:
            np.save(self.folder / CERTAINTY_FILE, segmentation.certainty, allow_pickle=False)
        return {
            "affine": segmentation.affine.tolist(),
            "provenance": {
                **asdict(segmentation.provenance),
                "warnings": [to_json(warning) for warning in segmentation.provenance.warnings],
            },
            "certainty": segmentation.certainty is not None,
        }

    def taken(self, answer: Any) -> Segmentation:
        """The segmentation; its files are removed."""
        import numpy as np

        from ..segmentation import Provenance, Segmentation

        labels = _taken_array(self.folder / LABELS_FILE)
        certainty = _taken_array(self.folder / CERTAINTY_FILE) if answer["certainty"] else None
        provenance = answer["provenance"]
        provenance["warnings"] = tuple(from_json(warning) for warning in provenance["warnings"])
        provenance["edited"] = tuple(provenance["edited"])  # JSON has no tuples
        return Segmentation(labels, np.array(answer["affine"], dtype=float), Provenance(**provenance), certainty)


def _taken_array(file: Path) -> np.ndarray:
    import numpy as np

    array = np.load(file, allow_pickle=False)
    file.unlink()
    return array
