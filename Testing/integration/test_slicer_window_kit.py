"""The stand-in for Slicer's window is strict: what Slicer would not have is an error here, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

if TYPE_CHECKING:
    from Testing.kit.slicer_window.application import SlicerWorld
    from Testing.kit.slicer_window.module import OpenModule


def test_a_property_is_an_attribute_and_cannot_be_called(panel: OpenModule) -> None:
    assert panel.ui.applyButton.text == "Apply"
    with pytest.raises(TypeError, match="not callable"):
        panel.ui.applyButton.text()


@pytest.mark.parametrize("name", ["colour", "setSegmentationNode", "_private_of_nobody"])
def test_an_attribute_that_slicer_lacks_is_an_error(panel: OpenModule, name: str) -> None:
    with pytest.raises(AttributeError):
        getattr(panel.ui.applyButton, name)


def test_an_attribute_that_is_no_property_cannot_be_set(panel: OpenModule) -> None:
    with pytest.raises(AttributeError, match="no Qt property"):
        panel.ui.applyButton.txt = "Apply"
    with pytest.raises(ValueError, match="does not take"):
        panel.ui.progressBar.value = "half"


def test_a_signal_that_does_not_exist_is_an_error(panel: OpenModule) -> None:
    for widget, signal in (
        (panel.ui.applyButton, "clicked(int)"),
        (panel.ui.applyButton, "pushed()"),
        (panel.ui.inputSelector, "currentIndexChanged(int)"),
    ):
        with pytest.raises(ValueError, match="has no signal"):
            widget.connect(signal, print)


def test_the_node_selector_is_no_combo_box(panel: OpenModule) -> None:
    with pytest.raises(AttributeError):
        panel.ui.inputSelector.addItem("a node")


def test_slicer_app_and_modules_have_nothing_more_than_was_given(world: SlicerWorld) -> None:
    import slicer

    for owner, name in ((slicer.app, "restart"), (slicer.modules, "cropvolume")):
        with pytest.raises(AttributeError):
            getattr(owner, name)
    with pytest.raises(ValueError, match="no signal"):
        slicer.app.connect("startup()", print)


def test_what_an_observer_raises_fails_the_test(world: SlicerWorld) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("in an observer")

    tag = world.scene.AddObserver(world.scene.NodeAddedEvent, broken)
    world.scene.AddNewNodeByClass("vtkMRMLTextNode")
    world.scene.RemoveObserver(tag)
    assert len(world.errors) == 1
    assert "in an observer" in world.errors.pop()


def test_a_parameter_that_does_not_exist_cannot_be_set(panel: OpenModule) -> None:
    with pytest.raises(AttributeError, match="no parameter"):
        panel.session.parameters.inputVolum = None
