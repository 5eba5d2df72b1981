"""What all tests share: where the real data lie, how Hypothesis behaves, and that child processes find the packages."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"

# The same examples in every run: a test that fails fails again. COVIDSEG_HYPOTHESIS=explore looks for new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("COVIDSEG_HYPOTHESIS", "repeatable"))


def pytest_configure() -> None:
    """Let child processes import the packages from this checkout, and keep out of the home folder."""
    paths = [str(REPOSITORY / "CovidSeg"), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    # Hundreds of child processes compile the packages once, not each of them again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # What is known of this computer's devices is not the user's, nor that of an earlier run.
    os.environ["COVIDSEG_CACHE"] = str(REPOSITORY / ".pytest_cache" / f"covidseg-{os.getpid()}")


def pytest_unconfigure() -> None:
    """Remove what fixtures of whole files left of devices."""
    shutil.rmtree(os.environ["COVIDSEG_CACHE"], ignore_errors=True)


@pytest.fixture(autouse=True)
def devices_of_this_test(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a test finds out about devices is its own: a process that it kills may have been trying one."""
    folder = tmp_path_factory.getbasetemp() / f"devices-{next(_COUNT)}"
    monkeypatch.setenv("COVIDSEG_CACHE", str(folder))


_COUNT = itertools.count()

FIRST = (
    "test_training_runs.py", "test_training.py", "test_training_step.py", "test_training_cases.py",
    "test_lobe_training.py", "test_run_folders.py", "test_compact.py", "test_needs.py",
    "test_training_saved_meanwhile.py", "test_protocol.py", "test_engines_agree.py", "test_engines.py",
    "test_software_gpu.py", "test_accuracy.py", "test_docs.py", "test_docs_examples.py", "test_fuzz.py",
)  # fmt: skip
"""Files of tests that load TensorFlow, so that one process does, and of others that take long."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let long tests come first: at the end no process is left alone with one."""
    order = {name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(FIRST)))


def pytest_collection_finish() -> None:
    """Let the garbage collector look no more at thousands of collected tests and loaded libraries."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def lobes_are_estimated_once() -> Iterator[None]:
    """The same lungs have the same lobes in each test (kit/lobes_once)."""
    from Testing.kit.lobes_once import lobes_once

    with lobes_once():
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root folder of this checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans beside the checkout; skips the test where it is absent."""
    return _shared_folder("data", "real scans")


@pytest.fixture(scope="session")
def shared_weights() -> Path:
    """The folder of ImageNet weights beside the checkout; skips the test where it is absent."""
    return _shared_folder("weights", "the encoder's ImageNet weights")


def _shared_folder(name: str, content: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs {content}: no folder ../shared/{name} beside this checkout")
    return folder
