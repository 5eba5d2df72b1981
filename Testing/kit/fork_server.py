"""``python fork_server.py SOCKET``: has loaded the libraries, and forks for each call (see :mod:`.forked`).

What it forks goes on as if ``python -m MODULE ...`` had been started, in a folder and with an environment of its own,
and is a child of the process that asks (which is a subreaper meanwhile, see prctl(2)). CovidSegLib is loaded anew.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
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


def load() -> None:
    """Load what a command and its worker load in the end, but of the product nothing. None of it starts a thread."""
    sys.modules["requests"] = None  # type: ignore[assignment]  # pydicom loads it; it would open a socket
    scipy = (f"scipy.{part}" for part in ("interpolate", "linalg", "ndimage", "optimize", "sparse", "spatial"))
    for library in ("jinja2", "nibabel", "onnxruntime", "pydicom", "SimpleITK", *scipy):
        with suppress(ImportError):
            importlib.import_module(library)
    del sys.modules["requests"]
    gc.freeze()


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
    runpy.run_module(call["module"], run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    load()
    end = socket.socket(fileno=int(sys.argv[1]))
    run(*serve(end), end)
