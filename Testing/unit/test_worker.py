"""The child process, with a pipeline that does as it is told (Testing/kit/stand_in_pipeline)."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.errors import EngineError, InputError, ModelError, WorkerDiedError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.network.engines import may_use_gpu
from CovidSegLib.progress import Cancelled, Progress, Report
from CovidSegLib.worker.jobs import SegmentVoxels
from CovidSegLib.worker.parent import Worker, WorkerCrashError

KIT = Path(__file__).resolve().parents[1] / "kit" / "stand_in_pipeline"
CLEAN, PRINTS, IS_REFUSED, HAS_A_BUG, IS_KILLED, NEVER_ENDS, OUT_OF_MEMORY = range(7)
AFFINE = np.array([[0.7, 0.1, 0, -101.3], [-0.1, 0.7, 0, 33.3], [0, 0, 1 / 3, 7], [0, 0, 0, 1]])

pytestmark = pytest.mark.skipif(os.name == "nt", reason="looks at process groups")


@dataclass(frozen=True)
class Options:
    engine: str = "auto"
    device: str = "auto"
    model: str = "default"


@pytest.fixture(autouse=True)
def temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An own folder for temporary files, which must be empty at the end of every test."""
    monkeypatch.setenv("PYTHONPATH", str(KIT))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def scan(ending: int) -> CtVolume:
    voxels = np.full((3, 4, 5), -800, dtype=np.int16)
    voxels[1] = 40
    voxels[0, 0, 0] = ending
    return CtVolume(voxels, AFFINE, "test", ("A note.",))


