"""A pipeline that does as it is told, for tests of what stands around the pipeline.

Python imports this file at its start when the folder is on PYTHONPATH. The option ``model`` decides how opening the
engine ends; the first voxel of a scan (its value in HU) decides how its segmentation ends. A file that is called
"breaks-the-library" ends the child process that opens it as a fault in compiled code does, "takes-all-memory" as the
system does when memory runs out.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import types
from dataclasses import dataclass

CLEAN, PRINTS, IS_REFUSED, HAS_A_BUG, IS_KILLED, NEVER_ENDS, OUT_OF_MEMORY, TAKES_A_SECOND, TIDIES_FOR_EVER, IS_DEAF = (
    range(10)
)
IS_DRAWN, DRAWN_HU = 10, -850
"""A scan that begins with the first holds its labels: 1 to 3 less than the second."""


@dataclass(frozen=True)
class Options:
    """The fields of the real one."""

    engine: str = "auto"
    device: str = "auto"
    model: str = "default"
    threads: int = 0


def open_engine(options: Options, progress: object) -> object:
    """Open nothing; ``model`` "altered" is refused, "dies" ends the process, "slow" takes ten minutes.

    So does every model where the variable STAND_IN_IS_SLOW is set: a command knows models by name before that.

    Not on the CPU, "gpu crashes" and "gpu hangs" do so at once; "gpu crashes later" and "gpu hangs later" in a run.
    """
    from CovidSegLib.errors import ModelError

    if options.model == "altered":
        raise ModelError("The weights were altered.", "Install them again.")
    if options.model == "dies":
        os._exit(3)
    if options.model == "slow" or "STAND_IN_IS_SLOW" in os.environ:
        time.sleep(600)
    if options.device == "cpu" or not options.model.startswith("gpu"):
        return types.SimpleNamespace(name="stand-in", device="cpu", predict=lambda inputs: inputs)

    def predict(inputs: object) -> None:
        if "crashes" in options.model:
            os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(3600)

    if not options.model.endswith("later"):
        predict(None)
    return types.SimpleNamespace(name="stand-in", device="webgpu", predict=predict)


def segment(
    volume: object, options: Options, progress: object, *, engine: object = None, findings: object = None
) -> object:
    """Left lung where the scan is below -500 HU, or what is drawn in it; how it ends is in the first voxel."""
    from CovidSegLib.errors import InputError
    from CovidSegLib.segmentation import Provenance, Segmentation

    if engine is None:
        engine = open_engine(options, progress)
    if engine.device == "webgpu":
        engine.predict(None)
    told = int(volume.voxels.flat[0])
    for slice_number in range(10):
        progress.step("network", slice_number, 10)
    if told == PRINTS:
        print('{"crash": "a library prints what looks like a message", "last": false}', flush=True)
        os.system("echo a program prints")
        progress.notice("network", "The processor is used.")
    elif told == IS_REFUSED:
        raise InputError("The scan is refused.", "Take another one.")
    elif told == HAS_A_BUG:
        raise ZeroDivisionError("a bug for the test")
    elif told == IS_KILLED:
        os.kill(os.getpid(), 9)
    elif told == NEVER_ENDS:
        os.system("sleep 600")
    elif told == IS_DEAF:
        os.kill(os.getpid(), signal.SIGSTOP)  # no signal and no end of its input reaches it, but SIGKILL
    elif told == TIDIES_FOR_EVER:
        progress.step("masks", 1, 2)
        os.system("sleep 600")
    elif told == OUT_OF_MEMORY:
        raise MemoryError
    elif told == TAKES_A_SECOND:
        time.sleep(1)
    labels = (volume.voxels < -500).astype("uint8")
    device = f"process {os.getpid()}"
    if told == IS_DRAWN:
        labels = (DRAWN_HU - volume.voxels).clip(0, 3).astype("uint8")
    opened = f"{os.getpid()} {id(engine)}"
    made = Provenance("stand-in", "0" * 64, opened, device, "CovidSeg 0", {"network": 1.5}, ("A warning.",))
    return Segmentation(labels, volume.affine, made)


_ENDS = {"breaks-the-library": signal.SIGSEGV, "takes-all-memory": signal.SIGKILL}


def _opened(event: str, arguments: tuple) -> None:
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        _end_at(os.fsdecode(arguments[0]))
        reader = getattr(sys.modules.get("SimpleITK"), "ImageFileReader", None)
        if reader is not None and reader.SetFileName is not _set_file_name:
            _SET.append(reader.SetFileName)
            reader.SetFileName = _set_file_name


def _end_at(path: str) -> None:
    for part, number in _ENDS.items():
        if part in os.path.basename(path):
            os.kill(os.getpid(), number)


_SET: list = []


def _set_file_name(reader: object, path: str) -> None:
    """What SimpleITK opens, Python does not hear of."""
    _end_at(path)
    _SET[0](reader, path)


if "CovidSegLib.worker.child" in sys.orig_argv:
    sys.addaudithook(_opened)


sys.modules["slicer"] = None  # pages without Slicer's 3-D view, which takes seconds to draw

_pipeline = types.ModuleType("CovidSegLib.pipeline")
_pipeline.Options, _pipeline.open_engine, _pipeline.segment = Options, open_engine, segment
sys.modules[_pipeline.__name__] = _pipeline
