"""The GPU in the panel: which one there is, the question for the plug-in, and a plug-in that is not what it says."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

from CovidSegLib.gui.core import gpu_package, install
from CovidSegLib.gui.core.parameters import Device
from CovidSegLib.gui.core.wording import device_text
from CovidSegLib.hardware import Gpu, Hardware
from CovidSegLib.i18n import tr
from Testing.kit.panel_steps import finish, sees
from Testing.kit.slicers_python import answer, frozen, put_in
from Testing.kit.wheels import GPU_PLUGIN, GPU_RUNTIME, make_wheel

if TYPE_CHECKING:
    from Testing.kit.slicer_window.module import OpenModule

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the environment's layout is that of Unix")

CARD = "AMD Radeon RX 6600"
GPU = Gpu("webgpu", "GPU (WebGPU)", (CARD,))


@pytest.fixture
def has_card(panel: OpenModule, slicers_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenModule:
    """The panel on a computer with a graphics card that nothing installed can use; verdicts go into an own folder."""
    monkeypatch.setenv("COVIDSEG_CACHE", str(tmp_path / "cache"))
    section = panel.section("HardwareSection")
    panel.until(lambda: section._hardware is not None)
    panel.until(lambda: not section._task.busy)
    section._found(Hardware(2, ("onnx",), (CARD,)))
    return panel


def wheels(folder: Path, behaviour: str) -> Path:
    """A folder with an onnxruntime and a plug-in that behaves like this."""
    make_wheel(folder, "onnxruntime", "1.30.0", GPU_RUNTIME)
    make_wheel(folder, "onnxruntime_ep_webgpu", "0.4.0", GPU_PLUGIN.format(behaviour=behaviour))
    return folder


def install_from(panel: OpenModule, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for the GPU, and answer with ``folder``."""
    answer(monkeypatch, folder)
    panel.click("useGpuButton")
    panel.click("installFolderButton")
    panel.until(lambda: not sees(panel.ui.installFrame))


@pytest.mark.parametrize(
    ("gpus", "wanted", "words"),
    [
        ((GPU,), "auto", f"GPU (WebGPU): {CARD}"),
        ((GPU,), "gpu", f"GPU (WebGPU): {CARD}"),
        ((GPU,), "cpu", "CPU, 8 cores"),
        ((), "auto", f"CPU, 8 cores ({CARD} is there, but the installed onnxruntime cannot use it: see Use the GPU"),
        ((), "gpu", f"{CARD} is there, but the installed onnxruntime cannot use it"),
        ((replace(GPU, devices=()),), "auto", f"({CARD} is there, but the installed GPU (WebGPU) cannot use it)"),
        ((replace(GPU, slower=True),), "auto", "CPU, 8 cores (The GPU (WebGPU) is slower than the CPU)"),
        ((replace(GPU, slower=True),), "gpu", f"GPU (WebGPU): {CARD}"),
        ((replace(GPU, problem="It lies."),), "auto", "CPU, 8 cores (It lies)"),
        ((replace(GPU, problem="It lies."),), "gpu", "It lies."),
        ((replace(GPU, problem="It lies."), Gpu("coreml", "Core ML", ("M1",))), "auto", "Core ML: M1"),
    ],
)
def test_the_line_says_what_a_run_is_computed_on_and_why_not_on_the_gpu(
    gpus: tuple[Gpu, ...], wanted: str, words: str
) -> None:
    assert words in device_text(Hardware(8, ("onnx",), (CARD,), gpus), wanted)


def test_without_a_graphics_card_nothing_is_said_of_one() -> None:
    assert device_text(Hardware(1), "auto") == "CPU, 1 core"
    assert device_text(Hardware(1), "gpu") == "No GPU was found."


def test_the_question_names_the_card_the_packages_and_the_sizes(has_card: OpenModule, slicers_python: Path) -> None:
    put_in(next(slicers_python.parents[1].glob("lib/python*/site-packages")), "1.20.0")
    has_card.click("useGpuButton")
    text = has_card.ui.installLabel.text
    assert sees(has_card.ui.installFrame)
    assert text.startswith(f"{CARD}: CovidSeg can compute on it with the Python package onnxruntime-ep-webgpu, onnxrun")
    sizes = re.search(r"(\d+) MB to download, (\d+) MB on disk", text)
    assert int(sizes[1]) > gpu_package.PLUGIN.download_mb + 20  # this onnxruntime is too old for the plug-in
    assert int(sizes[2]) > gpu_package.PLUGIN.disk_mb + 60


