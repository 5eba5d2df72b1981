"""What tests of the panel do again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import slicer

from .own_clock import own_seconds
from .slicer_window.application import install_qt

if TYPE_CHECKING:
    from .slicer_window.module import OpenModule

install_qt()  # what tests import after this, CovidSegLib.gui among it, finds qt, ctk and Slicer's base classes

CLEAN, PRINTS, IS_REFUSED, HAS_A_BUG, IS_KILLED, NEVER_ENDS, OUT_OF_MEMORY, TAKES_A_SECOND, TIDIES_FOR_EVER, IS_DEAF = (
    range(10)
)
"""What the stand-in pipeline does when a scan's first voxel has this value; any other is segmented."""

IS_DRAWN, DRAWN_HU = 10, -850
"""A scan that begins with the first holds the labels that are its result: 1 to 3 less than the second; tissue else."""


def tell(scan: slicer.vtkMRMLScalarVolumeNode, value: int) -> None:
    """Tell the stand-in pipeline, by the scan's first voxel, what to do."""
    slicer.util.arrayFromVolume(scan)[0, 0, 0] = value
    slicer.util.arrayFromVolumeModified(scan)


def tell_and_settle(panel: OpenModule, scan: slicer.vtkMRMLScalarVolumeNode, value: int) -> None:
    """As :func:`tell`, and wait until the panel heard that the scan changed: what it said before holds no longer."""
    heard: list[bool] = []
    panel.session.nodesChanged.connect(lambda: heard.append(True))
    tell(scan, value)
    panel.until(lambda: heard)


def scan_shown(panel: OpenModule) -> object:
    """The scan whose numbers are shown; None while there are none."""
    shown = panel.session.shown.value
    return shown and shown.volumeNode


def reading(panel: OpenModule) -> object:
    """The section that reads the scene for the others: ``busy`` while it does."""
    return panel.section("ReadingSection")


def finish(panel: OpenModule) -> None:
    """Click Apply and wait for the end of the run, however it ends."""
    panel.click("applyButton")
    panel.until(lambda: not panel.running)


def stop(panel: OpenModule) -> None:
    """Click Cancel, and wait until what has to be cleaned up is."""
    panel.click("applyButton")
    panel.until(lambda: not panel.running)


def until_reported(panel: OpenModule, phase: str, act: Callable[[], None]) -> None:
    """Do ``act`` the moment ``phase`` is reported."""
    done: list[bool] = []

    def heard(report: object) -> None:
        if not done and report.stage == phase:
            done.append(True)
            act()

    panel.session.runReported.connect(heard)
    panel.click("applyButton")
    panel.until(lambda: not panel.running)
    assert done


def assert_window_lives(panel: OpenModule, until: Callable[[], bool], seconds: float = 180.0) -> None:
    """Let Qt work until ``until``, and hold that no turn of its event loop keeps the window from answering.

    A turn may compute for a fifth of a second and take one second altogether.
    """
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, f"it did not happen in {seconds} s"
        began, computed = own_seconds(), time.thread_time()
        slicer.app.processEvents()
        assert time.thread_time() - computed < 0.2
        assert own_seconds() - began < 1.0
        time.sleep(0.002)


def sees(widget: object) -> bool:
    """Whether a user would see the widget: neither it nor what is around it is hidden."""
    while widget is not None:
        if widget.isHidden() and widget.parent() is not None:
            return False
        widget = widget.parent()
    return True
