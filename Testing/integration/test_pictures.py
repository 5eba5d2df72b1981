"""Pictures as Slicer's own views draw them."""

from __future__ import annotations

import ctypes.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from CovidSegLib.errors import EngineError, OutputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Cancelled, Progress, Report
from CovidSegLib.report import draw_pictures
from CovidSegLib.report.pictures import PICTURES
from CovidSegLib.report.places import central_points
from CovidSegLib.segmentation import SEGMENTS, Label, Provenance, Segmentation

NO_PROVENANCE = Provenance("", "", "", "", "")
AXIAL = np.array(((-3.0, 0, 0, 90), (0, -3.0, 0, 90), (0, 0, 4.0, -60), (0, 0, 0, 1)))


def chest(*, infected: bool = True) -> tuple[CtVolume, Segmentation]:
    """A box of soft tissue with two lungs (left, at high x: wide; right: narrow) and an infection low in the right."""
    labels = np.zeros((30, 48, 60), np.uint8)
    labels[4:26, 10:40, 34:54] = Label.LEFT_LUNG
    labels[4:26, 10:40, 8:22] = Label.RIGHT_LUNG
    if infected:
        labels[6:10, 28:36, 10:20] = Label.INFECTION
    hounsfield = np.array((40, -850, -850, -300), np.int16)
    return CtVolume(hounsfield[labels], AXIAL), Segmentation(labels, AXIAL, NO_PROVENANCE)


def pixels(path: Path) -> np.ndarray:
    """Rows, columns, RGB as whole numbers."""
    with Image.open(path) as image:
        assert image.size == (900, 700)
        return np.asarray(image.convert("RGB")).astype(int)


def close_to(picture: np.ndarray, color: tuple[float, float, float], distance: int = 6) -> np.ndarray:
    """Where ``picture`` has ``color`` (0 to 1)."""
    return (np.abs(picture - np.round(np.array(color) * 255)) <= distance).all(axis=-1)


@pytest.fixture(scope="session")
def opengl() -> None:
    pytest.importorskip("slicer", reason="needs the pip package slicer-core")
    if sys.platform == "linux" and ctypes.util.find_library("EGL") is None:
        pytest.skip("needs EGL: install libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri")


@pytest.fixture(scope="session")
def drawn(opengl: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, np.ndarray], list[Report]]:
    """The four pictures of :func:`chest`, and what was reported while they were drawn."""
    reports: list[Report] = []
    folder = tmp_path_factory.mktemp("pictures") / "new"
    paths = draw_pictures(*chest(), folder, "case", Progress(reports.append))
    assert [path.name for path in paths] == [f"case_{name}.png" for name in PICTURES]
    assert sorted(folder.iterdir()) == sorted(paths)
    return {name: pixels(path) for name, path in zip(PICTURES, paths, strict=True)}, reports


@pytest.mark.parametrize("name", ["axial", "coronal", "sagittal"])
def test_the_scale_bar_can_be_read_on_white(name: str, drawn: tuple[dict[str, np.ndarray], list[Report]]) -> None:
    bar = close_to(drawn[0][name], (1.0, 1.0, 0.0))
    assert bar.sum() > 100
    around = ndimage.binary_dilation(bar, iterations=2) & ~bar
    assert (drawn[0][name][around].max(axis=1) < 60).mean() > 0.5


@pytest.mark.parametrize("name", ["axial", "coronal", "sagittal"])
def test_slices_show_the_outline_of_the_infection_and_its_lung(name: str, drawn: tuple) -> None:
    picture = drawn[0][name]
    for segment in SEGMENTS:
        if name == "sagittal" and segment.label == Label.LEFT_LUNG:
            continue  # the slice goes through the infection, which is in the right lung
        assert close_to(picture, segment.color).sum() > 100, segment.name


def test_lungs_are_on_their_own_sides_as_radiologists_look(drawn: tuple) -> None:
    for name in ("axial", "coronal"):
        left, right, infection = (np.nonzero(close_to(drawn[0][name], segment.color))[1].mean() for segment in SEGMENTS)
        assert right < 450 < left
        assert infection < 450
    # The infection lies to the back and low: down in the axial picture, down in the coronal one.
    assert np.nonzero(close_to(drawn[0]["axial"], SEGMENTS[2].color))[0].mean() > 350
    assert np.nonzero(close_to(drawn[0]["coronal"], SEGMENTS[2].color))[0].mean() > 350


