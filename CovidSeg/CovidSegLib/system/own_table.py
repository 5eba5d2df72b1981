"""A file that one run writes again and again, unless somebody else saves it in between."""

from __future__ import annotations

from pathlib import Path

from .atomic_files import OutputSet
from .file_states import changed_meanwhile, file_state, is_file_of


class OwnTable:
    """The text file at ``path``; ``state``: its :func:`.file_states.file_state` when the run began.

    From the first write on it may be replaced while it is as the last write left it.
    """

    def __init__(self, path: Path, state: str = "") -> None:
        self._path, self._state = path, state

    def write(self, text: str) -> None:
        """Let the file hold ``text`` (UTF-8). Raises OutputError, ChangedMeanwhileError where it is another by now."""
        with OutputSet({self._path: self._state}) as files:
            files.add_text(text, self._path)
            written = files.place_of(self._path).stat()
            files.publish()
        # After the temporary names are gone: that changes a time of the file.
        self._state = file_state(self._path)
        if not is_file_of(self._state, written):
            raise changed_meanwhile(self._path)
