"""Work in small steps: it reports, ends, fails, is cancelled; and what is around it: signals, children, estimates."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from CovidSegLib.gui.core import estimate
from CovidSegLib.gui.core.child_steps import child_steps
from CovidSegLib.gui.core.observable import Observable, Signal
from CovidSegLib.gui.core.task import Task, ended_by, in_thread
from CovidSegLib.hardware import Hardware
from CovidSegLib.progress import Cancelled
from CovidSegLib.system import processes
from Testing.kit.own_clock import own_seconds
from Testing.kit.ticker import Ticker


class Heard:
    """What a task told."""

    def __init__(self, task: Task) -> None:
        self.events: list[object] = []
        task.reported.connect(self.events.append)
        task.finished.connect(lambda result: self.events.append(("finished", result)))
        task.failed.connect(lambda error: self.events.append(("failed", error)))
        task.cancelled.connect(lambda: self.events.append("cancelled"))


def test_a_signal_calls_all_in_order() -> None:
    signal: Signal = Signal()
    heard: list[tuple[str, int]] = []
    signal.connect(lambda value: heard.append(("first", value)))
    signal.connect(lambda value: heard.append(("second", value)))
    signal.emit(1)
    assert heard == [("first", 1), ("second", 1)]


def test_an_observable_has_its_new_value_when_it_tells_of_it() -> None:
    observable: Observable[int] = Observable(1)
    heard: list[tuple[int, int]] = []
    observable.changed.connect(lambda value: heard.append((value, observable.value)))
    observable.value = 2
    observable.value = 2
    assert heard == [(2, 2), (2, 2)]


def test_a_task_reports_each_step_and_ends_once() -> None:
    def steps() -> Generator[str | None, None, int]:
        yield "one"
        yield None
        yield "two"
        return 3

    ticker = Ticker()
    task = Task(steps(), ticker)
    heard = Heard(task)
    task.start()
    ticker.turn()
    task.cancel()
    assert heard.events == ["one", "two", ("finished", 3)]
    assert task.result == 3


def test_a_failure_is_told_and_raised_where_somebody_waits() -> None:
    def steps() -> Generator[None, None, int]:
        yield None
        raise ValueError("broken")

    ticker = Ticker()
    task = Task(steps(), ticker)
    heard = Heard(task)
    task.start()
    ticker.turn()
    assert [event[0] for event in heard.events] == ["failed"]
    with pytest.raises(ValueError, match="broken"):
        Task(steps()).wait(lambda: None)


def test_cancel_runs_the_clean_up_and_says_so() -> None:
    cleaned = []

    def steps() -> Generator[None, None, int]:
        try:
            while True:
                yield None
        finally:
            cleaned.append(True)

    ticker = Ticker()
    task = Task(steps(), ticker)
    heard = Heard(task)
    task.start()
    ticker.function()
    task.cancel()
    task.cancel()
    assert cleaned == [True]
    assert heard.events == ["cancelled"]
    assert ticker.function is None


def test_a_tick_that_could_go_on_for_ever_gives_the_window_its_turn() -> None:
    def steps() -> Generator[int, None, int]:
        yield from range(10_000_000)
        return 0

    task = Task(steps())
    began = own_seconds()
    task.tick()
    assert own_seconds() - began < 1.0
    assert not task.done


def test_waiting_for_what_was_cancelled_is_an_error_and_not_for_ever() -> None:
    def steps() -> Generator[None, None, int]:
        while True:
            yield None

    task = Task(steps())
    with pytest.raises(RuntimeError, match="cancelled"):
        task.wait(task.cancel)


def test_work_in_a_thread_brings_its_result_or_its_error() -> None:
    assert Task(in_thread(lambda: threading.current_thread() is not threading.main_thread())).wait(lambda: None)
    with pytest.raises(ZeroDivisionError):
        Task(in_thread(lambda: 1 / 0)).wait(lambda: None)


@pytest.mark.parametrize("last", [False, True], ids=["in a step that others follow", "in the last step"])
def test_cancel_in_the_middle_of_a_step_is_heard_when_it_is_done(last: bool) -> None:
    """A step may let Qt work, and the user press Cancel meanwhile. What is done by then is not called undone."""
    told: list[object] = []

    def work() -> Generator[str, None, str]:
        task.cancel()
        if not last:
            try:
                yield "on"
            except Cancelled:
                told.append("cleaned up")
                raise
        return "done"

    task = Task(work())
    task.finished.connect(lambda result: told.append(result))
    task.failed.connect(lambda error: told.append(error))
    task.cancelled.connect(lambda: told.append("cancelled"))
    while not task.done:
        task.tick()
    assert told == (["done"] if last else ["cleaned up", "cancelled"])


def test_cancel_lets_the_clean_up_take_its_steps_and_says_so_afterwards() -> None:
    cleaned = []

    def work() -> Generator[str, None, int]:
        while True:
            yield "at work"

    def clean_up() -> Generator[None, None, None]:
        yield None
        yield None
        cleaned.append(True)

    ticker = Ticker()
    task = Task(ended_by(work(), clean_up), ticker)
    heard = Heard(task)
    task.start()
    ticker.function()
    heard.events.clear()
    task.cancel()
    assert (cleaned, heard.events, task.stopping, task.done) == ([], [], True, False)
    ticker.turn()
    assert (cleaned, heard.events, task.done) == ([True], ["cancelled"], True)


@pytest.mark.parametrize("cancelled_before", [False, True])
def test_where_no_more_ticks_come_the_clean_up_is_waited_for(cancelled_before: bool) -> None:
    cleaned = []

    def clean_up() -> Generator[None, None, None]:
        try:
            yield None
        finally:
            cleaned.append(True)

    task = Task(ended_by(iter_for_ever(), clean_up))
    heard = Heard(task)
    task.tick()
    if cancelled_before:
        task.cancel()
    task.close()
    task.close()
    assert (cleaned, heard.events) == ([True], ["cancelled"])


def iter_for_ever() -> Generator[None, None, None]:
    while True:
        yield None


def test_a_clean_up_that_fails_is_told() -> None:
    def clean_up() -> Generator[None, None, None]:
        yield None
        raise OSError("the disk is gone")

    task = Task(ended_by(iter_for_ever(), clean_up))
    heard = Heard(task)
    task.tick()
    task.cancel()
    task.tick()
    assert [event[0] for event in heard.events] == ["failed"]


def test_a_child_brings_its_exit_code_and_all_it_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    program = (
        "import os, sys; print('one', flush=True); print('two', file=sys.stderr); print(os.environ['X']); sys.exit(3)"
    )
    outcome = Task(child_steps([sys.executable, "-c", program], {"X": "three"})).wait(lambda: None)
    assert outcome.code == 3
    assert sorted(outcome.output.split()) == ["one", "three", "two"]
    assert list(tmp_path.iterdir()) == []


DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


@pytest.mark.skipif(os.name == "nt", reason="looks at processes")
@pytest.mark.parametrize("parent", ["", DEAF], ids=["a child that listens", "a child that does not"])
def test_a_child_that_is_cancelled_is_gone_with_all_it_started_and_nobody_waits(
    parent: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What it starts is deaf in both cases."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(processes, "PATIENCE_SECONDS", 0.5)
    numbers = tmp_path / "numbers"
    program = (
        f"import os, subprocess, sys, time; {parent}\n"
        f"one = subprocess.Popen([sys.executable, '-c', {DEAF + 'import time; time.sleep(600)'!r}])\n"
        f"time.sleep(0.3); open({str(numbers)!r}, 'w').write(f'{{os.getpid()}} {{one.pid}}\\n'); time.sleep(600)"
    )
    task = Task(child_steps([sys.executable, "-c", program]))
    heard = Heard(task)
    end = time.monotonic() + 120
    while not (numbers.exists() and numbers.read_text().endswith("\n")):
        assert time.monotonic() < end
        task.tick()
    began = own_seconds()
    task.cancel()
    assert own_seconds() - began < 0.2
    while not task.done:
        assert time.monotonic() < end
        began = own_seconds()
        task.tick()
        assert own_seconds() - began < 0.2
        time.sleep(0.01)
    assert heard.events == ["cancelled"]
    for process in numbers.read_text().split():
        while Path(f"/proc/{process}").exists() and "Z" not in Path(f"/proc/{process}/stat").read_text().split()[2]:
            assert time.monotonic() < end
            time.sleep(0.02)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_estimate_grows_with_slices_shrinks_with_cores_and_learns() -> None:
    two, eight, many = Hardware(2), Hardware(8), Hardware(64)
    few = estimate.seconds(100, two, on_gpu=False)
    assert estimate.seconds(200, two, on_gpu=False) > few > estimate.seconds(100, eight, on_gpu=False)
    assert estimate.seconds(100, eight, on_gpu=False) == estimate.seconds(100, many, on_gpu=False)
    assert estimate.seconds(100, two, on_gpu=True) < few
    learned = estimate.per_slice(42.0, 100)
    assert estimate.seconds(100, two, on_gpu=False, per_slice=learned) == pytest.approx(42.0)


def test_the_time_left_goes_by_the_plan_first_and_by_the_network_then() -> None:
    clock = estimate.Clock(20.0, now=0.0)
    assert clock.left("reading", 0.5, now=2.0) == 18.0
    assert clock.left("network", 0.0, now=4.0) == 16.0
    assert clock.left("network", 0.5, now=34.0) == pytest.approx(30.0)
    assert clock.left("masks", 0.0, now=90.0) == 1.0
