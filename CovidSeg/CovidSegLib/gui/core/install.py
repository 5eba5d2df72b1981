"""Getting a package that Slicer lacks, or has too old: tried in a folder of its own first, then put into Slicer.

pip runs as a child of Slicer's Python (the last step by :mod:`.pip_install`) with ``--no-deps`` and a list of the
versions that Slicer has, so that nothing that Slicer brings can be replaced. All else that onnxruntime declares is for
uses that segmenting does not have; its plug-ins declare nothing.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
import shutil
import uuid
from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from ...errors import EngineError
from ...system.processes import library_environment
from ...system.unfinished import unfinished_folder
from .child_steps import ChildOutcome, child_steps
from .install_faults import explained
from .pip_install import pip_install_steps
from .run_steps import python_interpreter

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


@dataclass(frozen=True)
class Wanted:
    """What is installed in one go.

    ``packages``: their names; ``requirements``: what pip is told of them; ``trial``: a program that fails where they
    do not work, with the folder in which they are tried as its argument.
    """

    packages: tuple[str, ...]
    requirements: tuple[str, ...]
    trial: str

    @property
    def names(self) -> str:
        """The packages, for people."""
        return ", ".join(self.packages)


RUNTIME = Wanted((PACKAGE,), (REQUIREMENT,), _TRY)
"""What segmenting needs."""


def is_installed(package: str = PACKAGE) -> bool:
    """Whether Slicer's Python has ``package``; it is not loaded."""
    importlib.invalidate_caches()
    return importlib.util.find_spec(package) is not None


@dataclass(frozen=True)
class Installed:
    """A build of ONNX Runtime that Slicer's Python has: the name of its package and its version."""

    package: str
    version: str

    @property
    def is_too_old(self) -> bool:
        """Whether it cannot open our networks."""
        return self.is_older_than(OLDEST)

    def is_older_than(self, oldest: tuple[int, ...]) -> bool:
        """Whether its version comes before ``oldest``; False where it has none that could be read."""
        numbers = re.match(r"\d+(\.\d+)+", self.version)
        return numbers is not None and tuple(map(int, numbers[0].split("."))) < oldest


def found() -> Installed | None:
    """What there is of ONNX Runtime, without loading it; None where there is nothing, or nothing that pip knows.

    Of several builds, one that can open our networks.
    """
    importlib.invalidate_caches()
    builds = []
    for package in (*OTHER_BUILDS, PACKAGE):
        with suppress(importlib.metadata.PackageNotFoundError):
            # Of what pip could not remove whole there may be a folder without a version.
            builds.append(Installed(package, importlib.metadata.version(package) or ""))
    return min(builds, key=lambda build: build.is_too_old, default=None)


def outdated() -> Installed | None:
    """What there is of ONNX Runtime, if it is too old."""
    there = found() if is_installed(PACKAGE) else None
    return there if there is not None and there.is_too_old else None


def too_old(there: Installed, oldest: str) -> EngineError:
    """For a build that was chosen for its hardware: to replace it is not for us."""
    values = {"package": there.package, "version": there.version, "oldest": oldest}
    return EngineError(
        _("The installed {package} {version} is too old: CovidSeg needs {oldest} or newer.").format(**values),
        _("Update it in Slicer's Python console: slicer.util.pip_install('{package}>={oldest}')").format(**values),
    )


def is_needed(engine: str) -> bool:
    """Whether a run with ``engine`` ("auto", "onnx", "tensorflow") has to wait for the package, or for a newer one."""
    if engine == "tensorflow":
        return False
    if is_installed(PACKAGE):
        return outdated() is not None
    return engine == "onnx" or not is_installed("tensorflow")


def constraints(but: Collection[str] = (PACKAGE,)) -> str:
    """The versions of all packages of the running Python, as pip reads them; those of ``but`` are left out."""
    found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions() if d.metadata["Name"]}
    found = {
        name: version
        for name, version in found.items()
        if name.lower().replace("_", "-") not in but and _VERSION.fullmatch(version or "")
    }
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))