def test_the_scan_is_seen_through_the_fill(drawn: tuple) -> None:
    # -850 HU is a third of grey in the lung window (85 of 255), and an eighth of it is the segment's colour.
    row, column = 350, int(np.nonzero(close_to(drawn[0]["axial"], SEGMENTS[0].color))[1].mean())
    expected = 0.88 * 85 + 0.12 * 255 * np.array(SEGMENTS[0].color)
    np.testing.assert_allclose(drawn[0]["axial"][row, column], expected, atol=6)


def test_millimetres_are_as_long_in_both_directions(drawn: tuple) -> None:
    rows, columns = np.nonzero(close_to(drawn[0]["coronal"], SEGMENTS[0].color))
    # The left lung is 20 voxels of 3 mm wide and 22 slices of 4 mm high.
    assert np.ptp(rows) / np.ptp(columns) == pytest.approx(88 / 60, rel=0.05)


def test_the_3d_view_shows_the_infection_inside_the_lung(drawn: tuple) -> None:
    red, green, blue = np.moveaxis(drawn[0]["3d"], -1, 0)
    infection = (red > green + 25) & (red > blue + 25)
    left, right = (blue > red + 12) & (green > red), (green > red + 8) & (green > blue + 8)
    assert infection[:600].sum() > 500
    assert left.sum() > 5000
    assert right.sum() > 5000
    assert np.nonzero(right)[1].mean() < np.nonzero(infection[:600])[1].mean() + 150 < np.nonzero(left)[1].mean()


def test_progress_runs_to_the_end(drawn: tuple) -> None:
    fractions = [report.fraction for report in drawn[1]]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_a_result_without_lungs_is_drawn_too(opengl: None, tmp_path: Path) -> None:
    volume, segmentation = chest()
    nothing = Segmentation(np.zeros_like(segmentation.labels), AXIAL, NO_PROVENANCE)
    for path in draw_pictures(volume, nothing, tmp_path, "empty", Progress()):
        assert len(np.unique(pixels(path).reshape(-1, 3), axis=0)) > 1


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
@pytest.mark.parametrize("infected", [True, False], ids=["infected", "healthy"])
def test_slices_go_through_the_most_infection_else_the_most_lung(order: tuple[int, int, int], infected: bool) -> None:
    upright = chest(infected=infected)[1].labels.copy()
    if infected:
        upright[8, 27, 10:20] = Label.INFECTION  # one slice with a little more than the others
    # The same chest as scanners that begin elsewhere store it: other axes first, and from the other end.
    labels = upright.transpose(order)[::-1]
    affine = np.eye(4)
    affine[:3, :3] = AXIAL[:3, [2 - axis for axis in order[::-1]]]
    affine[:3, 3] = AXIAL[:3, 3] + affine[:3, 2] * (labels.shape[0] - 1)
    affine[:3, 2] *= -1
    points = central_points(labels, Grid(affine, labels.shape))
    to_index = np.linalg.inv(AXIAL)
    x, y, z = (round((to_index @ [*points[name], 1.0])[axis], 6) for axis, name in enumerate(PICTURES[2::-1]))
    if infected:
        assert z == 8
        assert 28 <= y < 36
        assert 10 <= x < 20
    else:
        assert 4 <= z < 26
        assert 10 <= y < 40
        assert 8 <= x < 22 or 34 <= x < 54


def test_without_opengl_the_error_names_what_to_install(
    opengl: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VTK_DEFAULT_OPENGL_WINDOW", "vtkXOpenGLRenderWindow")
    monkeypatch.setenv("DISPLAY", ":987")
    with pytest.raises(EngineError, match="libegl-mesa0"):
        draw_pictures(*chest(), tmp_path, "case", Progress())
    assert list(tmp_path.iterdir()) == []


def test_without_slicer_core_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EngineError, match="slicer-core"):
        draw_pictures(*chest(), tmp_path, "case", Progress())


def test_a_folder_that_cannot_be_made_is_an_output_error(opengl: None, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        draw_pictures(*chest(), tmp_path / "file", "case", Progress())


def test_a_stop_ends_the_drawing_and_leaves_nothing(
    opengl: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children: list[subprocess.Popen] = []

    class Noted(subprocess.Popen):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)
            children.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    with pytest.raises(Cancelled):
        draw_pictures(*chest(), tmp_path, "case", Progress(cancelled=lambda: True))
    assert [child.returncode == 0 for child in children] == [False]
    assert os.listdir(tmp_path) == []
