"""``python fork_server.py SOCKET``: has loaded libraries and CovidSegLib, and forks for each call (see :mod:`.forked`).

What it forks goes on as if ``python -m MODULE ...`` had been started, in a folder and with an environment of its own,
and is a child of the process that asks (which is a subreaper meanwhile, see prctl(2)). Where its path leads to another
CovidSegLib, that one is loaded.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import suppress
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CALL_BYTES = 1 << 20
"""More than any call takes."""

ROOT = str(Path(__file__).resolve().parents[2])
LIBRARIES = sys.path[1:]
"""Where this Python finds packages."""

SERVER = "fork server"
"""What these processes are called, and what they fork until it has become what was called."""

COMMAND = "CovidSegLib.cli"
"""It starts workers, which must be its own children: it gets a server of its own."""


PRODUCT = "CovidSegLib"
_LEFT_OUT = ("gui", "mrml", "pipeline", "worker.child", "cli.__main__")
"""What Slicer's window needs, what a test has its own of, and what is run."""


def load() -> None:
    """Load what a command and its worker load in the end. None of it starts a thread."""
    sys.modules["requests"] = None  # type: ignore[assignment]  # pydicom loads it; it would open a socket
    scipy = (f"scipy.{part}" for part in ("interpolate", "linalg", "ndimage", "optimize", "sparse", "spatial"))
    libraries = ("highdicom", "jinja2", "nibabel", "onnxruntime", "PIL.Image", "pydicom", "SimpleITK", *scipy)
    for library in (*libraries, *_product_modules()):
        with suppress(ImportError):
            importlib.import_module(library)
    del sys.modules["requests"]
    _remember_the_network()
    gc.collect()
    gc.freeze()


def _remember_the_network() -> None:
    """Let what is forked compute the same slices once, where a test asks for it (:mod:`.network_once`)."""
    engines = sys.modules.get(f"{PRODUCT}.network.onnx_engine")
    if engines is not None:
        sys.path.append(ROOT)
        from Testing.kit import network_once

        sys.path.remove(ROOT)
        network_once.install(engines.OnnxEngine)


def _product_modules() -> list[str]:
    """Every module of CovidSegLib that a command may load, but for those left out."""
    spec = find_spec(PRODUCT)
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent
    files = sorted(file.relative_to(folder).with_suffix("") for file in folder.rglob("*.py"))
    names = [".".join(file.parts) for file in files if file.name != "__init__"]
    return [f"{PRODUCT}.{name}" for name in names if not name.startswith(_LEFT_OUT)]


def _forget_another_product() -> None:
    """Where the path leads to another CovidSegLib than the one that was loaded, it is to be loaded anew."""
    found, loaded = PathFinder.find_spec(PRODUCT), sys.modules.get(PRODUCT)
    if found is not None and loaded is not None and found.origin != loaded.__file__:
        for name in [name for name in sys.modules if name.split(".")[0] == PRODUCT]:
            del sys.modules[name]


def serve(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork for each call; does not return, but in what was forked: the call, and the numbers of its three streams."""
    _be_called(SERVER)
    while True:
        data, streams, _flags, _address = socket.recv_fds(channel, CALL_BYTES, 3)
        if not data:
            os._exit(0)
        between = os.fork()
        if between == 0:
            between = os.getpid()
            if os.fork():
                os._exit(0)
            while os.getppid() == between:
                time.sleep(0.0002)
            _be_called("python")
            channel.sendall(b"%d\n" % os.getpid())
            return json.loads(data), streams
        for stream in streams:
            os.close(stream)
        os.waitpid(between, 0)


def become(call: dict[str, Any], streams: list[int], channel: socket.socket) -> socket.socket | None:
    """Make this process what was called, as far as it goes without running it; returns a server's socket, if any."""
    channel.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2:
            with suppress(OSError):  # that of the list itself
                os.close(number)
    os.environ.clear()
    os.environ.update(call["environment"])
    os.chdir(call["folder"])
    if call["new_session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tempfile.tempdir = None
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    sys.argv = ["-m", *call["arguments"]]
    sys.orig_argv = [sys.executable, "-m", call["module"], *call["arguments"]]
    own = call["environment"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [call["folder"], *filter(None, own), *LIBRARIES]
    sys.path_importer_cache.clear()
    _forget_another_product()
    return _own_server() if call["module"] == COMMAND else None


def _be_called(name: str) -> None:
    """Take ``name`` in the system's list of processes."""
    Path("/proc/self/comm").write_text(name, encoding="ascii")


def _own_server() -> socket.socket:
    """Fork a server for this process; in what that forks it does not return."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        its.close()
        return ours
    ours.close()
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    run(*serve(its), its)
    raise AssertionError("what was run ends the process")


def run(call: dict[str, Any], streams: list[int], channel: socket.socket) -> None:
    """Become what was called and run it to its end, which is the end of this process."""
    server = become(call, streams, channel)
    sys.modules.pop("sitecustomize", None)
    with suppress(ImportError):
        importlib.import_module("sitecustomize")  # what the environment's PYTHONPATH brings
    if server is not None:
        sys.path.append(ROOT)
        from Testing.kit import forked

        sys.path.remove(ROOT)
        forked.install(server)
    try:
        runpy.run_module(call["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        _end(end.code)
    _end(0)


def _end(code: int) -> None:
    """End as Python ends, but for freeing one by one what the system frees at once."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.exit(code)  # Python says so
    os._exit(code & 0xFF)


if __name__ == "__main__":
    load()
    end = socket.socket(fileno=int(sys.argv[1]))
    run(*serve(end), end)
