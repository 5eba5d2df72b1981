"""What the module does without its panel: the functions behind ``CovidSegLogic``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..pipeline import Options
from .core.run_steps import RunResult, run_steps
from .core.task import Task
from .core.task_slot import qt_ticker

if TYPE_CHECKING:
    import slicer


def process(
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    segmentation_node: slicer.vtkMRMLSegmentationNode | None,
    options: Options | None,
    *,
    wait: bool,
    before_write: Callable[[slicer.vtkMRMLSegmentationNode], None] = lambda node: None,
) -> Task[RunResult]:
    """Segment ``volume_node``; see ``CovidSegLogic.process``.

    ``before_write`` is called with the segmentation before it is changed, a new one while it is empty.
    """
    import slicer

    steps = run_steps(volume_node, segmentation_node, options or Options(), before_write)
    task = Task(steps, None if wait else qt_ticker())
    if wait:
        try:
            task.wait(slicer.app.processEvents)
        finally:
            task.close()  # Ctrl-C in the console must not leave a process behind
    else:
        task.start()
    return task
