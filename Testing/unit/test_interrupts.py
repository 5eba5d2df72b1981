"""Ctrl-C once is enough, and pressing it again changes neither the cleaning up nor the exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from CovidSegLib.system.interrupts import Interrupts

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals")

# What the tests were started with may have been told to ignore signals (nohup, a job in the background).
HEARS_SIGNALS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""

# A command that is interrupted, and once more by an exit handler: after the command, before Python has ended.
STOPPED_AGAIN_WHILE_LEAVING = """
import atexit, os, signal, sys
from CovidSegLib.cli import main, models_command

def interrupted(args):
    os.kill(os.getpid(), signal.{name})

models_command.run_list = interrupted
atexit.register(os.kill, os.getpid(), signal.{name})
sys.argv = ["covidseg", "models", "list"]
sys.exit(main.main())
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_second_signal_while_the_process_leaves_does_not_change_the_exit_code(name: str) -> None:
    script = HEARS_SIGNALS + STOPPED_AGAIN_WHILE_LEAVING.format(name=name)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "cancelled\n")


def test_a_caller_that_lives_on_gets_its_own_handlers_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGTERM)
    assert interrupts.asked()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    "comes_out_as",
    [
        "exec('raise KeyboardInterrupt')",  # as in the decorator of a dataclass, while a module is loaded
        "signal.raise_signal(signal.SIGINT)",
        "raised_as_another()",
    ],
)
def test_a_command_that_is_stopped_while_it_loads_its_modules_ends_with_130(comes_out_as: str) -> None:
    program = f"""{HEARS_SIGNALS}
import sys
import CovidSegLib.cli.main as command

def raised_as_another():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("half of it is loaded")

def build_parser():
    {comes_out_as}

command.build_parser = build_parser
sys.exit(command.main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "cancelled\n")
