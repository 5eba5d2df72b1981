"""What a reader does with one lesion of the review list, in the scene."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..corrections.merge import LastWritten, bit, reader_voxels
from ..corrections.reviewed_segments import ReviewedSegments
from ..errors import InputError
from ..i18n import tr as _
from ..measures.found import Found, find_all
from ..measures.review import ReviewLesion, ReviewList, make_review_list, read_seeds
from ..measures.sided import SidedLungs, infection_on_right
from ..segfiles import CERTAINTY_TAG
from ..segmentation import Label
from .scene_corrections import infection_id, mark_edited, read_state, set_record, tag
from .segment_display import surfaces_kept
from .segmentations import replace_voxels
from .volumes import world_grid

if TYPE_CHECKING:
    from collections.abc import Callable

    import slicer

    BeforeWrite = Callable[[slicer.vtkMRMLSegmentationNode], None]

_LUNGS = (Label.LEFT_LUNG, Label.RIGHT_LUNG)


@dataclass(frozen=True)
class Review:
    """The lesions of a segmentation, and how much of its infection a reader edited (in percent, None: not known).

    ``lungs``: by which each lesion has its side; None without lung.
    """

    node: slicer.vtkMRMLSegmentationNode
    volume_node: slicer.vtkMRMLScalarVolumeNode
    reviewed: ReviewedSegments
    lesions: ReviewList
    edited_percent: float | None
    lungs: SidedLungs | None

    def mask(self, lesion: ReviewLesion) -> np.ndarray:
        """The voxels of a lesion (bool, z, y, x)."""
        return self.lesions.mask(lesion.number, self.reviewed.current.shape)

    @property
    def can_change(self) -> bool:
        """Whether lesions may be accepted and deleted: not in a segment that is completed."""
        return not self.reviewed.completed & bit(Label.INFECTION)


def plan_review(
    node: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    reviewed: ReviewedSegments | None = None,
) -> Callable[..., Review]:
    """Read what is needed from the scene; the function that is returned does the long part, and in any thread.

    It takes the labels of ``reviewed`` and what was found in them (:func:`CovidSegLib.measures.found.find_all`), where
    that is known already. ``reviewed``: the segments of ``node``, if they were read already. Raises InputError when the
    segmentation belongs to another scan.
    """
    reviewed = reviewed or read_state(node, volume_node)
    segment = node.GetSegmentation().GetSegment(infection_id(node))
    seeds = read_seeds(tag(segment, CERTAINTY_TAG)) if segment is not None else ()
    grid = world_grid(volume_node)

    def compute(labels: np.ndarray | None = None, found: Found | None = None) -> Review:
        if found is None:
            found = find_all(reviewed.labels if labels is None else labels, grid)
        last = reviewed.last
        now, drawn, agreed = (found.in_lesions(bits) for bits in (reviewed.current, last.drawn, last.agreed))
        readers = reader_voxels(now, LastWritten(drawn, agreed, last.known))
        decided = ((now & ~drawn) | agreed) & bit(Label.INFECTION) != 0
        lesions = make_review_list(found, grid, readers, decided, seeds)
        there = Label.INFECTION in reviewed.present  # else there is nothing left of which a share could be edited
        edited = reviewed.edited_percent() if there else None
        return Review(node, volume_node, reviewed, lesions, edited, found.lungs)

    return compute


def accept_lesion(review: Review, lesion: ReviewLesion, before_write: BeforeWrite = lambda node: None) -> None:
    """Make the lesion the reader's word: no later run takes it away. To be called on a current review.

    ``before_write`` is called with the node when nothing is changed yet: the place for an undo point.
    """
    before_write(review.node)
    last = review.reviewed.last.accepted(review.mask(lesion), Label.INFECTION)
    set_record(review.node, last, Label.INFECTION)


def delete_lesion(review: Review, lesion: ReviewLesion, before_write: BeforeWrite = lambda node: None) -> None:
    """Turn the lesion into the lung that it lies in, as a reader's correction. To be called on a current review.

    ``before_write`` is called with the node when all is checked and nothing is changed yet: the place for an undo
    point. Raises InputError before that where a completed lung would have to grow.
    """
    bits = _without(review, lesion)
    may_grow = [label for label in _LUNGS if label in review.reviewed.present]
    may_grow = [label for label in may_grow if not review.reviewed.completed & bit(label)]
    before_write(review.node)
    with surfaces_kept(review.node):
        replace_voxels(review.node, review.volume_node, bits, tuple(int(one) for one in (*may_grow, Label.INFECTION)))
    mark_edited(review.node, replace(review.reviewed, current=bits))


def _without(review: Review, lesion: ReviewLesion) -> np.ndarray:
    """The bits (z, y, x) with lung in the place of the lesion; no lung where the reader took its segment out.

    Raises InputError where that lung is completed: it must not change, and the lesion would become a hole in it.
    """
    reviewed, lungs = review.reviewed, review.lungs
    grid = world_grid(review.volume_node)
    box = tuple(slice(*ends) for ends in lesion.lesion.box)
    mask = review.lesions.part(lesion)
    bits = reviewed.current.copy()
    inside = bits[box]
    inside[mask] &= np.uint8(~bit(Label.INFECTION) & 0xFF)
    if lungs is None:
        return bits
    bare = mask & (inside == 0)
    right = infection_on_right(lungs, grid, box)  # its side is the one that it was counted to
    for label, side in zip(_LUNGS, (~right, right), strict=True):
        grows = bare & side
        if label in reviewed.present and grows.any():
            if reviewed.completed & bit(label):
                raise _completed(label)
            inside[grows] = bit(label)
    return bits


def _completed(label: Label) -> InputError:
    hint = _("Take the mark off the lung in the Segment Editor, or leave the lesion as it is.")
    if label == Label.LEFT_LUNG:
        return InputError(_("The lesion lies in the left lung, which is marked as completed."), hint)
    return InputError(_("The lesion lies in the right lung, which is marked as completed."), hint)
