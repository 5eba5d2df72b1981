"""What a user can choose of the pipeline. In a file of its own: a parent that only passes it on loads nothing more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """``engine`` and ``device`` (see ``network.engines``), ``model`` by name or file.

    ``threads``: how many the engine may use on the CPU; 0: as many as there are cores.
    """

    engine: str = "auto"
    device: str = "auto"
    model: str = "default"
    threads: int = 0
