"""Folders of the user, each where its system keeps such: Slicer's own need not be writable, nor Python's."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class UserFolder:
    """One of them.

    ``variable``: of the environment, names another one; ``on_windows``: below the folder of local application data;
    ``on_macos``: below Library; elsewhere ``xdg``, a variable of the XDG base directory specification, what stands
    for it below the home folder where that is not set, and the place below it.
    """

    variable: str
    on_windows: str
    on_macos: str
    xdg: tuple[str, str, str]

    def path(self) -> Path:
        """Where it is; it is not made."""
        chosen = os.environ.get(self.variable)
        if chosen:
            return Path(chosen)
        if os.name == "nt":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / self.on_windows
        if sys.platform == "darwin":
            return Path.home() / "Library" / self.on_macos
        variable, without_it, below = self.xdg
        return Path(os.environ.get(variable) or Path.home() / without_it) / below


MODELS = UserFolder(
    "COVIDSEG_MODELS",
    "CovidSeg/Models",
    "Application Support/CovidSeg/Models",
    ("XDG_DATA_HOME", ".local/share", "covidseg/models"),
)
CACHE = UserFolder("COVIDSEG_CACHE", "CovidSeg/Cache", "Caches/CovidSeg", ("XDG_CACHE_HOME", ".cache", "covidseg"))
