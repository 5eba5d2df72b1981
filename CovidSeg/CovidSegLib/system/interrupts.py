"""Ctrl-C and polite kills: everything is cleaned up, then the command ends with code 130."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupts:
    """While entered, the first SIGINT, SIGTERM or SIGHUP raises KeyboardInterrupt; further ones are ignored.

    So cleaning up is not itself interrupted. Signals that the caller chose to ignore (nohup, background jobs) stay so.
    With ``process_ends`` the process ends after this: once one signal came, further ones stay ignored. Otherwise a
    second Ctrl-C could kill the process in Python's own shutdown, and its exit code would be the signal's.
    """

    def __init__(self, process_ends: bool = False) -> None:
        self._asked = False
        self._process_ends = process_ends
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self._asked and self._process_ends else handler)

    def asked(self) -> bool:
        """Whether the user asked to stop; for :class:`CovidSegLib.progress.Progress`.

        It catches what an exception alone would miss: Python drops one that comes up in a destructor or a callback.
        """
        return self._asked

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if not self._asked:
            self._asked = True
            raise KeyboardInterrupt