@dataclass(frozen=True)
class Pip:
    """Calls of pip for one installation.

    ``folder``: for what is in between; ``wheels``: a folder with the wheels, or None to download them.
    """

    folder: Path
    wheels: Path | None
    wanted: Wanted = RUNTIME

    def fetch(self) -> list[str]:
        """Bring the wheels into our folder."""
        where = ["--no-index", "--find-links", str(self.wheels)] if self.wheels else []
        return self._call("download", *where, "--dest", str(self.folder))

    def rehearse(self) -> list[str]:
        """Install them into our folder."""
        return self._call("install", *self._ours, "--target", str(self.trial))

    def install(self) -> Generator[None, None, ChildOutcome]:
        """Install them into Slicer, in steps."""
        return pip_install_steps(["--no-deps", *self._ours, *self.wanted.requirements], self.folder / "constraints.txt")

    @property
    def trial(self) -> Path:
        """Where the packages are tried."""
        return self.folder / "trial"

    @property
    def _ours(self) -> list[str]:
        return ["--no-index", "--find-links", str(self.folder)]

    def _call(self, verb: str, *options: str) -> list[str]:
        general = ["--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary", ":all:"]
        kept = ["--constraint", str(self.folder / "constraints.txt")]
        return [python_interpreter(), "-m", "pip", verb, *general, *kept, *options, *self.wanted.requirements]


def install_steps(wheels: Path | None, wanted: Wanted = RUNTIME) -> Generator[str | None, None, None]:
    """Install ``wanted`` in steps (see :mod:`.task`), from the index or from the folder ``wheels``; says what it does.

    What is too old is replaced. Raises InstallError; Slicer's packages are then as they were before.
    """
    try:
        with unfinished_folder() as folder:
            yield from _install(Pip(folder, wheels, wanted))
    except OSError as error:
        raise explained(str(error), wanted.names) from error
    importlib.invalidate_caches()


def _install(pip: Pip) -> Generator[str | None, None, None]:
    wanted = pip.wanted
    kept = constraints(wanted.packages)
    (pip.folder / "constraints.txt").write_text(kept, encoding="utf-8")
    yield _("Looking for the package") if pip.wheels else _("Downloading {package}").format(package=wanted.names)
    yield from _run(pip.fetch(), wanted)
    yield _("Trying the package before it is installed")
    yield from _run(pip.rehearse(), wanted)
    yield from _run([python_interpreter(), "-c", wanted.trial, str(pip.trial)], wanted, library_environment())
    places = (yield from _run([python_interpreter(), "-c", _WHERE], wanted)).output.splitlines()
    yield _("Installing")
    modules = [package.replace("-", "_") for package in wanted.packages]
    with _whole_or_not_at_all({Path(place).resolve() for place in places}, modules):  # lib64 is often a link to lib
        _check((yield from pip.install()), wanted)


@contextmanager
def _whole_or_not_at_all(places: Collection[Path], modules: Collection[str]) -> Iterator[None]:
    """Move ``modules`` that are in ``places`` aside, and bring them back when installing others fails or is stopped.

    pip leaves half a package behind when it is ended. Moving needs no space on a disk that is full.
    """
    old, aside = _parts(places, modules), list[tuple[Path, Path]]()
    try:
        for part in old:
            moved = part.with_name(f".covidseg-{uuid.uuid4().hex}")
            part.rename(moved)
            aside.append((moved, part))
        yield
    except BaseException:
        # What could not even be moved (in use, or in a folder that cannot be written) is still the old package.
        unmoved = set(old) - {part for _, part in aside}
        for part in set(_parts(places, modules)) - unmoved:
            _remove(part)
        for moved, part in aside:
            moved.rename(part)
        raise
    for moved, _part in aside:
        _remove(moved)


def _parts(places: Collection[Path], modules: Collection[str]) -> list[Path]:
    """Folders and files of ``modules`` (onnxruntime, onnxruntime.libs, onnxruntime-1.20.dist-info), of no others."""
    return [part for place in places for part in place.iterdir() if re.split("[-.]", part.name)[0] in modules]


def _remove(part: Path) -> None:
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def _run(
    command: list[str], wanted: Wanted, environment: dict[str, str] | None = None
) -> Generator[None, None, ChildOutcome]:
    # In a folder that cannot be written pip would turn to the user's own, which Slicer does not look into.
    return _check((yield from child_steps(command, {"PIP_USER": "0", **(environment or {})})), wanted)


def _check(outcome: ChildOutcome, wanted: Wanted) -> ChildOutcome:
    if outcome.code != 0:
        raise explained(outcome.output, wanted.names)
    return outcome
