"""The package that HTML reports need and Slicer does not bring: looked for, and installed after Yes alone."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Generator
from pathlib import Path

from slicer.i18n import tr as _

from ...system.unfinished import unfinished_folder
from .install import constraints
from .install_faults import InstallError, explained
from .pip_install import pip_install_steps

PACKAGE, DOWNLOAD_MB = "jinja2", 0.2
"""With its one dependency, markupsafe."""


def is_needed(path: Path) -> bool:
    """Whether a report in ``path`` has to wait for the package."""
    importlib.invalidate_caches()
    return path.suffix.lower() == ".html" and importlib.util.find_spec(PACKAGE) is None


def install_steps() -> Generator[str | None, None, None]:
    """Install it in steps; no package that Slicer has is changed. Raises InstallError."""
    with unfinished_folder() as folder:
        kept = folder / "constraints.txt"
        kept.write_text(constraints(), encoding="utf-8")
        outcome = yield from pip_install_steps([f"{PACKAGE}>=3.1"], kept)
    if outcome.code != 0:
        raise InstallError(
            explained(outcome.output, PACKAGE).sentence,
            _("Reports ending in .json or .csv do not need it."),
            outcome.output,
        )
    importlib.invalidate_caches()
