"""What a command needs, looked at before it begins: packages that are optional, ImageNet's weights."""

from __future__ import annotations

import importlib.util
import os
import threading
import urllib.error
import urllib.request
from pathlib import Path

from CovidSegLib.errors import EngineError, InputError

OPTIONAL = ("tensorflow", "keras", "tf2onnx", "onnx", "matplotlib", "indexed_gzip")
"""What comes with the extra "training" alone."""

TRAINING = ("tensorflow", "keras", "indexed_gzip")
"""What a training loads of it."""

EXPORT = ("tensorflow", "keras", "onnx", "tf2onnx")
"""What an export loads of it."""

_ANSWER_SECONDS = 5.0
_WEIGHTS = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
_SOURCE = f"https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/{_WEIGHTS}"
"""Where Keras takes ImageNet's weights from, and what it calls them."""


def check_packages(names: tuple[str, ...]) -> None:
    """Raise EngineError where one of these packages is not installed; none is loaded, which would take many seconds."""
    for name in names:
        try:
            found = importlib.util.find_spec(name) is not None
        except ValueError:  # a module without a description, or None in the place of one
            found = False
        if not found:
            raise missing_package(name)


def missing_package(name: str) -> EngineError:
    """What is said where the package ``name`` is not installed."""
    return EngineError(
        f"This command needs the Python package {name}, which is not installed.",
        "pip install 'covidseg[cpu,training]' (with an NVIDIA GPU: 'covidseg[gpu,training-gpu]').",
    )


def is_optional(name: str | None) -> bool:
    """Whether a module that could not be imported belongs to the extra "training"."""
    return (name or "").partition(".")[0] in OPTIONAL


def check_encoder(encoder: str | None) -> None:
    """Raise InputError where ImageNet's weights are wanted and cannot be had; within a few seconds.

    They come with ``encoder`` "imagenet", from Keras's cache or from the network.
    """
    keras_home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    if encoder != "imagenet" or (keras_home / "models" / _WEIGHTS).is_file():
        return
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(_answers()), daemon=True)
    asking.start()
    asking.join(_ANSWER_SECONDS)  # looking up a name takes as long as it likes
    if not any(answers):
        raise no_weights()


def no_weights() -> InputError:
    """What is said where ImageNet's weights cannot be had."""
    return InputError(
        "ImageNet's weights cannot be downloaded.",
        "Give their file with --encoder, or (fit, crossval) use --init default.",
    )


def _answers() -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(_SOURCE, method="HEAD"), timeout=_ANSWER_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 405  # it is there, and does not like to be asked so
    except (OSError, ValueError):
        return False