def test_an_onnxruntime_that_is_new_enough_is_not_downloaded_again(
    has_card: OpenModule, slicers_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = next(slicers_python.parents[1].glob("lib/python*/site-packages"))
    put_in(place, "1.30.0")
    (place / "onnxruntime/__init__.py").write_text(GPU_RUNTIME, encoding="utf-8")
    make_wheel(tmp_path / "wheels", "onnxruntime_ep_webgpu", "0.4.0", GPU_PLUGIN.format(behaviour="works"))
    before = set(frozen(slicers_python).split("\n"))
    install_from(has_card, tmp_path / "wheels", monkeypatch)
    assert has_card.ui.messageLabel.text == ""
    added = set(frozen(slicers_python).split("\n")) - before
    assert added == {"onnxruntime_ep_webgpu", "onnxruntime_ep_webgpu-0.4.0.dist-info"}


def test_not_now_changes_nothing_and_no_run_begins(has_card: OpenModule, slicers_python: Path) -> None:
    before = frozen(slicers_python)
    has_card.click("useGpuButton")
    has_card.click("installNoButton")
    assert not sees(has_card.ui.installFrame)
    assert frozen(slicers_python) == before
    assert not has_card.running
    has_card.click("useGpuButton")
    assert sees(has_card.ui.installFrame)


def test_a_python_that_is_too_old_is_said_and_nothing_is_asked(
    has_card: OpenModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_package, "PLUGIN", replace(gpu_package.PLUGIN, python=(3, 99)))
    has_card.click("useGpuButton")
    assert not sees(has_card.ui.installFrame)
    sentence = has_card.ui.messageLabel.text
    assert sentence.startswith("The package onnxruntime-ep-webgpu needs Python 3.99 or newer, and this Slicer has 3.")


def test_a_build_for_other_hardware_that_is_too_old_for_the_plug_in_is_left_alone(
    has_card: OpenModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "is_installed", lambda package="onnxruntime": True)
    monkeypatch.setattr(install, "found", lambda: install.Installed("onnxruntime-gpu", "1.24.3"))
    has_card.click("useGpuButton")
    assert not sees(has_card.ui.installFrame)
    assert "onnxruntime-gpu 1.24.3 is too old: CovidSeg needs 1.24.4 or newer" in has_card.ui.messageLabel.text


def test_without_internet_the_reason_is_said_and_a_folder_is_offered(
    has_card: OpenModule, slicers_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "1")
    before = frozen(slicers_python)
    has_card.click("useGpuButton")
    has_card.click("installButton")
    has_card.until(lambda: sees(has_card.ui.messageFrame))
    assert "the package index cannot be reached. Slicer is as it was." in has_card.ui.messageLabel.text
    assert "folder with its wheel" in has_card.ui.messageLabel.text
    assert frozen(slicers_python) == before


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("lies", "was not installed, Slicer is as it was: The GPU (WebGPU) computes other masks than the CPU."),
        ("finds nothing", "was not installed, Slicer is as it was: There is no device for the GPU (WebGPU)"),
        ("crashes", "could not be installed"),
    ],
)
def test_a_plug_in_that_fails_its_trial_is_not_installed(
    behaviour: str,
    words: str,
    has_card: OpenModule,
    slicers_python: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = frozen(slicers_python)
    install_from(has_card, wheels(tmp_path / "wheels", behaviour), monkeypatch)
    assert has_card.ui.messageLabel.text.startswith("The package onnxruntime-ep-webgpu, onnxruntime ")
    assert words in has_card.ui.messageLabel.text
    assert frozen(slicers_python) == before
    assert has_card.ui.applyButton.enabled
    assert has_card.ui.useGpuButton.enabled


@pytest.mark.usefixtures("stand_in_pipeline")
def test_after_yes_the_line_names_the_card_the_button_goes_and_no_run_begins(
    has_card: OpenModule, slicers_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER", "1")  # else no driver is loaded where there is no card
    make_wheel(tmp_path / "wheels", "numpy", "0.9", "")
    before = set(frozen(slicers_python).split("\n"))
    has_card.session.parameters.device = Device.GPU  # which of the two is faster here is a matter of chance
    install_from(has_card, wheels(tmp_path / "wheels", "works"), monkeypatch)
    assert has_card.ui.messageLabel.text == ""
    assert not has_card.running
    after = set(frozen(slicers_python).split("\n"))
    assert before - after == set()
    assert {name.split("-")[0] for name in after - before} == {"onnxruntime", "onnxruntime_ep_webgpu"}
    has_card.until(lambda: "GPU (WebGPU): Card of the test" in has_card.ui.deviceInfoLabel.text)
    assert has_card.ui.useGpuButton.isHidden()
    finish(has_card)
    assert has_card.ui.outputSelector.currentNode() is not None


@pytest.mark.usefixtures("stand_in_pipeline")
def test_the_button_waits_while_a_run_is_under_way(panel: OpenModule) -> None:
    panel.click("applyButton")
    assert not panel.ui.useGpuButton.enabled
    panel.until(lambda: not panel.running)
    assert panel.ui.useGpuButton.enabled


def test_what_a_run_took_is_remembered_for_its_own_provider(panel: OpenModule) -> None:
    import slicer

    section = panel.section("HardwareSection")
    panel.until(lambda: section._hardware is not None)
    for device, seconds in (("cpu", 1.0), ("webgpu", 0.1)):
        slicer.app.userSettings().setValue(f"CovidSeg/SecondsPerSlice/{device}", seconds)
    section._found(Hardware(2, ("onnx",), (CARD,), (GPU,)))
    on_gpu = panel.session.expectedSeconds.value
    section._found(Hardware(2, ("onnx",), (CARD,), (replace(GPU, slower=True),)))
    assert panel.session.expectedSeconds.value > 5 * on_gpu - 10


def test_a_look_that_ends_in_a_crash_leaves_what_was_known_before() -> None:
    import json
    from dataclasses import asdict

    first = Hardware(4, ("onnx",), (CARD,), (replace(GPU, devices=(), problem=""),))
    assert Hardware.from_lines(json.dumps(asdict(first)) + "\nSegmentation fault\n") == first
    refused = replace(GPU, problem=["network.providers", "No {device}.", {"device": "GPU"}])
    again = Hardware.from_lines(json.dumps(asdict(replace(first, gpus=(refused,)))))
    assert again.gpus[0].reason == tr("No {device}.").format(device="GPU")
    with pytest.raises(ValueError, match="no description"):
        Hardware.from_lines("Segmentation fault\n")
