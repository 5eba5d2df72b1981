"""The plug-in for a GPU of any maker, which the button *Use the GPU...* brings: what it takes, in words."""

from __future__ import annotations

import sys

from slicer.i18n import tr as _

from ...errors import EngineError
from ...network.providers import find
from . import install

PLUGIN = find("webgpu")

_TRY = (
    # PythonSlicer looks into Slicer's own packages before PYTHONPATH.
    "import sys; sys.path.insert(0, sys.argv[1])\n"
    f"from CovidSegLib.hardware import try_gpu; sys.exit(try_gpu({PLUGIN.name!r}))"
)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def wanted() -> install.Wanted:
    """The plug-in, and ONNX Runtime itself where it is not there or is too old for it.

    Raises EngineError where this Python is too old for the plug-in, or a build for other hardware would have to go.
    """
    if sys.version_info[:2] < PLUGIN.python:
        values = {"package": PLUGIN.package, "oldest": _dotted(PLUGIN.python), "version": _dotted(sys.version_info[:2])}
        raise EngineError(
            _("The package {package} needs Python {oldest} or newer, and this Slicer has {version}.").format(**values),
            _("Use a newer Slicer for the GPU; on the CPU everything works here too."),
        )
    packages, requirements = [PLUGIN.package], [f"{PLUGIN.package}>=0.4"]
    runtime = install.found() if install.is_installed() else None
    if runtime is None or runtime.is_older_than(PLUGIN.oldest_runtime):
        if runtime is not None and runtime.package != install.PACKAGE:
            raise install.too_old(runtime, _dotted(PLUGIN.oldest_runtime))
        packages.append(install.PACKAGE)
        requirements.append(f"{install.PACKAGE}>={_dotted(PLUGIN.oldest_runtime)}")
    return install.Wanted(tuple(packages), tuple(requirements), _TRY)


def question(what: install.Wanted, cards: tuple[str, ...]) -> str:
    """What the user is asked; ``cards``: names of the graphics cards."""
    both = install.PACKAGE in what.packages
    text = _(
        "{card}: CovidSeg can compute on it with the Python package {package}, {download} MB to download, {disk} MB on"
        " disk. It is tried first: only a GPU that gives the same masks as the CPU is used. Nothing that Slicer brings"
        " is changed. Install it?"
    )
    return text.format(
        card=", ".join(cards) or _("No GPU was found, but there may be one"),
        package=what.names,
        download=PLUGIN.download_mb + (install.DOWNLOAD_MB if both else 0),
        disk=PLUGIN.disk_mb + (install.DISK_MB if both else 0),
    )
