"""Steps that are gone through at once, or report otherwise."""

from __future__ import annotations

from collections.abc import Generator

from CovidSegLib.gui.task import Task
from CovidSegLib.system.steps import mapped, result_of, silently


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
    quiet = silently(steps())
    assert [next(quiet), next(quiet)] == [None, None]
    assert result_of(quiet) == "done"


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
