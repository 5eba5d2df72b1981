"""Steps that are gone through at once, or report otherwise."""

from __future__ import annotations

from collections.abc import Generator

from CovidSegLib.gui.core.task import Task
from CovidSegLib.system.steps import BUSY_SECONDS, mapped, result_of, silently


def test_steps_bring_their_result_at_once_or_with_other_reports() -> None:
    def steps() -> Generator[int, None, str]:
        yield 1
        yield 2
        return "done"

    assert result_of(steps()) == "done"
    heard: list[object] = []
    task = Task(mapped(steps(), lambda told: 10 * told))
    task.reported.connect(heard.append)
    assert task.wait(lambda: None) == "done"
    assert heard == [10, 20]
    assert list(silently(steps(), lambda: 0.0)) == []
    assert result_of(silently(steps())) == "done"


def test_silent_steps_pause_when_the_window_has_waited_long_enough_not_after_each() -> None:
    """A pause is up to 20 ms: after each of 600 slices of a scan that is 12 s in which nothing is done."""
    now = 0.0

    def steps() -> Generator[int, None, str]:
        nonlocal now
        for step in range(8):
            now += 0.4 * BUSY_SECONDS
            yield step
        return "done"

    quiet = silently(steps(), lambda: now)
    done = [round(now / (0.4 * BUSY_SECONDS)) for _pause in quiet]
    assert done == [3, 6]


def test_steps_that_report_otherwise_are_ended_with_those_that_they_stand_for() -> None:
    ended: list[str] = []

    def steps() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            ended.append("ended")

    task = Task(silently(steps()))
    task.tick()
    task.cancel()
    assert (task.done, ended) == (True, ["ended"])
