"""The network on a GPU, through the real provider: WebGPU on a GPU in software."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest

from CovidSegLib.device_trial import MOST_DIFFERENT
from CovidSegLib.network import models
from CovidSegLib.phantom import make_phantom
from Testing.kit.command_line import CommandLine
from Testing.kit.four_classes import WINDOW, write_card, write_network
from Testing.kit.slicers_python import answer
from Testing.kit.software_gpu import software_gpu
from Testing.kit.wheels import packed

if TYPE_CHECKING:
    from CovidSegLib.gui.core.parameters import Device
    from Testing.kit.slicer_window.application import SlicerWorld
    from Testing.kit.slicer_window.module import OpenModule

PROGRAM = """
import json
import numpy as np
from CovidSegLib.device_trial import admit, trial_slices
from CovidSegLib.network import models
from CovidSegLib.network.engines import GpuThenCpu
from CovidSegLib.network.onnx_engine import OnnxEngine
from CovidSegLib.network.providers import CPU, describe_device, find, installed_gpus
from CovidSegLib.progress import Progress

class Gone:
    def run(self, *_arguments):
        raise RuntimeError("device lost")

model, webgpu, found, notices = models.find("default"), find("webgpu"), {}, []
progress = Progress(lambda report: notices.append(report.notice) if report.notice else None)
inputs = np.ascontiguousarray(trial_slices()[:, 80:144, 64:128])
opener = lambda provider: OnnxEngine(model, provider, 1)
cpu = opener(CPU).predict(inputs)

engine = admit(model, webgpu, opener, False, inputs=inputs)
one, three = engine.predict(inputs[:1]), engine.predict(np.concatenate([inputs, inputs[:1]]))
two = engine.predict(inputs)  # padded to three
found["asked for"] = {
    "device": engine.device, "there": [gpu.name for gpu in installed_gpus()], "description": describe_device(webgpu),
    "different": float(np.mean(two.argmax(-1) != cpu.argmax(-1))), "lung": float(np.mean(cpu.argmax(-1) == 1)),
    "apart": float(np.abs(two - cpu).max()), "shapes": [one.shape, two.shape, three.shape],
    "same": bool(np.allclose(one, two[:1], atol=1e-5) and np.allclose(three[:2], two, atol=1e-5)),
}
auto = GpuThenCpu([lambda: admit(model, webgpu, opener, True, inputs=inputs)], lambda: opener(CPU), progress)
found["auto"] = {"device": auto.device, "notices": list(notices)}
lost = GpuThenCpu([lambda: engine], lambda: opener(CPU), progress)
before, engine._session = lost.device, Gone()
after = lost.predict(inputs)
found["lost"] = {"devices": [before, lost.device], "exact": bool(np.array_equal(after, cpu))}
print(json.dumps(found))
"""
"""On pictures of 64 x 64: the network's own size takes ten seconds a slice."""

SMALL = "small-pictures"
"""The shipped network by a card of its own: it looks once, at small pictures. What a trial found holds for both."""


def install_small(folder: Path) -> None:
    """Install :data:`SMALL` in ``folder``."""
    model = models.find("default")
    (file,) = (path for path in model.files if path.suffix == ".onnx")
    inputs = {**model.card["inputs"], "shape": [96, 128]}
    inputs.pop("second_look", None)
    card = {**model.card, "name": SMALL, "inputs": inputs, "files": {"onnx": model.card["files"]["onnx"]}}
    folder.mkdir(exist_ok=True)
    (folder / f"{SMALL}.json").write_text(json.dumps(card), encoding="utf-8")
    shutil.copy(file, folder)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """That of a process with the GPU in software, and with verdicts kept in a folder of these tests."""
    return software_gpu() | {"COVIDSEG_CACHE": str(tmp_path_factory.mktemp("verdicts"))}


