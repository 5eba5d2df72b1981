"""What the panel says: numbers and stages in words."""

from __future__ import annotations

import math

from slicer.i18n import tr as _
from slicer.i18n import translate

from ... import i18n
from ...errors import CovidSegError, traceback_text
from ...hardware import Hardware
from ...worker.parent import WorkerCrashError

_STAGES = {"reading": 0.0, "engine": 0.05, "network": 0.1, "masks": 0.88, "measuring": 0.94, "writing": 0.99}
"""Where on the bar each stage begins."""


def translated(text: str) -> str:
    """A sentence from below the panel (:mod:`CovidSegLib.i18n`) in the user's language."""
    return i18n.translated(text, translate)


def stage_text(stage: str) -> str:
    """What is happening."""
    texts = {
        "reading": _("Reading the scan"),
        "engine": _("Loading the network"),
        "network": _("Looking for lungs and infection"),
        "masks": _("Tidying the masks"),
        "writing": _("Putting the segments into the scene"),
        "measuring": _("Measuring"),
    }
    return texts.get(stage, stage)


def bar_fraction(stage: str, fraction: float) -> float:
    """Share of the whole run that is done (0 to 1)."""
    begins = _STAGES.get(stage, 0.0)
    ends = min((other for other in _STAGES.values() if other > begins), default=1.0)
    return begins + (ends - begins) * min(max(fraction, 0.0), 1.0)


def duration(seconds: float) -> str:
    """A time as one would say it."""
    if seconds < 90:
        step = 1 if seconds < 10 else 5
        return _("{count} s").format(count=max(step * math.ceil(seconds / step), 1))
    return _("{count} min").format(count=math.ceil(seconds / 60))


def device_text(hardware: Hardware, wanted: str) -> str:
    """What the network will be computed on, in words; ``wanted``: "auto", "cpu" or "gpu"."""
    cpu = _("CPU, 1 core") if hardware.cores == 1 else _("CPU, {count} cores").format(count=hardware.cores)
    gpu = hardware.chosen(wanted)
    if gpu is not None:
        return _("{provider}: {names}").format(provider=translated(gpu.title), names=", ".join(gpu.devices))
    if wanted == "cpu":
        return cpu
    why = _why_no_gpu(hardware)
    if wanted == "gpu":
        return why or _("No GPU was found.")
    return _("{cpu} ({why})").format(cpu=cpu, why=why.rstrip(".")) if why else cpu


def _why_no_gpu(hardware: Hardware) -> str:
    """Why there is none that is used; "" where there is no graphics card."""
    cards = ", ".join(hardware.cards)
    for gpu in hardware.gpus:
        if gpu.problem:
            return translated(gpu.reason)
        if gpu.devices:
            return _("The {provider} is slower than the CPU.").format(provider=gpu.title)
    if not cards:
        return ""
    if hardware.gpus:
        return _("{name} is there, but the installed {provider} cannot use it.").format(
            name=cards, provider=", ".join(gpu.title for gpu in hardware.gpus)
        )
    return _("{name} is there, but the installed onnxruntime cannot use it: see Use the GPU below.").format(name=cards)


def sentence_and_details(error: BaseException) -> tuple[str, str]:
    """An exception as one sentence for the user, and what a developer wants to see ("" if there is nothing more)."""
    if isinstance(error, CovidSegError):
        cause = error.__cause__
        said = getattr(error, "output", "")  # of pip
        sentence = f"{translated(error.sentence)} {translated(error.hint)}".strip()
        return sentence, said or (traceback_text(cause) if cause is not None else "")
    details = error.child_traceback if isinstance(error, WorkerCrashError) else ""
    details = details or traceback_text(error)
    if isinstance(error, MemoryError):
        return _("There is not enough memory for this scan. Close other programs and try again."), details
    return _("CovidSeg met a fault of its own; nothing in the scene was changed. Please report the details."), details
