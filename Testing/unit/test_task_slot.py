"""One task at a time for a section: what stops it, and when it is done with."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Generator

from CovidSegLib.gui.core.task import in_thread
from CovidSegLib.gui.core.task_slot import TaskSlot
from CovidSegLib.progress import Cancelled
from Testing.kit.ticker import Ticker


def test_a_slot_holds_one_task_and_a_new_one_stops_the_one_before() -> None:
    tickers: list[Ticker] = []
    heard: list[object] = []

    def new_ticker() -> Ticker:
        tickers.append(Ticker())
        return tickers[-1]

    def steps(name: str) -> Generator[str | None, None, str]:
        try:
            yield name
            yield None
        except Cancelled:
            yield None  # cleans up
            raise
        finally:
            heard.append(f"{name} ended")
        return name

    slot = TaskSlot(new_ticker)
    slot.stop()
    slot.close()
    assert not slot.busy
    for name in ("one", "two"):
        slot.start(steps(name), heard.append, heard.append, reported=heard.append, cancelled=lambda: heard.append("c"))
        tickers[-1].function()
        assert slot.busy
    tickers[0].turn()
    assert heard == ["one", "two", "one ended", "c"]
    tickers[1].turn()
    assert heard[4:] == ["two ended", "two"]
    assert not slot.busy


def test_a_slot_is_busy_until_what_was_stopped_has_cleaned_up_and_closing_waits_for_that() -> None:
    heard: list[str] = []

    def steps() -> Generator[None, None, None]:
        try:
            while True:
                yield None
        except Cancelled:
            yield None
        finally:
            heard.append("ended")

    ticker = Ticker()
    slot = TaskSlot(lambda: ticker)
    slot.start(steps(), lambda _result: heard.append("finished"), lambda _error: heard.append("failed"))
    ticker.function()
    slot.stop()
    assert (slot.busy, heard) == (True, [])
    slot.close()
    assert (slot.busy, heard, ticker.function) == (False, ["ended"], None)


def test_a_slot_is_free_when_it_tells_the_end() -> None:
    ticker = Ticker()
    slot = TaskSlot(lambda: ticker)
    busy: list[bool] = []
    for failing in (False, True):
        steps = in_thread(lambda failing=failing: 1 / (not failing))
        slot.start(steps, lambda _result: busy.append(slot.busy), lambda _error: busy.append(slot.busy))
        ticker.turn()
    assert busy == [False, False]


def test_a_slot_keeps_nothing_of_what_a_task_has_brought() -> None:
    class Scan:
        """Stands for something large."""

    brought: list[weakref.ref] = []

    def steps() -> Generator[None, None, Scan]:
        yield None
        return Scan()

    ticker = Ticker()
    slot = TaskSlot(lambda: ticker)
    slot.start(steps(), lambda scan: brought.append(weakref.ref(scan)), lambda _error: None)
    gc.disable()
    try:
        ticker.turn()
        assert brought[0]() is None
    finally:
        gc.enable()
