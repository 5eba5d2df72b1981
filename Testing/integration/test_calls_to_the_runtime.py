"""From Apply and ``covidseg segment`` to the runtime: our functions that hand a scan on, as they are on the stacks."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("slicer", reason="needs the pip package slicer-core")
pytest.importorskip("PySide6", reason="needs the pip package PySide6-Essentials")

from CovidSegLib.segfiles.labelmap import save_nifti
from CovidSegLib.worker.parent import Worker
from Testing.kit.panel_steps import finish
from Testing.kit.small_phantom import small_phantom

if TYPE_CHECKING:
    from Testing.kit.slicer_window.module import OpenModule

LIBRARY = f"{os.sep}CovidSegLib{os.sep}"
DRIVERS = (f"core{os.sep}task.py", f"core{os.sep}ticker.py")
"""They run steps that are given to them, whosever these are."""

CHILD = """
import json, sys, threading
noted = []
def profile(frame, event, _argument):
    code = frame.f_code
    if not noted and event == "call" and code.co_name == "run" and "onnxruntime" in code.co_filename:
        noted.append(True)
        stacks = []
        for current in sys._current_frames().values():
            stack = []
            while current is not None:
                stack.append((current.f_code.co_filename, current.f_code.co_name))
                current = current.f_back
            stacks.append(stack[::-1])
        with open({place!r}, "w") as file:
            json.dump(stacks, file)
threading.setprofile(profile)
"""
"""Python's sitecustomize in the child: what stands on all stacks when ONNX Runtime computes for the first time."""


def calls_above(frame: FrameType | None) -> list[str]:
    """The functions of ours from the outermost to ``frame``."""
    found: list[str] = []
    while frame is not None:
        file = frame.f_code.co_filename
        if LIBRARY in file and not file.endswith(DRIVERS):
            found.insert(0, frame.f_code.co_name)
        frame = frame.f_back
    return found


def calls_in_child(stacks: list[list[tuple[str, str]]]) -> list[str]:
    """Those that handed slices to the runtime: of the main thread as far as the pipeline, of a thread that looks all.

    Besides, the main thread frames the next slices, and a thread waits for the parent.
    """
    ours = [[(file, name) for file, name in stack if LIBRARY in file and name != "<module>"] for stack in stacks]
    names = [[name for _file, name in stack] for stack in ours]
    main = next(stack for stack in ours if stack and stack[0][1] == "serve")
    pipeline = next(at for at, (file, _name) in enumerate(main) if file.endswith("pipeline.py"))
    looking = next(stack for stack in names if "predict" in stack)
    return [name for _file, name in main[: pipeline + 1]] + looking[: looking.index("predict") + 1]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the child notes what stands on its stacks."""
    place = tmp_path / "calls.json"
    (tmp_path / "sitecustomize.py").write_text(CHILD.format(place=str(place)), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    return place


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What stands on the stack of this process when the child gets a scan."""
    noted: list[list[str]] = []
    begin = Worker.begin

    def noting_begin(worker: Worker, *given: object) -> None:
        noted.append([*calls_above(sys._getframe(1)), "begin"])
        begin(worker, *given)

    monkeypatch.setattr(Worker, "begin", noting_begin)
    return noted


def test_from_the_command_to_the_runtime_there_are_nine_calls(
    tmp_path: Path, place: Path, handed_over: list[list[str]]
) -> None:
    from CovidSegLib.cli.main import main

    volume = small_phantom().volume
    save_nifti(volume.voxels, volume.affine, tmp_path / "scan.nii.gz")
    call = ["segment", tmp_path / "scan.nii.gz", "-o", tmp_path / "masks.nii.gz", "--device", "cpu"]
    assert main([*map(str, call)]) == 0
    calls = [*handed_over[0], *calls_in_child(json.loads(place.read_text(encoding="utf-8")))]
    assert len(calls) <= 9, calls


def test_from_apply_to_the_runtime_there_are_eleven_calls(
    panel: OpenModule, chest: object, place: Path, handed_over: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from CovidSegLib.gui.core.parameters import Device
    from CovidSegLib.gui.core.task import Task

    panel.session.parameters.device = Device.CPU  # else a trial of a GPU may compute first
    clicked: list[list[str]] = []
    start = Task.start

    def noting_start(task: Task) -> None:
        clicked.append(calls_above(sys._getframe(1)))
        start(task)

    monkeypatch.setattr(Task, "start", noting_start)
    finish(panel)
    assert panel.session.result is not None
    click = next(calls for calls in clicked if "_clicked" in calls)
    calls = [*click, *handed_over[0], *calls_in_child(json.loads(place.read_text(encoding="utf-8")))]
    assert len(calls) <= 11, calls
