"""Standard output and error of a command, which may be lost while it works; the work goes on without them."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from ..visible import visible

_NOBODY_LISTENS = (errno.EPIPE, errno.EIO, *([errno.EINVAL] if os.name == "nt" else []))
"""A pipe whose other end was closed, as with "| head" (which Windows calls EINVAL); a terminal that was closed."""

_STREAMS = {"stdout": "output", "stderr": "error"}
_CANNOT_PRINT = 2


class _Printer:
    """A text stream that shows what a terminal would obey (:func:`CovidSegLib.visible.visible`), whoever prints it.

    It drops what it cannot write. ``lost``: the error since which it does.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write ``text`` on lines of its own; returns its length."""
        self._write(visible(text, keep="\n\t"))
        return len(text)

    def overwrite(self, text: str) -> None:
        """Write ``text`` over what stands on the terminal's last line."""
        self._write(f"\r{visible(text)}")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except OSError as error:
            self._lose(error)

    def flush(self) -> None:
        """Write what was kept back."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        self.lost = self.lost or error
        # Also what is kept back still, and what libraries and children write there.
        with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:  # a stream that is no file
            os.dup2(nowhere.fileno(), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def overwrite(stream: Any, text: str) -> None:
    """Write ``text`` over the last line of the terminal behind ``stream``, at once."""
    if isinstance(stream, _Printer):
        stream.overwrite(text)
    else:
        stream.write(f"\r{visible(text)}")
    stream.flush()


class Printing:
    """While entered, ``print`` never fails: what cannot be written is dropped, and the work goes on.

    Nothing that is printed can steer the terminal, whatever a file or a model's card holds.
    """

    def __init__(self) -> None:
        self._before: dict[str, TextIO | None] = {}

    def __enter__(self) -> Printing:
        for name in _STREAMS:
            stream = self._before[name] = getattr(sys, name)
            if stream is None:  # closed by who called us; the work is wanted all the same
                stream = open(os.devnull, "w", encoding="utf-8")
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")  # file names may hold characters that a terminal has not
            setattr(sys, name, _Printer(stream))
        return self

    def __exit__(self, *_: object) -> None:
        for name, stream in self._before.items():
            getattr(sys, name).flush()
            setattr(sys, name, stream)

    def exit_code(self, code: int) -> int:
        """``code``, or 2 instead of 0 where lines got lost that somebody wants (a full disk), which is said, too.

        Nobody wants what a closed pipe or terminal did not take.
        """
        for name, title in _STREAMS.items():
            printer = getattr(sys, name)
            printer.flush()
            if printer.lost is not None and printer.lost.errno not in _NOBODY_LISTENS:
                other = sys.stdout if name == "stderr" else sys.stderr
                print(f"error: Standard {title} cannot be written ({printer.lost.strerror}).", file=other, flush=True)
                code = code or _CANNOT_PRINT
        return code
