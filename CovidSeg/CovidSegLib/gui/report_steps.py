"""Numbers and reports of the segments as they are now, in steps (see :mod:`.task`), so that the window lives."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..geometry.volume import CtVolume
from ..measures import measure
from ..measures.edits import recorded_edits
from ..mrml.covidseg_segments import parts_in
from ..mrml.readback import absent_in, read_labels_in_steps, read_lobes
from ..mrml.scene_corrections import check_same_place, read_state, tag
from ..mrml.volumes import read_in_steps, read_volume_node
from ..progress import Progress
from ..reading.checks import all_said_of
from ..reading.verdict import judge_scan
from ..report.content import report_content
from ..report.page_pictures import Picture, picture_of, projection, slice_pictures
from ..report.report_formats import check_report, report_text
from ..segfiles import provenance_of
from ..segmentation import Segmentation
from ..system.atomic_files import OutputSet
from ..system.checksums import check_scan
from ..system.file_states import file_state
from ..system.steps import result_of, silently
from .core.scan_match import belonging_steps
from .core.scene_memory import SceneMemory
from .core.task import in_thread

if TYPE_CHECKING:
    import slicer


def report_steps(
    node: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    path: Path,
    three_d: bytes | None,
    memory: SceneMemory | None = None,
) -> Generator[None, None, Path]:
    """Write a report on the segments as they are to ``path`` (.html, .json, .csv); returns it.

    ``three_d``: the 3-D view as a PNG, or None; ``memory``: what is known of scan and segments. Raises InputError when
    the scan cannot be read, and when the segments do not belong to it or lie elsewhere, or OutputError; then there is
    no new file.
    """
    check_report(path)
    states = {path: file_state(path)}  # who chose the file was asked about what it was then
    memory = memory or SceneMemory()
    check_same_place(node, volume_node)
    yield from belonging_steps(node, volume_node, memory.fingerprints)
    volume = yield from silently(read_in_steps(volume_node))
    labels = yield from read_labels_in_steps(node, volume_node)
    last, absent = read_state(node, volume_node, memory.records).last, absent_in(node)
    made = provenance_of(partial(tag, segment) for segment in parts_in(node).values())
    yield None
    lobes = read_lobes(volume_node.GetScene(), volume_node)

    def write() -> Path:
        verdict = judge_scan(volume)
        measured = measure(
            labels, volume.grid, voxels=volume.voxels, lobes=lobes, absent=absent, stability=True, verdict=verdict
        )
        segmentation = Segmentation(labels, volume.affine, made)
        told = replace(volume, notes=all_said_of(volume))
        edits = recorded_edits(labels, last, volume.grid.voxel_ml)
        content = report_content(told, segmentation, measured, edits=edits)

        def pictures(volume: CtVolume, shown: Segmentation, _progress: Progress) -> tuple[Mapping[str, Picture], str]:
            view = {"3d": picture_of("3d", three_d)} if three_d else {"projection": projection(shown)}
            return {**slice_pictures(volume, shown), **view}, ""

        with OutputSet(states) as files:
            files.add_text(report_text(content, told, segmentation, path.suffix, Progress(), pictures), path)
            files.publish()
        return path

    return (yield from in_thread(write))


def save_report(
    node: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    path: Path,
    *,
    overwrite: bool = False,
) -> Path:
    """:func:`report_steps` from beginning to end, for the console, where no window asks what may be replaced.

    Parameters
    ----------
    node, volume_node
        The segments, and the scan that they belong to.
    path
        Its ending decides: .html, .json or .csv.
    overwrite
        Replace what is there. Without it only a report is replaced that was written for this scan and that nobody
        changed since.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    InputError
        The scan cannot be read, or the segments do not belong to it or lie elsewhere.
    OutputError
        The file may not be replaced, or cannot be written; what was there is as it was.
    """
    path = Path(path)
    check_report(path)
    if not overwrite and path.exists():
        check_scan([path], read_volume_node(volume_node).fingerprint)
    return result_of(report_steps(node, volume_node, path, None))
