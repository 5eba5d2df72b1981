"""``pip install`` in steps (see :mod:`.task`): by Slicer's installer where there is one, else in a child of ours."""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Generator, Sequence
from pathlib import Path
from types import ModuleType

from ...progress import Cancelled
from . import run_steps
from .child_steps import ChildOutcome, child_steps


def slicers_installer() -> ModuleType | None:
    """``slicer.packaging``, which Slicer has from 5.12 on."""
    try:
        return importlib.import_module("slicer.packaging")
    except ImportError:
        return None


def is_at_work() -> bool:
    """Whether another extension is installing packages just now: two at once would spoil each other."""
    asked = getattr(slicers_installer(), "isPipInstallInProgress", None)
    return asked is not None and bool(asked())


def pip_install_steps(arguments: Sequence[str], constraints: Path) -> Generator[None, None, ChildOutcome]:
    """Install what ``arguments`` of ``pip install`` say into Slicer, within the versions that ``constraints`` lists.

    A child of ours is ended when the steps are stopped; Slicer's installer cannot be, and is waited for.
    """
    # In a folder that cannot be written pip would turn to the user's own, which Slicer does not look into.
    given = ["--disable-pip-version-check", "--no-input", "--only-binary", ":all:", "--no-user", *arguments]
    installer = slicers_installer()
    if installer is not None:
        return (yield from _by_slicer(installer, given, constraints))
    command = [run_steps.python_interpreter(), "-m", "pip", "install", *given, "--constraint", str(constraints)]
    return (yield from child_steps(command))


def _by_slicer(installer: ModuleType, arguments: list[str], constraints: Path) -> Generator[None, None, ChildOutcome]:
    import slicer

    lines: list[str] = []
    codes: list[int] = []
    try:
        installer.pip_install(
            arguments,
            constraints=constraints,
            blocking=False,
            show_progress=False,
            requester="CovidSeg",
            logCallback=lines.append,
            completedCallback=codes.append,
        )
    except subprocess.CalledProcessError as error:
        return ChildOutcome(error.returncode, "\n".join([*lines, str(error.output or error)]))
    except RuntimeError as error:  # another extension was faster
        return ChildOutcome(1, str(error))
    if not slicer.app.testingEnabled():  # there it has waited, and calls nobody
        yield from _until_ended(codes)
    return ChildOutcome(codes[0] if codes else 0, "\n".join(lines))


def _until_ended(codes: list[int]) -> Generator[None, None, None]:
    try:
        while not codes:
            yield None
    except Cancelled:
        while not codes:
            yield None
        raise
