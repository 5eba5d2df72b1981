"""Files that appear whole or not at all: written beside their targets, then put in their places in one step."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ..errors import OutputError
from ..i18n import tr as _
from .file_states import changed_meanwhile, file_state, kept_state, refuse_protected, refuse_special
from .read_back import check_bytes
from .unfinished import sweep, unfinished_prefix

NOTHING_THERE = ""
"""The state of a target that is not there. It is that of every target of which nothing is known, so that a writer who
was not told what the file was when the run began replaces none."""

OWN_FILE = None
"""In a state's place: the file is kept by CovidSeg alone, as caches and the folder of a training are, and replaced."""

_ENDING = 16
"""Characters of a name that its ending is surely among; a whole name and a number might be too long."""


def replace_text(text: str, path: Path, state: str | None = NOTHING_THERE) -> None:
    """Put ``text`` (UTF-8) in the place of ``path`` in one step. Raises OutputError; then the old file is there.

    ``state``: what is there, see :class:`OutputSet`.
    """
    with OutputSet({path: state}) as files:
        files.add_text(text, path)
        files.publish()


def replace_bytes(content: bytes, path: Path, state: str | None = NOTHING_THERE) -> None:
    """As :func:`replace_text`, for bytes."""
    with OutputSet({path: state}) as files:
        files.add_bytes(content, path)
        files.publish()


def replace_file(path: Path, write_to: Callable[[Path], object], state: str | None = NOTHING_THERE) -> None:
    """Put what ``write_to`` writes in the place of ``path``, in one step: whoever looks sees the old or the new file.

    ``write_to`` gets a temporary place of the same ending; ``state``: what is there, see :class:`OutputSet`. Raises
    OutputError; then the old file is there.
    """
    with OutputSet({path: state}) as files:
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


@dataclass
class _Move:
    """A file that is finished at ``place`` and shall be at ``target``.

    ``state``: the target's :func:`.file_states.file_state` when the run began, None where that does not matter;
    ``named``: the target as it was named.
    ``before``: the old file, kept aside under another name; None where there was none.
    """

    place: Path
    target: Path
    state: str | None
    named: Path
    before: Path | None = None

    def keep_aside(self) -> None:
        """Let ``before`` be the same file as ``target``, which stays where it is; a copy where there are no links."""
        if self.state is not None and file_state(self.target) != self.state:
            raise changed_meanwhile(self.named)
        if not self.target.exists():
            return
        self.before = self.place.with_name(f"before-{self.place.name}")
        try:
            os.link(self.target, self.before)
        except OSError:
            shutil.copy2(self.target, self.before)
        with suppress(OSError):
            shutil.copymode(self.before, self.place)  # who could correct it still can

    def replace(self) -> None:
        """Take the target's place, unless somebody saved it meanwhile. Raises OutputError or OSError."""
        if self.state is not None and file_state(self.target) != self.state:
            raise changed_meanwhile(self.named)
        if self.state == "" and self._appears():
            return
        os.replace(self.place, self.target)
        if self.state is not None and self.before is not None and not self.state.startswith(kept_state(self.before)):
            # Who was writing into the old file at that very moment has written into what is kept aside.
            raise changed_meanwhile(self.named)

    def _appears(self) -> bool:
        """Where nothing was, be there, unless something is there by now; False where there are no links."""
        try:
            os.link(self.place, self.target)
        except FileExistsError:
            raise changed_meanwhile(self.named) from None
        except OSError:
            return False
        return True

    def undo(self, written: os.stat_result) -> None:
        """Put the old file back where the target is what was ``written``, and not somebody else's by now."""
        with suppress(OSError):
            if not os.path.samestat(os.stat(self.target), written):
                return
            if self.before is None:
                self.target.unlink()
            else:
                os.replace(self.before, self.target)


class OutputSet:
    """Files that appear together or not at all.

    :meth:`add` gives a place to write to, in a temporary folder beside the target and with the target's ending;
    :meth:`publish` moves all of them. Leaving the context removes what was not published. Where a target is a link, the
    file that it leads to is replaced and the link stays: there are not two versions of a reader's work afterwards.

    ``states``: the :func:`.file_states.file_state` that targets were in when the run began. One that somebody saved
    since is not replaced, nor one that is there and whose state is not given; see :data:`OWN_FILE` for CovidSeg's own.
    """

    def __init__(self, states: Mapping[Path, str | None] = MappingProxyType({})) -> None:
        self._states = states
        self._folders: dict[Path, Path] = {}
        self._moves: list[_Move] = []

    def __enter__(self) -> OutputSet:
        return self

    def __exit__(self, *_: object) -> None:
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, target: Path, state: str = NOTHING_THERE) -> Path:
        """Where to write what :meth:`publish` will move to ``target``.

        ``state``: that of a target whose state was not given before. Raises OutputError, also for a device, and for a
        write-protected file that is not CovidSeg's own.
        """
        expected = state or self._states.get(target, NOTHING_THERE)
        if "\0" in str(target):
            raise OutputError(_("The name of the output cannot be used."), _("Choose a shorter or simpler one."))
        with output_errors():  # links in a circle are a RuntimeError in older Pythons
            refuse_special(target)
            if expected is not OWN_FILE:
                refuse_protected(target)
            real = target.resolve() if target.is_symlink() else target
            if real.parent not in self._folders:
                sweep(real.parent)
                self._folders[real.parent] = Path(tempfile.mkdtemp(prefix=unfinished_prefix(), dir=real.parent))
        # By the ending libraries choose the form, some only when it is in lower case; some know no other letters.
        ending = "".join(letter for letter in target.name[-_ENDING:].lower() if letter.isascii())
        place = self._folders[real.parent] / f"{len(self._moves)}-{ending}"
        self._moves.append(_Move(place, real, expected, target))
        return place

    def place_of(self, target: Path) -> Path:
        """The place that :meth:`add` gave for ``target``."""
        return next(move.place for move in self._moves if move.named == target)

    def add_bytes(self, content: bytes, target: Path, state: str = NOTHING_THERE) -> None:
        """Let ``content`` be what :meth:`publish` will move to ``target``. Raises OutputError."""
        place = self.add(target, state)
        with output_errors():
            place.write_bytes(content)
            check_bytes(place, content)

    def add_text(self, text: str, target: Path, state: str = NOTHING_THERE) -> None:
        """As :meth:`add_bytes`, for ``text`` in UTF-8 with its own line ends."""
        # A file name may hold bytes that are no UTF-8; they are written as \udc.., not as broken text.
        self.add_bytes(text.encode("utf-8", errors="backslashreplace"), target, state)

    def publish(self) -> None:
        """Move every file to its target. Raises OutputError; then the targets are as they were before.

        At every moment a target is the old file or the new one, whole, also when the process is killed in between. All
        is on the disk before the last look at the first target: minutes may pass until then.
        """
        begun: list[tuple[_Move, os.stat_result]] = []
        with output_errors():
            for move in self._moves:
                _flush(move.place)
            for move in self._moves:
                move.keep_aside()
            try:
                for move in self._moves:
                    begun.append((move, os.stat(move.place)))
                    move.replace()
            except BaseException:
                for move, written in reversed(begun):
                    move.undo(written)
                raise


def _flush(path: Path) -> None:
    """Bring a finished file to the disk before its name is given away: power may fail too."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