def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def group_lives(group: int) -> bool:
    """Whether any process of the group is there (a zombie counts)."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_result_comes_back_as_the_pipeline_made_it() -> None:
    volume = scan(CLEAN)
    with Worker(Options()) as worker:
        result = worker.segment(volume, Progress())
    assert np.array_equal(result.labels, volume.voxels < -500)
    assert result.labels.dtype == np.uint8
    assert np.array_equal(result.affine, AFFINE)
    assert result.provenance.warnings == ("A warning.",)
    assert result.provenance.seconds == {"network": 1.5}


def test_one_child_with_one_engine_serves_scan_after_scan() -> None:
    with Worker(Options()) as worker:
        first, second = (worker.segment(scan(CLEAN), Progress()).provenance for _ in range(2))
    assert first == second  # the stand-in writes its process and engine in there
    assert first.device != f"process {os.getpid()}"


def test_what_libraries_print_does_not_break_the_messages() -> None:
    heard: list[Report] = []
    with Worker(Options()) as worker:
        worker.segment(scan(PRINTS), Progress(heard.append))
    assert [report.notice for report in heard if report.notice] == ["The processor is used."]
    assert any(report.stage == "network" for report in heard)


def test_an_error_for_the_user_comes_back_as_itself_and_the_child_goes_on() -> None:
    with Worker(Options()) as worker:
        before = worker.segment(scan(CLEAN), Progress()).provenance
        with pytest.raises(InputError) as caught:
            worker.segment(scan(IS_REFUSED), Progress())
        assert (caught.value.sentence, caught.value.hint) == ("The scan is refused.", "Take another one.")
        assert worker.segment(scan(CLEAN), Progress()).provenance == before


def test_a_bug_comes_back_with_the_traceback_of_the_child() -> None:
    with Worker(Options()) as worker, pytest.raises(WorkerCrashError) as caught:
        worker.segment(scan(HAS_A_BUG), Progress())
    assert "ZeroDivisionError: a bug for the test" in caught.value.child_traceback
    assert "in segment" in caught.value.child_traceback


def test_too_little_memory_is_told_as_such() -> None:
    with Worker(Options()) as worker, pytest.raises(EngineError, match="not enough memory"):
        worker.segment(scan(OUT_OF_MEMORY), Progress())


def test_a_child_that_is_killed_is_an_error_message_and_the_next_scan_gets_a_new_one() -> None:
    with Worker(Options()) as worker:
        with pytest.raises(WorkerDiedError, match="stopped in the middle"):
            worker.segment(scan(IS_KILLED), Progress())
        assert worker.segment(scan(CLEAN), Progress()).labels.any()


@pytest.mark.parametrize(("model", "kind"), [("altered", ModelError), ("dies", WorkerDiedError)])
def test_an_engine_that_does_not_open_is_told_before_any_scan(model: str, kind: type[Exception]) -> None:
    with Worker(Options(model=model)) as worker, pytest.raises(kind):
        worker.wait_until_ready(Progress())


def test_an_engine_that_does_not_open_is_told_with_the_first_scan() -> None:
    with Worker(Options(model="altered")) as worker, pytest.raises(ModelError, match="altered"):
        worker.segment(scan(CLEAN), Progress())


def test_a_python_that_is_not_there_is_an_engine_error() -> None:
    with pytest.raises(EngineError, match="could not be started"), Worker(Options(), python="no-such-python"):
        pass


def test_voxels_lie_in_a_folder_that_nobody_else_can_open(temporary_folder: Path) -> None:
    with Worker(Options()) as worker:
        worker.begin(partial(SegmentVoxels.of, scan(NEVER_ENDS)))
        (folder,) = temporary_folder.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert (folder / "voxels.npy").exists()


@pytest.mark.parametrize("model", ["default", "slow"], ids=["at work", "while the engine loads"])
def test_cancel_ends_the_child_and_all_it_started(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("CovidSegLib.system.processes.PATIENCE_SECONDS", 300.0)  # it ends when it is asked, unkilled
    stop = threading.Event()
    worker = Worker(Options(model=model))
    with worker:
        group = worker._child._process.pid
        threading.Timer(0.6, stop.set).start()
        began = time.monotonic()
        with pytest.raises(Cancelled):
            worker.segment(scan(NEVER_ENDS), Progress(cancelled=stop.is_set))
    assert time.monotonic() - began < 120
    until(lambda: not group_lives(group))


def test_a_child_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("CovidSegLib.system.processes.PATIENCE_SECONDS", 0.3)
    with Worker(Options()) as worker:
        worker.segment(scan(CLEAN), Progress())
        group = worker._child._process.pid
        os.killpg(group, signal.SIGSTOP)
        until(lambda: Path(f"/proc/{group}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T")
    assert not group_lives(group)


@pytest.mark.parametrize("seconds", [0.0, 0.2, 1.5], ids=["at the start", "a little later", "into the work"])
def test_a_child_does_not_outlive_its_parent(temporary_folder: Path, seconds: float) -> None:
    source = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_worker import *\n"
        "worker = Worker(Options()); worker.begin(partial(SegmentVoxels.of, scan(NEVER_ENDS)))\n"
        "print(worker._child._process.pid, flush=True); time.sleep(600)"
    )
    package = Path(__file__).resolve().parents[2] / "CovidSeg"
    command = [sys.executable, "-c", source, str(Path(__file__).parent)]
    paths = os.pathsep.join([str(package), str(KIT)])
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}) as parent:
        group = int(parent.stdout.readline())
        time.sleep(seconds)
        parent.kill()
    until(lambda: not any(temporary_folder.iterdir()))
    until(lambda: not lives(group))


def test_what_parent_and_child_leave_when_both_are_killed_the_next_run_removes(temporary_folder: Path) -> None:
    source = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_worker import *\n"
        "worker = Worker(Options()); worker.begin(partial(SegmentVoxels.of, scan(NEVER_ENDS)))\n"
        "os.killpg(worker._child._process.pid, signal.SIGKILL); os.kill(os.getpid(), signal.SIGKILL)"
    )
    package = Path(__file__).resolve().parents[2] / "CovidSeg"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), str(KIT)])}
    subprocess.run([sys.executable, "-c", source, str(Path(__file__).parent)], env=environment, check=False)
    (left,) = temporary_folder.iterdir()
    assert (left / "voxels.npy").exists()
    with Worker(None):
        assert left not in temporary_folder.iterdir()


def lives(process: int) -> bool:
    """Whether the process runs; one whose new parent has not yet asked for its end does not count."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("later", ["", " later"])
@pytest.mark.parametrize("how", ["crashes", "hangs"])
def test_a_gpu_that_ends_the_child_or_hangs_is_left_for_the_cpu_with_one_notice(
    how: str, later: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not may_use_gpu("auto"):
        pytest.skip("needs a provider for a GPU, as onnxruntime-ep-webgpu (Python 3.11 or later) is")
    monkeypatch.setenv("COVIDSEG_GPU_SECONDS", "0.3" if how == "hangs" else "60")
    told: list[Report] = []
    progress = Progress(told.append)
    with Worker(Options(device="gpu", model=f"gpu {how}{later}")) as worker:
        results = [worker.segment(scan(CLEAN), progress) for _number in range(2)]
    assert all(np.array_equal(result.labels, scan(CLEAN).voxels < -500) for result in results)
    notices = [report.notice for report in told if "GPU" in report.notice]
    assert len(notices) == 1


def test_a_scan_that_ends_the_child_on_the_cpu_too_is_an_error() -> None:
    with Worker(Options(device="gpu", model="gpu crashes")) as worker, pytest.raises(WorkerDiedError):
        worker.segment(scan(IS_KILLED), Progress())
