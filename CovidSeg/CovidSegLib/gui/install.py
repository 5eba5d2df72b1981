"""Getting the one package that Slicer lacks, or has too old: tried in a folder of its own first, then put into Slicer.

pip runs as a child of Slicer's Python (the last step by :mod:`.pip_install`) with ``--no-deps`` and a list of the
versions that Slicer has, so that nothing that Slicer brings can be replaced. All else that onnxruntime declares is for
uses that segmenting does not have.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
import re
import shutil
import sys
import uuid
from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from ..errors import EngineError
from ..system.processes import library_environment
from ..system.unfinished import unfinished_folder
from .child import Outcome, child_steps
from .pip_install import pip_install_steps
from .run import python_interpreter

PACKAGE, OLDEST = "onnxruntime", (1, 19)
REQUIREMENT = "onnxruntime>=1.19"
OTHER_BUILDS = ("onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
"""Packages that hold the same module for other hardware; none of them is replaced."""

DOWNLOAD_MB, DISK_MB = 28, 80
"""Of the largest of its wheels (1.32 for Linux); those for Windows and macOS are smaller."""

_TRY = (
    # PythonSlicer looks into Slicer's own packages before PYTHONPATH: an old onnxruntime there would be tried instead.
    "import sys; sys.path.insert(0, sys.argv[1])\n"
    "from CovidSegLib.network import engines, models; from CovidSegLib.progress import Progress\n"
    "engines.open_engine(models.find('default'), 'onnx', 'cpu', Progress()); print('It works.')"
)

_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9.]+)?", re.IGNORECASE)
"""What pip takes for a version (PEP 440, normal form): one other line, and it refuses the whole list."""

_WHERE = "import sysconfig; print(*{sysconfig.get_path(kind) for kind in ('purelib', 'platlib')}, sep='\\n')"


class InstallError(EngineError):
    """The package could not be installed; ``output`` is what pip said."""

    def __init__(self, sentence: str, hint: str, output: str) -> None:
        super().__init__(sentence, hint)
        self.output = output


def is_installed(package: str = PACKAGE) -> bool:
    """Whether Slicer's Python has ``package``; it is not loaded."""
    importlib.invalidate_caches()
    return importlib.util.find_spec(package) is not None


@dataclass(frozen=True)
class Found:
    """A build of ONNX Runtime that Slicer's Python has: the name of its package and its version."""

    package: str
    version: str

    @property
    def is_too_old(self) -> bool:
        """Whether it cannot open our networks."""
        numbers = re.match(r"(\d+)\.(\d+)", self.version)
        return numbers is not None and tuple(map(int, numbers.groups())) < OLDEST


def found() -> Found | None:
    """What there is of ONNX Runtime, without loading it; None where there is nothing, or nothing that pip knows.

    Of several builds, one that can open our networks.
    """
    importlib.invalidate_caches()
    builds = []
    for package in (*OTHER_BUILDS, PACKAGE):
        with suppress(importlib.metadata.PackageNotFoundError):
            # Of what pip could not remove whole there may be a folder without a version.
            builds.append(Found(package, importlib.metadata.version(package) or ""))
    return min(builds, key=lambda build: build.is_too_old, default=None)


def outdated() -> Found | None:
    """What there is of ONNX Runtime, if it is too old."""
    there = found() if is_installed(PACKAGE) else None
    return there if there is not None and there.is_too_old else None


def is_needed(engine: str) -> bool:
    """Whether a run with ``engine`` ("auto", "onnx", "tensorflow") has to wait for the package, or for a newer one."""
    if engine == "tensorflow":
        return False
    if is_installed(PACKAGE):
        return outdated() is not None
    return engine == "onnx" or not is_installed("tensorflow")


def constraints() -> str:
    """The versions of all packages of the running Python, as pip reads them; ours is left out."""
    found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions() if d.metadata["Name"]}
    found = {
        name: version
        for name, version in found.items()
        if name.lower() != PACKAGE and _VERSION.fullmatch(version or "")
    }
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))


@dataclass(frozen=True)
class Pip:
    """Calls of pip for one installation.

    ``folder``: for what is in between; ``wheels``: a folder with the wheel, or None to download it.
    """

    folder: Path
    wheels: Path | None

    def fetch(self) -> list[str]:
        """Bring the wheel into our folder."""
        where = ["--no-index", "--find-links", str(self.wheels)] if self.wheels else []
        return self._call("download", *where, "--dest", str(self.folder))

    def rehearse(self) -> list[str]:
        """Install it into our folder."""
        return self._call("install", *self._ours, "--target", str(self.trial))

    def install(self) -> Generator[None, None, Outcome]:
        """Install it into Slicer, in steps."""
        return pip_install_steps(["--no-deps", *self._ours, REQUIREMENT], self.folder / "constraints.txt")

    @property
    def trial(self) -> Path:
        """Where the package is tried."""
        return self.folder / "trial"

    @property
    def _ours(self) -> list[str]:
        return ["--no-index", "--find-links", str(self.folder)]

    def _call(self, verb: str, *options: str) -> list[str]:
        general = ["--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary", ":all:"]
        kept = ["--constraint", str(self.folder / "constraints.txt")]
        return [python_interpreter(), "-m", "pip", verb, *general, *kept, *options, REQUIREMENT]


