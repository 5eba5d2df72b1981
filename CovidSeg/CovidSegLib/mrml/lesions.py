"""What a reader does with one lesion of the review list, in the scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..anatomy.lungs import sides_of_labels
from ..corrections import accept, bit, edited_percent, reader_voxels
from ..measures.review import ReviewLesion, ReviewList, make_review_list, read_seeds
from ..segmentation import Label
from ..volume import axial_order
from ..writing import CERTAINTY_TAG
from .corrections import NodeState, infection_id, mark_edited, read_state, set_record, tag
from .segmentations import replace_voxels
from .volumes import world_affine

if TYPE_CHECKING:
    from collections.abc import Callable

    import slicer


@dataclass(frozen=True)
class Review:
    """The lesions of a segmentation, and how much of its infection a reader edited (in percent, None: not known)."""

    node: slicer.vtkMRMLSegmentationNode
    volume_node: slicer.vtkMRMLScalarVolumeNode
    state: NodeState
    lesions: ReviewList
    edited_percent: float | None

    def mask(self, lesion: ReviewLesion) -> np.ndarray:
        """The voxels of a lesion (bool, z, y, x)."""
        return self.lesions.mask(lesion.number, self.state.current.shape)

    @property
    def can_change(self) -> bool:
        """Whether lesions may be accepted and deleted: not in a segment that is completed."""
        return not self.state.completed & bit(Label.INFECTION)


def plan_review(
    node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLScalarVolumeNode
) -> Callable[[], Review]:
    """Read what is needed from the scene; the function that is returned does the long part, and in any thread.

    Raises InputError when the segmentation belongs to another scan.
    """
    state = read_state(node, volume_node)
    segment = node.GetSegmentation().GetSegment(infection_id())
    seeds = read_seeds(tag(segment, CERTAINTY_TAG)) if segment is not None else ()
    affine = world_affine(volume_node)

    def compute() -> Review:
        infection = state.current & bit(Label.INFECTION) != 0
        readers = reader_voxels(state.current, state.last)
        last = state.last
        decided = ((state.current & ~last.drawn) | last.agreed) & bit(Label.INFECTION) != 0
        lesions = make_review_list(infection, affine, readers, decided, seeds)
        return Review(node, volume_node, state, lesions, edited_percent(state.current, last))

    return compute


def accept_lesion(review: Review, lesion: ReviewLesion) -> None:
    """Make the lesion the reader's word: no later run takes it away. To be called on a current review."""
    set_record(review.node, accept(review.state.last, review.mask(lesion), Label.INFECTION), Label.INFECTION)


def delete_lesion(review: Review, lesion: ReviewLesion) -> None:
    """Turn the lesion into the lung that it lies in, as a reader's correction. To be called on a current review."""
    state, mask = review.state, review.mask(lesion)
    affine = world_affine(review.volume_node)
    bits = state.current.copy()
    bits[mask] &= np.uint8(~bit(Label.INFECTION) & 0xFF)
    may_grow = [label for label in (Label.LEFT_LUNG, Label.RIGHT_LUNG) if label in state.present]
    may_grow = [label for label in may_grow if not state.completed & bit(label)]
    sides = sides_of_labels(state.current != 0, affine)
    order = axial_order(affine)
    upright, place = order.to_axial(bits), order.to_axial(mask)
    for k in np.flatnonzero(place.any(axis=(1, 2))):
        bare = place[k] & (upright[k] == 0)
        left = sides.is_left(int(k))
        for label, side in ((Label.LEFT_LUNG, left), (Label.RIGHT_LUNG, ~left)):
            if label in may_grow:
                upright[k][bare & side] = bit(label)
    replace_voxels(review.node, review.volume_node, bits, tuple(int(one) for one in (*may_grow, Label.INFECTION)))
    mark_edited(review.node, read_state(review.node, review.volume_node))
