"""Child processes that need not load the libraries again: most of what a small test costs.

A worker, and a command that a test runs to its end, are forked from a process that has loaded the libraries
(:mod:`.fork_server`) instead of being started. They are real processes all the same: children of the one that starts
them, with pipes, signals and an end. Whatever is not a plain call (a changed language or limit, a function to be called
in the child) is started as ever, and so is everything on systems other than Linux.
"""

from __future__ import annotations

import ctypes
import inspect
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from CovidSegLib.system import processes

SERVER = Path(__file__).with_name("fork_server.py")
MODULES = ("CovidSegLib.worker.child", "CovidSegLib.cli")
_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""

_NAMES = list(inspect.signature(subprocess.Popen._execute_child).parameters)[1:]  # type: ignore[attr-defined]
_PLAIN = {
    "preexec_fn": None, "executable": None, "pass_fds": (), "shell": False, "close_fds": True, "restore_signals": True,
    "gid": None, "uid": None, "gids": None, "umask": -1, "process_group": -1,
}  # fmt: skip
_STREAMS = ("p2cread", "c2pwrite", "errwrite")
_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "OMP_", "OPENBLAS_", "MALLOC_", "VK_", "ORT_WEBGPU")
"""Variables that a process obeys when it starts or loads a library: with others than the server's it is started."""

_PATIENCE_SECONDS = 300.0
"""For an answer of the server, which is waited for where something is broken."""

_STARTS = subprocess.Popen
_lock = threading.Lock()
_server: socket.socket | None = None
_environment: dict[str, str] = {}
_limits: list[tuple[int, int]] = []


class Popen(subprocess.Popen):
    """Forks where it can, starts where it cannot."""

    def _execute_child(self, *values: Any) -> None:
        named = dict(zip(_NAMES, values, strict=True))
        if _server is None or not _is_plain(named):
            super()._execute_child(*values)  # type: ignore[misc]
            return
        call = {
            "module": named["args"][2],
            "arguments": list(named["args"][3:]),
            "environment": dict(os.environ if named["env"] is None else named["env"]),
            "folder": str(Path(named["cwd"] or ".").absolute()),
            "new_session": named["start_new_session"],
        }
        streams = [number if named[name] == -1 else named[name] for number, name in enumerate(_STREAMS)]
        with _lock:
            _adopt(True)
            try:
                socket.send_fds(_server, [json.dumps(call).encode()], streams)
                self.pid = int(_server.recv(100))
            finally:
                _adopt(False)
        self._child_created = True
        for stream, other in (("p2cread", "p2cwrite"), ("c2pwrite", "c2pread"), ("errwrite", "errread")):
            if named[stream] != -1 and named[other] != -1:
                os.close(named[stream])
        nothing = getattr(self, "_devnull", None)
        if nothing is not None:
            os.close(nothing)
        self._closed_child_pipe_fds = True


class _Subprocess:
    """The module ``subprocess`` with another Popen, but for a test that puts its own in the place of that."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(subprocess, name)
        return Popen if found is _STARTS else found


def ready() -> None:
    """Have a server from now on, on Linux; the first call starts it."""
    if sys.platform != "linux" or _server is not None:
        return
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)  # what it would bring is brought to each that is forked
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        subprocess.Popen(
            [sys.executable, str(SERVER), str(its.fileno())],
            env=environment,
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    ours.settimeout(_PATIENCE_SECONDS)
    install(ours)


def install(server: socket.socket) -> None:
    """Let ``server`` fork the workers of this process."""
    global _server, _environment, _limits
    _server, _environment, _limits = server, dict(os.environ), _found_limits()
    processes.subprocess = _Subprocess()  # type: ignore[assignment]


def _is_plain(named: dict[str, Any]) -> bool:
    arguments = named["args"]
    return (
        not isinstance(arguments, str)
        and list(arguments[:2]) == [sys.executable, "-m"]
        and arguments[2] in MODULES
        and all(named.get(name, usual) in (usual, None) for name, usual in _PLAIN.items())
        and _at_start(os.environ if named["env"] is None else named["env"]) == _at_start(_environment)
        and _found_limits() == _limits
    )


def _at_start(environment: Any) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_AT_START) and name not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    }


def _found_limits() -> list[tuple[int, int]]:
    import resource

    kinds = (resource.RLIMIT_FSIZE, resource.RLIMIT_DATA, resource.RLIMIT_AS, resource.RLIMIT_NOFILE)
    return [resource.getrlimit(kind) for kind in kinds]


def _adopt(orphans: bool) -> None:
    """Let orphans among our descendants become our children, or no longer."""
    if ctypes.CDLL(None).prctl(_SUBREAPER, int(orphans), 0, 0, 0) != 0:
        raise OSError("no subreaper on this system")
