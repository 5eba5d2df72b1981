"""The pictures of results that are there already."""

from __future__ import annotations

from ..errors import InputError
from ..progress import Progress
from ..reading import read_ct
from ..report.inputs import ANOTHER_SCAN, read_masks
from ..report.thumbnails import thumbnail
from ..writing import replace_bytes
from .plan import PlannedCase


def draw_again(case: PlannedCase, progress: Progress) -> None:
    """Draw the picture of a case that is done from its scan and its result as it is now; nothing is segmented.

    Raises InputError when one of them cannot be read or is not the other's, OutputError, Cancelled.
    """
    volume = read_ct(case.source, progress, case.files)
    masks = read_masks(case.result, volume)
    if masks.of_another_scan:
        raise InputError(ANOTHER_SCAN, "Segment it again with --restart.")
    replace_bytes(thumbnail(volume, masks.segmentation), case.picture)
