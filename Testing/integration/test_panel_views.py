"""The picture of the 3-D view in a report: of a view that Slicer draws, and that shows the segments."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

import slicer

from Testing.kit.slicer_window.application import Strict


class ThreeDView:
    """A 3-D view as the layout manager hands it out (qMRMLThreeDView); notes that it was drawn."""

    def __init__(self, scene: object, name: str) -> None:
        self._node = scene.AddNewNodeByClass("vtkMRMLViewNode", name)
        self.drawn = 0

    def mrmlViewNode(self) -> object:  # noqa: N802
        return self._node

    def forceRender(self) -> None:  # noqa: N802
        self.drawn += 1
        raise InterruptedError  # no further: nothing is drawn here


@pytest.mark.parametrize(
    ("seen", "shown_in", "drawn"), [((False, True), None, 1), ((True, True), 1, 1), ((False, False), None, None)]
)
def test_the_picture_is_taken_from_a_view_that_is_in_the_layout_and_shows_the_segments(
    opened: tuple, monkeypatch: pytest.MonkeyPatch, seen: tuple, shown_in: int | None, drawn: int | None
) -> None:
    from CovidSegLib.gui.core.slicer_views import grab_3d_view

    panel, _section, node, _scan = opened
    node.CreateClosedSurfaceRepresentation()
    views = [ThreeDView(panel.world.scene, name) for name in ("First", "Second")]
    widgets = [
        Strict(visible=visible, threeDView=lambda view=view: view) for visible, view in zip(seen, views, strict=True)
    ]
    manager = Strict(threeDViewCount=2, threeDWidget=lambda number: widgets[number])
    monkeypatch.setattr(type(slicer.app), "layoutManager", lambda self: manager)
    if shown_in is not None:
        node.GetDisplayNode().AddViewNodeID(views[shown_in].mrmlViewNode().GetID())
    if drawn is None:
        assert grab_3d_view(node) is None
    else:
        with pytest.raises(InterruptedError):
            grab_3d_view(node)
    assert [view.drawn for view in views] == [int(number == drawn) for number in range(2)]
