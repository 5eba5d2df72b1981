"""Slicer's own slice and 3-D views without Slicer's window: its displayable managers draw into an off-screen image.

Needs the pip package slicer-core and an OpenGL (EGL, Mesa) library; without the latter the *process* ends, so this is
only to be used in a process of its own (:mod:`CovidSegLib.report.pictures`).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from ..geometry.volume import LUNG_LEVEL, LUNG_WINDOW, CtVolume

if TYPE_CHECKING:
    import slicer
    import vtk

SIZE = (900, 700)
"""Width and height of every picture in pixels."""

_BACKGROUND_3D = (0.757, 0.765, 0.910)  # Slicer's own
_OUTLINE_PIXELS = 2
_SLICE_MANAGERS = (
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
)
_3D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLOrientationMarkerDisplayableManager",
)


class OffscreenSlicer:
    """A MRML scene with the logics that loading and drawing need, outside of the Slicer application.

    ``scene`` is the scene, ``application`` its application logic.
    """

    def __init__(self) -> None:
        import slicer
        import vtk

        # Slicer's colour files are not in the package; the built-in grey scale is all that is needed.
        vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
        self.scene = slicer.vtkMRMLScene()
        self.application = slicer.vtkSlicerApplicationLogic()
        self.application.SetTemporaryPath(tempfile.gettempdir())
        self.application.SetMRMLScene(self.scene)
        self._logics: list[slicer.vtkMRMLAbstractLogic] = []
        self._add_logic(slicer.vtkSlicerColorLogic(), "Colors")
        self.application.SetColorLogic(self._logics[0])
        self._add_logic(slicer.vtkSlicerSubjectHierarchyModuleLogic(), "SubjectHierarchy")
        self._add_logic(slicer.vtkSlicerSegmentationsModuleLogic(), "Segmentations")
        slicer.mrmlScene = self.scene

    def _add_logic(self, logic: slicer.vtkMRMLAbstractLogic, name: str) -> None:
        # The application logic comes before the scene: setting the scene registers the node classes.
        logic.SetMRMLApplicationLogic(self.application)
        logic.SetMRMLScene(self.scene)
        self.application.SetModuleLogic(name, logic)
        self._logics.append(logic)

    def add_volume(self, volume: CtVolume) -> slicer.vtkMRMLScalarVolumeNode:
        """Add ``volume`` to the scene, shown in the lung window."""
        import slicer

        node = self.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
        slicer.util.updateVolumeFromArray(node, volume.voxels)
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(volume.affine))
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.AutoWindowLevelOff()
        display.SetWindowLevel(LUNG_WINDOW, LUNG_LEVEL)
        return node


class SliceView:
    """One slice view; ``orientation`` is Axial, Coronal or Sagittal, ``volume_node`` its background."""

    def __init__(
        self, offscreen: OffscreenSlicer, orientation: str, volume_node: slicer.vtkMRMLScalarVolumeNode
    ) -> None:
        import slicer
        import vtk

        self._window, renderer = _window()
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(offscreen.application)
        self._logic.SetMRMLScene(offscreen.scene)
        self._logic.AddSliceNode(orientation)
        node = self._logic.GetSliceNode()
        node.SetOrientation(orientation)
        node.SetOrientationMarkerType(node.OrientationMarkerTypeAxes)
        node.SetRulerColor(node.RulerColorYellow)
        self._logic.ResizeSliceNode(*SIZE)
        self._logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume_node.GetID())
        # The slices as they were taken, also when the patient lay askew.
        self._logic.RotateSliceToLowestVolumeAxes()
        self._logic.FitSliceToBackground(*SIZE)
        # The slice's image fills the window pixel by pixel; in Slicer the view widget does this.
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        self._logic.UpdatePipeline()
        mapper.SetInputConnection(self._logic.GetImageDataConnection())
        image = vtk.vtkActor2D()
        image.SetMapper(mapper)
        image.GetProperty().SetDisplayLocationToBackground()
        renderer.AddViewProp(image)
        # After the image: what is half transparent is mixed with what was drawn before it.
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        self._managers = _managers(factory, _SLICE_MANAGERS, offscreen, renderer, node)

    def save(self, path: Path, ras: np.ndarray) -> None:
        """Write the slice through the point ``ras`` (mm) to ``path`` (PNG)."""
        # Not SetSliceOffset: a sagittal slice's offset runs against R.
        node = self._logic.GetSliceNode()
        node.JumpSlice(*(float(value) for value in ras))
        node.SetRulerType(node.RulerTypeNone)
        self._logic.UpdatePipeline()
        without = _grabbed(self._window)
        node.SetRulerType(node.RulerTypeThin)
        _write(_outlined(_grabbed(self._window), without), path)


class ThreeDView:
    """The 3-D view: everything in the scene that has a surface, seen from the front and a little from above.

    ``marker``: with the axes of the patient in a corner.
    """

    def __init__(self, offscreen: OffscreenSlicer, *, marker: bool = True) -> None:
        import slicer

        self._window, self._renderer = _window()
        node = slicer.vtkMRMLViewNode()
        node.SetLayoutName("1")
        node = offscreen.scene.AddNode(node)
        node.SetBoxVisible(False)
        node.SetAxisLabelsVisible(False)
        node.SetBackgroundColor(*_BACKGROUND_3D)
        node.SetBackgroundColor2(*_BACKGROUND_3D)
        if marker:
            node.SetOrientationMarkerType(node.OrientationMarkerTypeAxes)
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        self._managers = _managers(factory, _3D_MANAGERS, offscreen, self._renderer, node)
        # Without depth peeling what is inside a half-transparent lung is drawn in the wrong order.
        self._renderer.SetUseDepthPeeling(True)
        self._window.SetAlphaBitPlanes(True)

    def save(self, path: Path) -> None:
        """Write the view to ``path`` (PNG)."""
        self._window.Render()
        self._renderer.ResetCamera()
        camera = self._renderer.GetActiveCamera()
        right, front, up = camera.GetFocalPoint()
        camera.SetPosition(right, front + camera.GetDistance(), up)
        camera.SetViewUp(0, 0, 1)
        camera.Elevation(10)
        self._renderer.ResetCamera()
        camera.Zoom(1.4)
        self._renderer.ResetCameraClippingRange()
        _write(_grabbed(self._window), path)


def _window() -> tuple[vtk.vtkRenderWindow, vtk.vtkRenderer]:
    import vtk

    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(True)
    window.SetSize(*SIZE)
    window.SetMultiSamples(0)
    renderer = vtk.vtkRenderer()
    window.AddRenderer(renderer)
    # The displayable managers listen to an interactor, although nobody interacts here.
    vtk.vtkRenderWindowInteractor().SetRenderWindow(window)
    return window, renderer


def _managers(
    factory: slicer.vtkMRMLDisplayableManagerFactory,
    names: tuple[str, ...],
    offscreen: OffscreenSlicer,
    renderer: vtk.vtkRenderer,
    node: slicer.vtkMRMLAbstractViewNode,
) -> slicer.vtkMRMLDisplayableManagerGroup:
    """Let the displayable managers ``names`` draw what belongs to the view ``node`` into ``renderer``."""
    factory.SetMRMLApplicationLogic(offscreen.application)
    for name in names:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)
    group = factory.InstantiateDisplayableManagers(renderer)
    group.SetMRMLDisplayableNode(node)
    return group


def _grabbed(window: vtk.vtkRenderWindow) -> np.ndarray:
    """What ``window`` shows: uint8 (rows from below, columns, RGB)."""
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    window.Render()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    image = grab.GetOutput()
    columns, rows, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, 3).copy()


def _outlined(picture: np.ndarray, without: np.ndarray) -> np.ndarray:
    """``picture`` with a dark line around what is not in ``without``: Slicer's ruler alone cannot be read on bone."""
    drawn = (picture != without).any(axis=2)
    around = ndimage.binary_dilation(drawn, iterations=_OUTLINE_PIXELS) & ~drawn
    return np.where(around[..., None], np.uint8(0), picture)


def _write(picture: np.ndarray, path: Path) -> None:
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    rows, columns, parts = picture.shape
    image = vtk.vtkImageData()
    image.SetDimensions(columns, rows, 1)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(picture).reshape(-1, parts), deep=True))
    writer = vtk.vtkPNGWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(image)
    writer.Write()