def install_steps(wheels: Path | None) -> Generator[str | None, None, None]:
    """Install the package in steps (see :mod:`.task`), from the index or from the folder ``wheels``; says what it does.

    One that is too old is replaced. Raises :class:`InstallError`; Slicer's packages are then as they were before.
    """
    try:
        with unfinished_folder() as folder:
            yield from _install(Pip(folder, wheels))
    except OSError as error:
        raise explained(str(error)) from error
    importlib.invalidate_caches()


def _install(pip: Pip) -> Generator[str | None, None, None]:
    (pip.folder / "constraints.txt").write_text(constraints(), encoding="utf-8")
    yield _("Looking for the package") if pip.wheels else _("Downloading {package}").format(package=PACKAGE)
    yield from _run(pip.fetch())
    yield _("Trying the package before it is installed")
    yield from _run(pip.rehearse())
    yield from _run([python_interpreter(), "-c", _TRY, str(pip.trial)], library_environment())
    places = (yield from _run([python_interpreter(), "-c", _WHERE])).output.splitlines()
    yield _("Installing")
    with _whole_or_not_at_all({Path(place).resolve() for place in places}):  # lib64 is often a link to lib
        _check((yield from pip.install()))


@contextmanager
def _whole_or_not_at_all(places: Collection[Path]) -> Iterator[None]:
    """Move the package that is in ``places`` aside, and bring it back when installing another one fails or is stopped.

    pip leaves half a package behind when it is ended. Moving needs no space on a disk that is full.
    """
    old, aside = _parts(places), list[tuple[Path, Path]]()
    try:
        for part in old:
            moved = part.with_name(f".covidseg-{uuid.uuid4().hex}")
            part.rename(moved)
            aside.append((moved, part))
        yield
    except BaseException:
        # What could not even be moved (in use, or in a folder that cannot be written) is still the old package.
        unmoved = set(old) - {part for _, part in aside}
        for part in set(_parts(places)) - unmoved:
            _remove(part)
        for moved, part in aside:
            moved.rename(part)
        raise
    for moved, _part in aside:
        _remove(moved)


def _parts(places: Collection[Path]) -> list[Path]:
    """Folders and files of the package (onnxruntime, onnxruntime.libs, onnxruntime-1.20.dist-info), of no other one."""
    return [part for place in places for part in place.iterdir() if re.split("[-.]", part.name)[0] == PACKAGE]


def _remove(part: Path) -> None:
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def _run(command: list[str], environment: dict[str, str] | None = None) -> Generator[None, None, Outcome]:
    # In a folder that cannot be written pip would turn to the user's own, which Slicer does not look into.
    return _check((yield from child_steps(command, {"PIP_USER": "0", **(environment or {})})))


def _check(outcome: Outcome) -> Outcome:
    if outcome.code != 0:
        raise explained(outcome.output)
    return outcome


def explained(output: str, package: str = PACKAGE) -> InstallError:
    """What pip or the trial said, as a sentence with the package and the reason."""
    last = output.strip().rpartition("\n")[2]
    reason, hint = _("it does not work here ({last})").format(last=last), ""
    for marks, known_reason, known_hint in _known_reasons():
        if any(mark in output for mark in marks):
            reason, hint = known_reason, known_hint
            break
    sentence = _("The package {package} could not be installed: {reason}. Slicer is as it was.")
    return InstallError(sentence.format(package=package, reason=reason), hint, output)


def _known_reasons() -> list[tuple[tuple[str, ...], str, str]]:
    """What pip says, the reason in words, and what to do."""
    here = {"version": ".".join(map(str, sys.version_info[:2])), "system": platform.system()}
    folder = _("Use a folder with its wheel instead, fetched on a computer with internet.")
    no_wheel = _("there is no wheel of it for Python {version} on {system}").format(**here)
    net = ("NewConnectionError", "ConnectTimeout", "name resolution", "ProxyError", "SSLError", "Connection")
    denied = ("Permission denied", "Access is denied", "Read-only file system", "[Errno 13]", "[WinError 5]")
    return [
        (
            ("No space left", "[Errno 28]", "not enough space"),
            _("the disk is full"),
            _("Free some space and try again."),
        ),
        (denied, _("Slicer's folder cannot be written"), _("Start Slicer as its owner.")),
        (net, _("the package index cannot be reached"), folder),
        (("No matching distribution", "from versions:"), no_wheel, folder),
        (("No module named pip",), _("this Slicer has no pip"), _("Install Slicer again.")),
    ]
