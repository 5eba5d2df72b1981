"""Why a package could not be installed, in a sentence: from what pip or the trial printed."""

from __future__ import annotations

import json
import platform
import sys

from slicer.i18n import tr as _

from ...errors import EngineError
from ...i18n import from_json
from . import wording


class InstallError(EngineError):
    """The package could not be installed; ``output`` is what pip said."""

    def __init__(self, sentence: str, hint: str, output: str) -> None:
        super().__init__(sentence, hint)
        self.output = output


def explained(output: str, package: str = "onnxruntime") -> InstallError:
    """What pip or the trial said, as a sentence with the package and the reason."""
    last = output.strip().rpartition("\n")[2]
    refused = _refusal(last)
    if refused:
        sentence = _("The package {package} was not installed, Slicer is as it was: {reason}")
        return InstallError(sentence.format(package=package, reason=refused), "", output)
    reason, hint = _("it does not work here ({last})").format(last=last), ""
    for marks, known_reason, known_hint in _known_reasons():
        if any(mark in output for mark in marks):
            reason, hint = known_reason, known_hint
            break
    sentence = _("The package {package} could not be installed: {reason}. Slicer is as it was.")
    return InstallError(sentence.format(package=package, reason=reason), hint, output)


def _refusal(last: str) -> str:
    """What the trial of a GPU (``hardware.try_gpu``) says in its ``last`` line, in the user's language; else ""."""
    try:
        return wording.translated(from_json(json.loads(last)["refused"]))
    except (ValueError, KeyError, TypeError):
        return ""


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
