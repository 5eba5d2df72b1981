"""The pictures of results that are there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..progress import Progress
from ..reading import read_ct
from ..report.thumbnails import thumbnail
from ..segfiles.mask_reading import ANOTHER_SCAN
from ..segfiles.registry import read_masks
from ..system.atomic_files import replace_bytes

if TYPE_CHECKING:
    from ..worker.jobs import SegmentFunction


@dataclass(frozen=True)
class DrawAgain:
    """A job: the ``picture`` of a case that is done, from its scan and its ``result`` as it is now.

    ``source``, ``files``: as :func:`CovidSegLib.reading.read_ct` takes them.
    """

    source: Path
    files: tuple[Path, ...]
    result: Path
    picture: Path

    @property
    def sources(self) -> Sequence[Path]:
        """What is read."""
        return (self.source, self.result)

    @property
    def folders(self) -> Sequence[Path]:
        """Where the picture is."""
        return (self.picture.parent,)

    def run(self, segment: SegmentFunction, progress: Progress) -> dict[str, Any]:
        """Raises InputError when one of the files cannot be read or is not the other's, OutputError, Cancelled."""
        progress.step("reading", 0, 1)
        volume = read_ct(self.source, progress, self.files)
        masks = read_masks(self.result, volume)
        if masks.of_another_scan:
            raise InputError(ANOTHER_SCAN, "Segment it again with --restart.")
        replace_bytes(thumbnail(volume, masks.segmentation), self.picture)
        return {}

    def taken(self, answer: Any) -> None:
        """Nothing: the picture is there."""
