"""Files that appear whole or not at all: written beside their targets, then put in their places in one step."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import OutputError
from ..i18n import tr as _
from .unfinished import sweep, unfinished_prefix

_ENDING = 16
"""Characters of a name that its ending is surely among; a whole name and a number might be too long."""


def replace_text(text: str, path: Path) -> None:
    """Put ``text`` (UTF-8) in the place of ``path`` in one step. Raises OutputError; then the old file is there."""
    with OutputSet() as files:
        files.add_text(text, path)
        files.publish()


def replace_bytes(content: bytes, path: Path) -> None:
    """Put ``content`` in the place of ``path`` in one step. Raises OutputError; then the old file is there."""
    replace_file(path, lambda place: place.write_bytes(content))


def replace_file(path: Path, write_to: Callable[[Path], object]) -> None:
    """Put what ``write_to`` writes in the place of ``path``, in one step: whoever looks sees the old or the new file.

    ``write_to`` gets a temporary place of the same ending. Raises OutputError; then the old file is there.
    """
    with OutputSet() as files:
        place = files.add(path)
        with output_errors():
            write_to(place)
        files.publish()


@contextmanager
def output_errors() -> Iterator[None]:
    """Where a file is written: what can go wrong with it becomes an OutputError (SimpleITK raises RuntimeError)."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        raise OutputError(
            _("A result could not be written{reason}.").format(reason=reason),
            _("Check the folder's permissions and the free space."),
        ) from error


class OutputSet:
    """Files that appear together or not at all.

    :meth:`add` gives a place to write to, in a temporary folder beside the target and with the target's ending;
    :meth:`publish` moves all of them. Leaving the context removes what was not published. Where a target is a link, the
    file that it leads to is replaced and the link stays: there are not two versions of a reader's work afterwards.
    """

    def __init__(self) -> None:
        self._folders: dict[Path, Path] = {}
        self._moves: list[tuple[Path, Path]] = []

    def __enter__(self) -> OutputSet:
        return self

    def __exit__(self, *_: object) -> None:
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, target: Path) -> Path:
        """Where to write what :meth:`publish` will move to ``target``. Raises OutputError."""
        with output_errors():  # links in a circle are a RuntimeError in older Pythons
            real = target.resolve() if target.is_symlink() else target
            if real.parent not in self._folders:
                sweep(real.parent)
                self._folders[real.parent] = Path(tempfile.mkdtemp(prefix=unfinished_prefix(), dir=real.parent))
        # By the ending libraries choose the form, some only when it is in lower case; some know no other letters.
        ending = "".join(letter for letter in target.name[-_ENDING:].lower() if letter.isascii())
        place = self._folders[real.parent] / f"{len(self._moves)}-{ending}"
        self._moves.append((place, real))
        return place

    def add_bytes(self, content: bytes, target: Path) -> None:
        """Let ``content`` be what :meth:`publish` will move to ``target``. Raises OutputError."""
        place = self.add(target)
        with output_errors():
            place.write_bytes(content)

    def add_text(self, text: str, target: Path) -> None:
        """As :meth:`add_bytes`, for ``text`` in UTF-8 with its own line ends."""
        # A file name may hold bytes that are no UTF-8; they are written as \udc.., not as broken text.
        self.add_bytes(text.encode("utf-8", errors="backslashreplace"), target)

    def publish(self) -> None:
        """Move every file to its target. Raises OutputError; then the targets are as they were before.

        At every moment a target is the old file or the new one, whole, also when the process is killed in between.
        """
        moved: list[tuple[Path | None, Path]] = []
        with output_errors():
            try:
                for place, target in self._moves:
                    before = None
                    if target.exists():
                        before = place.with_name(f"before-{len(moved)}")
                        _keep_aside(target, before)
                    moved.append((before, target))
                    _flush(place)
                    if before is not None:
                        with suppress(OSError):
                            shutil.copymode(before, place)  # who could correct it still can
                    os.replace(place, target)
            except BaseException:
                for before, target in moved:
                    with suppress(OSError):
                        if before is None:
                            target.unlink(missing_ok=True)
                        else:
                            os.replace(before, target)
                raise


def _keep_aside(target: Path, before: Path) -> None:
    """Let ``before`` be the same file as ``target``, which stays where it is; a copy where there are no links."""
    try:
        os.link(target, before)
    except OSError:
        shutil.copy2(target, before)


def _flush(path: Path) -> None:
    """Bring a finished file to the disk before its name is given away: power may fail too."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
