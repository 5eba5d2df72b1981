"""The way of one scan, the only place where its steps are put together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

from . import __version__
from .anatomy.finish import FinishOptions, RoughMask, finish
from .i18n import tr as _
from .network import models
from .network.engines import Engine
from .network.engines import open_engine as _open_engine
from .network.inputs import network_batches
from .options import Options
from .progress import Progress
from .reading.checks import inspect
from .segmentation import Label, Provenance, Segmentation
from .volume import CtVolume, axial_affine, axial_order, spacing

BATCH = 4
"""Slices handed to the engine at once: on a CPU more is not faster, and progress moves smoothly."""


def open_engine(options: Options, progress: Progress) -> Engine:
    """Find, verify and open the network; raises ModelError or EngineError."""
    return _open_engine(models.find(options.model), options.engine, options.device, progress, options.threads)


def segment(volume: CtVolume, options: Options, progress: Progress, *, engine: Engine | None = None) -> Segmentation:
    """Segment ``volume``: lungs and infection on its own grid.

    ``engine``: one that is open already (for many scans); default: opened from ``options``. Raises ModelError,
    EngineError, or Cancelled.
    """
    seconds: dict[str, float] = {}
    model = models.find(options.model)
    with _timed(seconds, "checks"):
        warnings = (*volume.notes, *inspect(volume).warnings)
    with _timed(seconds, "engine"):
        engine = engine or open_engine(options, progress)
    order = axial_order(volume.affine)
    upright = order.to_axial(volume.voxels)
    spacing_mm = spacing(axial_affine(volume.affine, volume.voxels.shape))
    finishing = FinishOptions(**model.card.get("finish", {}))
    rough = RoughMask(upright.shape, finishing)
    with _timed(seconds, "network"):
        for framing, numbers, inputs in network_batches(upright, spacing_mm, BATCH):
            for k, probabilities in zip(numbers, engine.predict(inputs), strict=True):
                rough.add(framing, k, probabilities)
            progress.step("network", numbers[-1] + 1, len(upright))
    with _timed(seconds, "masks"):
        progress.step("masks", 0, 1)
        labels = order.from_axial(finish(rough, spacing_mm, finishing)).copy()
        certainty = order.from_axial(rough.infection)[labels == Label.INFECTION]
        progress.step("masks", 1, 1)
    if not (labels != Label.BACKGROUND).any():
        warnings += (_("No lung was found: all segments are empty."),)
    return Segmentation(
        labels,
        volume.affine,
        Provenance(
            model=model.name,
            sha256=model.sha256,
            engine=engine.name,
            device=engine.device,
            software=f"CovidSeg {__version__}",
            seconds=seconds,
            warnings=warnings,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            volume=f"{volume.source}, SHA-256 of its voxels {volume.fingerprint}",
        ),
        certainty,
    )


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - started, 3)