@pytest.fixture(scope="module")
def found(environment: dict[str, str]) -> dict[str, Any]:
    """What :data:`PROGRAM` prints."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_gpu_gives_the_masks_of_the_cpu_and_is_used_when_it_is_asked_for(found: dict[str, Any]) -> None:
    asked_for = found["asked for"]
    assert asked_for["device"] == "webgpu"
    assert "webgpu" in asked_for["there"]
    assert asked_for["description"]
    assert asked_for["lung"] > 0.1
    assert asked_for["different"] <= MOST_DIFFERENT
    assert asked_for["apart"] < 1e-4
    assert asked_for["shapes"] == [[1, 64, 64, 3], [2, 64, 64, 3], [3, 64, 64, 3]]
    assert asked_for["same"]


def test_the_gpu_in_software_is_slower_and_auto_says_so_and_takes_the_cpu(found: dict[str, Any]) -> None:
    assert found["auto"]["device"] == "cpu"
    (notice,) = found["auto"]["notices"]
    assert "slower than the CPU" in notice


def test_a_gpu_that_goes_away_in_the_middle_loses_no_slice(found: dict[str, Any]) -> None:
    assert found["lost"] == {"devices": ["webgpu", "cpu"], "exact": True}


def test_the_command_writes_the_masks_of_the_cpu(
    tmp_path: Path, environment: dict[str, str], found: dict[str, Any]
) -> None:
    assert found  # the GPU was tried: here it need not be, which would take its time
    command = CommandLine(tmp_path, sockets=False)
    command.environment |= {**environment, "COVIDSEG_MODELS": str(tmp_path / "models")}
    install_small(tmp_path / "models")
    assert command.run("sample", "scan.nii.gz", "--slices", "1", "--quiet").returncode == 0
    masks = {}
    for device in ("cpu", "webgpu"):
        with command.start(
            *("segment", "scan.nii.gz", "-o", f"{device}.nii.gz", "--json", "r.json", "--overwrite"),
            *("--device", device, "--model", SMALL),
        ) as process:
            _output, errors = process.communicate()
        assert process.returncode == 0, errors
        assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["device"] == device
        masks[device] = np.asanyarray(nibabel.load(tmp_path / f"{device}.nii.gz").dataobj)
    assert len(np.unique(masks["cpu"])) == 4
    assert np.mean(masks["cpu"] != masks["webgpu"]) <= MOST_DIFFERENT


@pytest.mark.skipif(sys.platform == "win32", reason="the environment's layout is that of Unix")
def test_in_the_panel_from_the_question_to_the_masks(
    world: SlicerWorld,
    slicers_python: Path,
    tmp_path: Path,
    environment: dict[str, str],
    found: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the plug-in's own wheel from a folder, beside the onnxruntime that is there.

    And with a network of three nodes: what compiles the shipped one for this GPU takes most of the other tests' time.
    """
    from CovidSegLib.gui.core.parameters import Device
    from Testing.kit.slicer_window.module import OpenModule

    assert found  # the GPU was tried: here it need not be, which would take its time
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    here = next(slicers_python.parents[1].glob("lib/python*/site-packages"))
    for entry in Path(importlib.util.find_spec("onnxruntime").origin).parents[1].glob("onnxruntime[.-]*"):
        (here / entry.name).symlink_to(entry)
    (here / "onnxruntime").symlink_to(Path(importlib.util.find_spec("onnxruntime").origin).parent)
    packed(tmp_path / "wheels", "onnxruntime_ep_webgpu")
    scan = world.logics.add_volume(make_phantom(slices=1).volume)
    (tmp_path / "models").mkdir(exist_ok=True)
    write_network(tmp_path / "models")
    write_card(tmp_path / "models", inputs={"shape": [96, 128], "hu_window": WINDOW})
    panel = OpenModule(world)
    panel.session.parameters.inputVolume = scan
    panel.session.parameters.model = "four"
    masks = [_segmented(panel, Device.CPU)]
    answer(monkeypatch, tmp_path / "wheels")
    section = panel.section("HardwareSection")
    panel.until(lambda: section._hardware is not None)
    panel.click("useGpuButton")
    assert "onnxruntime-ep-webgpu, 14 MB to download, 31 MB on disk" in panel.ui.installLabel.text
    panel.click("installFolderButton")
    panel.until(lambda: panel.ui.installFrame.isHidden(), 300)
    assert panel.ui.messageLabel.text == ""
    panel.until(lambda: panel.ui.useGpuButton.isHidden(), 300)
    masks.append(_segmented(panel, Device.GPU))
    assert panel.session.result.segmentation.provenance.device == "webgpu"
    assert "GPU (WebGPU): a GPU in software" in panel.ui.deviceInfoLabel.text
    panel.close()
    assert len(np.unique(masks[0])) == 4
    assert np.mean(masks[0] != masks[1]) <= MOST_DIFFERENT


def _segmented(panel: OpenModule, device: Device) -> np.ndarray:
    panel.session.parameters.device = device
    panel.session.parameters.outputSegmentation = None
    panel.click("applyButton")
    panel.until(lambda: not panel.running, 300)
    assert panel.ui.messageLabel.text == ""
    return panel.session.result.segmentation.labels


def test_without_a_device_for_the_plug_in_asking_for_it_is_an_error(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    if Path("/dev/dri").exists():
        pytest.skip("this computer may have a GPU")
    command = CommandLine(tmp_path)
    command.environment["COVIDSEG_CACHE"] = environment["COVIDSEG_CACHE"]
    assert command.run("sample", "scan.nii.gz", "--slices", "1", "--quiet").returncode == 0
    line = command.refused("segment", "scan.nii.gz", "-o", "masks.nii.gz", "--device", "webgpu")
    assert "no device for the GPU (WebGPU)" in line
