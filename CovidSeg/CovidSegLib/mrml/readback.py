"""Segments of the scene back as plain arrays, as a reader left them, and the numbers that follow from them."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..corrections.reviewed_segments import COMPLETED, STATUS_TAG
from ..errors import InputError
from ..geometry.volume import CtVolume
from ..measures import Lobe, Measurements, Rules, lobe_of_terminology, measure
from ..measures.given_lobes import GivenLobes
from ..measures.lobe_choice import in_order
from ..reading.verdict import judge_scan
from ..segfiles.lobe_files import TELLING_TAGS, says_checked, says_estimated
from ..segmentation import Label, absent_labels, label_of_codes
from ..system.steps import result_of
from .covidseg_segments import entries_in, ids_in, tag
from .scene_corrections import check_belongs, fingerprints_of, fingerprints_so_far
from .volumes import read_volume_node, scan_of, world_grid

if TYPE_CHECKING:
    import slicer


def our_segments(node: slicer.vtkMRMLSegmentationNode) -> dict[str, Label]:
    """Which of the segments are ours, by id: the one rule for all that is read from a node.

    It is that of the merge (:func:`CovidSegLib.segmentation.our_ids`). Where by that none is ours, whatever has codes
    of ours is read all the same: a DICOM SEG has no empty segments.
    """
    ours = {name: label for label, name in ids_in(node).items()}
    by_codes = ((name, label_of_codes(entry)) for name, entry in entries_in(node))
    return ours or {name: label for name, label in by_codes if label is not None}


def absent_in(node: slicer.vtkMRMLSegmentationNode) -> tuple[Label, ...]:
    """Which of our labels have no segment in the node any more (see :func:`CovidSegLib.segmentation.absent_labels`)."""
    return absent_labels(our_segments(node).values())


def read_labels(segmentation_node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """The labels of our segments on the grid of ``volume_node``: uint8 (K, J, I), hidden segments too.

    Where a reader let segments overlap, infection counts before lung.
    """
    return result_of(read_labels_in_steps(segmentation_node, volume_node))


def read_labels_in_steps(
    segmentation_node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLVolumeNode
) -> Generator[None, None, np.ndarray]:
    """As :func:`read_labels`, segment by segment, for a window that must stay live."""
    labels = np.zeros(volume_node.GetImageData().GetDimensions()[::-1], np.uint8)
    for label, segment_id in sorted((label, name) for name, label in our_segments(segmentation_node).items()):
        if not segmentation_node.GetSegmentation().GetSegment(segment_id):
            continue  # taken out meanwhile
        labels[_mask(segmentation_node, segment_id, volume_node)] = label
        yield
    return labels


def read_lobes(scene: slicer.vtkMRMLScene, volume_node: slicer.vtkMRMLVolumeNode) -> GivenLobes | None:
    """The lobes of a segmentation in ``scene``, told by their codes, on the grid of ``volume_node``.

    None where no segment is a lobe. Segmentations that were made on another scan of the scene do not count: they may be
    of another patient. Of several it is the first to be tried, with the others behind it
    (:func:`CovidSegLib.measures.lobe_choice.in_order`); among equals those made on ``volume_node`` come first, then
    those with most lobes. ``source`` is the id of their node.
    """
    return in_order(_read_lobes(segments, volume_node) for segments in _lobe_segments(scene, volume_node))


def _read_lobes(segments: _LobeSegments, volume_node: slicer.vtkMRMLVolumeNode) -> GivenLobes:
    found = np.zeros(volume_node.GetImageData().GetDimensions()[::-1], np.uint8)
    for name, lobe in segments.lobes.items():
        found[_mask(segments.node, name, volume_node)] = lobe
    told = segments.told()
    return GivenLobes(
        found,
        any(says_estimated(one.name, one.segment_id, one.tags) for one in told),
        all(says_checked(one.tags) for one in told),
        segments.node.GetID(),
    )


@dataclass(frozen=True)
class _Told:
    """What a segment says of itself."""

    name: str
    segment_id: str
    tags: dict[str, str]


@dataclass(frozen=True)
class _LobeSegments:
    """A segmentation with lobes. ``lobes``: what its segments are, by their ids; several may be of one lobe."""

    node: slicer.vtkMRMLSegmentationNode
    lobes: dict[str, Lobe]

    def told(self) -> tuple[_Told, ...]:
        """What its lobes say of themselves."""
        found = []
        for segment_id in self.lobes:
            segment = self.node.GetSegmentation().GetSegment(segment_id)
            tags = {key: value for key in TELLING_TAGS if (value := tag(segment, key)) is not None}
            found.append(_Told(segment.GetName() or "", segment_id, tags))
        return tuple(found)


def mark_checked(scene: slicer.vtkMRMLScene, source: str, *, checked: bool) -> None:
    """Say that a reader has ``checked`` the lobes of ``source`` (of :func:`read_lobes`), or take it back.

    It is the status of their segments, which the Segment Editor shows: completed, or in progress.
    """
    node = scene.GetNodeByID(source)
    for name in _lobes_in(node) if node is not None else ():
        node.GetSegmentation().GetSegment(name).SetTag(STATUS_TAG, COMPLETED if checked else "inprogress")


def lobes_state(scene: slicer.vtkMRMLScene, volume_node: slicer.vtkMRMLVolumeNode | None) -> tuple[object, ...]:
    """What changes when :func:`read_lobes` has other segments or other voxels to read; looks at no voxel."""
    state: list[object] = []
    for segments in _lobe_segments(scene, volume_node):
        node, lobes = segments.node, segments.lobes
        parent = node.GetParentTransformNode()
        place = (parent.GetID(), parent.GetTransformToWorldMTime()) if parent is not None else ()
        state.append((node.GetID(), tuple(lobes.items()), segments_state(node, lobes), segments.told(), place))
    return tuple(state)


def segments_state(
    node: slicer.vtkMRMLSegmentationNode, segment_ids: Iterable[str]
) -> tuple[tuple[str, int, int], ...]:
    """What changes with every edit: the times of the segments' images (the segmentation's own time does not)."""
    segmentation, state = node.GetSegmentation(), []
    for segment_id in segment_ids:
        image = segmentation.GetSegment(segment_id).GetRepresentation("Binary labelmap")
        scalars = image.GetPointData().GetScalars() if image is not None else None
        state.append((segment_id, image.GetMTime() if image else 0, scalars.GetMTime() if scalars else 0))
    return tuple(state)


def _lobe_segments(
    scene: slicer.vtkMRMLScene, volume_node: slicer.vtkMRMLVolumeNode | None
) -> tuple[_LobeSegments, ...]:
    """The segmentations whose lobes may be those of ``volume_node``: those made on it first, then by their lobes."""
    found: list[tuple[bool, int, int, _LobeSegments]] = []
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")):
        node = scene.GetNthNodeByClass(number, "vtkMRMLSegmentationNode")
        made_on = scan_of(node)
        lobes = _lobes_in(node) if made_on in (volume_node, None) else {}
        if lobes:
            found.append((made_on is None, -len(set(lobes.values())), len(found), _LobeSegments(node, lobes)))
    return tuple(segments for *_rank, segments in sorted(found, key=lambda one: one[:3]))


def _lobes_in(node: slicer.vtkMRMLSegmentationNode) -> dict[str, Lobe]:
    """Which of the segments are lobes, by id."""
    return {name: lobe for name, entry in entries_in(node) if (lobe := lobe_of_terminology(entry)) is not None}


def measure_nodes(
    segmentation_node: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    *,
    rules: Rules | None = None,
    stability: bool = False,
) -> Measurements:
    """The numbers of the segments as they are now, with those of lobes if the scene has some.

    Parameters
    ----------
    segmentation_node, volume_node
        The segments, and the scan that they belong to.
    rules
        By which scores, classes and densities are told; the default ones by default.
    stability
        Measure also with each mask's edge moved by one voxel, for :meth:`.Measurements.span`.

    Returns
    -------
    Measurements
        Volumes in mL, shares in %, densities in HU. Where the segments do not belong to the scan the first of the
        ``flags`` says so; the panel gives no numbers then.

    Raises
    ------
    InputError
        The volume cannot be read (see :func:`.volumes.read_volume_node`).
    """
    volume = read_volume_node(volume_node)
    measured = measure(
        read_labels(segmentation_node, volume_node),
        volume.grid,
        voxels=volume.voxels,
        lobes=read_lobes(volume_node.GetScene(), volume_node),
        absent=absent_in(segmentation_node),
        rules=rules,
        stability=stability,
        verdict=judge_scan(volume),
    )
    return replace(measured, flags=(*_why_foreign(segmentation_node, volume_node, volume), *measured.flags))


def _why_foreign(
    segmentation_node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLScalarVolumeNode, volume: CtVolume
) -> tuple[str, ...]:
    """A sentence where the segments do not belong to the scan, which was read as ``volume``."""
    fingerprints = fingerprints_so_far(volume, volume_node, fingerprints_of(segmentation_node))
    try:
        check_belongs(segmentation_node, volume_node, fingerprints)
    except InputError as error:
        return (error.sentence,)
    return ()


def measure_segments_alone(segmentation_node: slicer.vtkMRMLSegmentationNode) -> Measurements:
    """The numbers of the segments on their own reference grid: without a scan there are no densities."""
    import slicer

    volume_node = slicer.vtkMRMLLabelMapVolumeNode()
    scene = segmentation_node.GetScene()
    volume_node.HideFromEditorsOn()
    scene.AddNode(volume_node)
    try:
        ids = segmentation_node.GetSegmentation().GetSegmentIDs()
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        if not logic.ExportSegmentsToLabelmapNode(
            segmentation_node, list(ids), volume_node, None, slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
        ):
            raise RuntimeError("Slicer did not give the segments")
        volume_node.SetAndObserveTransformNodeID(segmentation_node.GetTransformNodeID())
        labels = read_labels(segmentation_node, volume_node)
        return measure(labels, world_grid(volume_node), absent=absent_in(segmentation_node))
    finally:
        scene.RemoveNode(volume_node)


def _mask(node: slicer.vtkMRMLSegmentationNode, segment_id: str, volume_node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """A segment's voxels (bool, z, y, x) on the grid of ``volume_node``, which may stand under another transform.

    Nothing is added to the scene: slicer.util.arrayFromSegmentBinaryLabelmap leaves display nodes behind, and segments
    are read after each stroke of a reader.
    """
    import slicer
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    shape = volume_node.GetImageData().GetDimensions()[::-1]
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    grid = logic.CreateOrientedImageDataFromVolumeNode(volume_node, node.GetParentTransformNode())
    grid.UnRegister(None)  # it was made for us, and Python holds it too
    image, ids = slicer.vtkOrientedImageData(), vtk.vtkStringArray()
    ids.InsertNextValue(segment_id)
    mode = slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    if not node.GenerateMergedLabelmapForAllSegments(image, mode, grid, ids):
        return np.zeros(shape, bool)
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape) > 0
