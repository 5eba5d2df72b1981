"""The way of one scan, the only place where its steps are put together."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial

import numpy as np

from . import __version__
from .anatomy.finish import FinishOptions, RoughMask, finish
from .device_trial import admit
from .geometry.masks import bounding_box
from .geometry.volume import CtVolume
from .i18n import tr as _
from .network import models
from .network.engines import Engine
from .network.engines import open_engine as _open_engine
from .network.inputs import SliceFraming, network_batches
from .network.second_look import Answer, Looks
from .options import Options
from .progress import Progress
from .reading.checks import Findings, inspect
from .segmentation import Label, Provenance, Segmentation
from .system.processes import core_count

BATCH, MOST_AT_ONCE = 4, 32
"""Slices handed to the engine at once: two for each thread of the CPU, within these limits, so that progress moves
smoothly."""

SPARSE_BATCH = 16
"""The same where not every slice is looked at: fixed, since which ones are follows from it, on every machine alike."""

GPU_BATCH = 16
"""Slices handed to a GPU at once: enough to keep it busy, few enough for the memory of a small one."""


def open_engine(options: Options, progress: Progress) -> Engine:
    """Find, verify and open the network; raises ModelError or EngineError."""
    model = models.find(options.model)
    trial = partial(admit, model)
    return _open_engine(model, options.engine, options.device, progress, options.threads, trial)


def segment(
    volume: CtVolume,
    options: Options,
    progress: Progress,
    *,
    engine: Engine | None = None,
    findings: Findings | None = None,
) -> Segmentation:
    """Segment ``volume``: lungs and infection on its own grid.

    ``engine``: one that is open already (for many scans); default: opened from ``options``. ``findings``: what
    :func:`CovidSegLib.reading.inspect` said of ``volume``, where that is known already. Raises InputError for what is
    no scan, ModelError, EngineError, or Cancelled.
    """
    seconds: dict[str, float] = {}
    model = models.find(options.model)
    with _timed(seconds, "checks"):
        findings = findings or inspect(volume)
        findings.verdict.check()
        warnings = (*volume.notes, *findings.warnings)
    with _timed(seconds, "engine"):
        engine = engine or open_engine(options, progress)
    order = volume.grid.order
    upright = order.to_upright(volume.voxels)
    spacing_mm = volume.grid.upright.spacing
    finishing = FinishOptions(**model.about.finish)
    rough = RoughMask(upright.shape, finishing)
    with _timed(seconds, "network"):
        looks = Looks(engine, upright, model.about.inputs, slice_mm=spacing_mm[2])
        slices = SPARSE_BATCH if looks.sparse else batch_size(options, engine)
        batches = network_batches(upright, spacing_mm, slices, model.about.inputs, findings.verdict.values)
        for answers in _answers(looks, batches, _ahead(engine)):
            for framing, k, probabilities in answers:
                rough.add(framing, k, probabilities)
            progress.step("network", answers[-1][1] + 1, len(upright))
    with _timed(seconds, "masks"):
        progress.step("masks", 0, 1)
        labels = np.ascontiguousarray(order.from_upright(finish(rough, spacing_mm, finishing)))
        certainty = _certainty(labels, order.from_upright(rough.infection))
        progress.step("masks", 1, 1)
    warnings += _missing_lungs(labels)
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


def _missing_lungs(labels: np.ndarray) -> tuple[str, ...]:
    """A sentence where a lung, or both, were not found."""
    if labels.max() == Label.BACKGROUND:
        return (_("No lung was found: all segments are empty."),)
    has_left, has_right = (
        any((plane == label).any() for plane in labels) for label in (Label.LEFT_LUNG, Label.RIGHT_LUNG)
    )
    if has_left and not has_right:
        return (_("Only one lung was found, by its shape or its place the left one: check the side."),)
    if has_right and not has_left:
        return (_("Only one lung was found, by its shape or its place the right one: check the side."),)
    return ()


def batch_size(options: Options, engine: Engine) -> int:
    """How many slices the engine gets at once."""
    if engine.device != "cpu":
        return GPU_BATCH
    return min(max(BATCH, 2 * (options.threads or core_count())), MOST_AT_ONCE)


def _ahead(engine: Engine) -> int:
    """How many batches are looked at side by side: on a CPU two, so that no core waits while slices are framed."""
    return 2 if engine.device == "cpu" else 1


def _answers(
    looks: Looks, batches: Iterator[tuple[SliceFraming, range, np.ndarray]], ahead: int
) -> Iterator[list[Answer]]:
    """What ``looks`` finds in each of ``batches``, in their order.

    While ``ahead`` of them are looked at, the next one is framed here and the caller works on the one before.
    """
    coming: deque[Future[list[Answer]]] = deque()
    threads = ThreadPoolExecutor(ahead)
    try:
        for batch in batches:
            coming.append(threads.submit(looks, *batch))
            if len(coming) > ahead:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)


def _certainty(labels: np.ndarray, infection: np.ndarray) -> np.ndarray:
    """``infection[labels == Label.INFECTION]``, looked for where infection is."""
    box = bounding_box(labels, Label.INFECTION)
    return np.empty(0, infection.dtype) if box is None else infection[box][labels[box] == Label.INFECTION]


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - started, 3)
