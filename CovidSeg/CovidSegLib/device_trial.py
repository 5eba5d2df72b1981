"""Whether a GPU may compute: only after it has given the CPU's masks on two slices of the synthetic chest.

A driver can be wrong, slow, or take the process with it. Each is tried once; what was found is kept in a file of the
user, for this version of the runtime, the plug-in, the driver and the network. COVIDSEG_CACHE names another folder.
A process that ends in the middle of a trial may have been ended by its driver, or by somebody who cancelled the run:
the device is tried once more, and not a third time.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

import numpy as np

from .errors import EngineError, OutputError
from .i18n import tr as _
from .network.engines import Engine, Opener
from .network.input_form import SHIPPED_INPUTS, NetworkInputs
from .network.inputs import network_batches
from .network.models import Model
from .network.providers import CPU, Provider, describe_device
from .system.atomic_files import OWN_FILE, replace_text
from .system.locks import try_lock
from .system.user_folders import CACHE

MOST_DIFFERENT = 1e-4
"""Share of pixels that may get another class than on the CPU: rounding, at the border of two classes."""

_SLICES = 2
_MUCH_SLOWER = 4
"""A GPU that is so many times slower on two slices is not tried on more."""

_BATCH = 8
"""Slices on which the speeds are compared: a GPU is at its best with several at once."""

_LOOK_SECONDS = 0.05


class TrialVerdict(str, Enum):
    """What a trial found; TRYING and then TRYING_AGAIN stay behind where the process ended in the middle of it."""

    TRYING = "trying"
    TRYING_AGAIN = "trying again"
    EQUAL = "equal"
    SLOWER = "equal and slower"
    DIFFERENT = "different"


def admit(
    model: Model, provider: Provider, opener: Opener, faster: bool, *, inputs: np.ndarray | None = None
) -> Engine:
    """Open the network of ``model`` with ``provider`` if it computes as the CPU does (see ``engines.Admission``).

    ``faster``: whether it must also be faster. ``inputs``: the slices it is tried on, float32 (n, rows, columns, 3);
    default: two of the synthetic chest. Raises EngineError with the reason, NoDeviceError where there is no device.
    """
    file, engine = _file(), None
    with _alone(file):
        verdict = kept_verdict(model, provider)
        if verdict is None:
            verdict, engine = _try(model, provider, opener, inputs, file, _key(model, provider))
    error = refusal(verdict, provider, faster=faster)
    if error is not None:
        raise error
    return engine or opener(provider)


def kept_verdict(model: Model, provider: Provider) -> TrialVerdict | None:
    """What a trial of ``provider`` found on this computer, None where it is to be tried: anew with another driver.

    Raises as :func:`.network.providers.describe_device`, which loads the driver unless a process ended in a trial.
    """
    verdict, _dot, device = _load(_file()).get(_key(model, provider), "").partition(" on ")
    if verdict == TrialVerdict.TRYING:
        return None
    if verdict == TrialVerdict.TRYING_AGAIN:
        return TrialVerdict.TRYING_AGAIN
    return TrialVerdict(verdict) if verdict in list(TrialVerdict) and device == describe_device(provider) else None


def refusal(verdict: TrialVerdict, provider: Provider, *, faster: bool) -> EngineError | None:
    """Why what has this ``verdict`` may not compute; None where it may. ``faster``: whether it must be faster."""
    if verdict is TrialVerdict.TRYING_AGAIN:
        return EngineError(
            _("CovidSeg ended twice while it tried the {device}.").format(device=provider.title),
            _("Update its driver; to try it again delete {file}.").format(file=_file()),
        )
    if verdict is TrialVerdict.DIFFERENT:
        return EngineError(
            _("The {device} computes other masks than the CPU.").format(device=provider.title),
            _("Update its driver, or choose the CPU (--device cpu)."),
        )
    if verdict is TrialVerdict.SLOWER and faster:
        return EngineError(
            _("The {device} is slower than the CPU.").format(device=provider.title),
            _("Use it all the same with --device {name}.").format(name=provider.name),
        )
    return None


def _try(
    model: Model, provider: Provider, opener: Opener, inputs: np.ndarray | None, file: Path, key: str
) -> tuple[TrialVerdict, Engine]:
    ended_before = _load(file).get(key) == TrialVerdict.TRYING
    _keep(file, key, TrialVerdict.TRYING_AGAIN if ended_before else TrialVerdict.TRYING)
    try:
        device = describe_device(provider)
        engine = opener(provider)
        verdict = _compare(engine, opener(CPU), trial_slices(model.about.inputs) if inputs is None else inputs)
    except BaseException:
        # It said itself what is wrong, which may be mended tomorrow: nothing is known about it.
        _keep(file, key, None)
        raise
    _keep(file, key, f"{verdict.value} on {device}")
    return verdict, engine


def _compare(engine: Engine, cpu: Engine, inputs: np.ndarray) -> TrialVerdict:
    classes = [found.predict(inputs).argmax(axis=-1) for found in (engine, cpu)]
    if np.mean(classes[0] != classes[1]) > MOST_DIFFERENT:
        return TrialVerdict.DIFFERENT
    # Now its programs are compiled.
    if _seconds(engine, inputs) > _MUCH_SLOWER * _seconds(cpu, inputs):
        return TrialVerdict.SLOWER
    batch = np.resize(inputs, (_BATCH, *inputs.shape[1:]))
    engine.predict(batch)
    return TrialVerdict.EQUAL if _seconds(engine, batch) < _seconds(cpu, batch) else TrialVerdict.SLOWER


def _seconds(engine: Engine, inputs: np.ndarray) -> float:
    started = time.perf_counter()
    engine.predict(inputs)
    return time.perf_counter() - started


def trial_slices(taken: NetworkInputs = SHIPPED_INPUTS) -> np.ndarray:
    """Two slices of the synthetic chest as a network that takes ``taken`` sees them, float32 (2, rows, columns, 3)."""
    from .phantom import make_phantom  # loads a good part of SciPy, which a run on the CPU never needs

    volume = make_phantom(slices=_SLICES).volume
    upright = volume.upright_voxels
    return np.concatenate(
        [batch for _, _, batch in network_batches(upright, volume.grid.upright.spacing, _SLICES, taken)]
    )


def _key(model: Model, provider: Provider) -> str:
    """What a verdict depends on, as far as it is known before a driver is loaded."""
    driver = Path("/proc/driver/nvidia/version")
    facts = [provider.name, provider.versions, model.sha256, platform.platform()]
    with suppress(OSError):
        facts.append(driver.read_text(encoding="utf-8", errors="replace"))
    return f"{provider.name} {hashlib.sha256(repr(facts).encode()).hexdigest()}"


def _file() -> Path:
    return CACHE.path() / "devices.json"


def _load(file: Path) -> dict[str, str]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _keep(file: Path, key: str, value: str | None) -> None:
    """Where nothing can be kept, each run tries anew."""
    known = _load(file)
    known.pop(key, None)
    if value is not None:
        known[key] = str(value.value if isinstance(value, TrialVerdict) else value)
    with suppress(OutputError):
        replace_text(json.dumps(known, indent=1), file, OWN_FILE)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """While another process tries a device, wait: its verdict counts here too."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.with_suffix(".lock").open("ab")
    except OSError:
        yield
        return
    with lock:
        while not try_lock(lock):
            time.sleep(_LOOK_SECONDS)
        yield
