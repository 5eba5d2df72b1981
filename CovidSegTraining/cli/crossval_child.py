"""One step of :mod:`CovidSegTraining.fit.crossval`: ``python -m CovidSegTraining.cli.crossval_child`` and a command.

It ends when its input ends, so it never outlives its parent: as at Ctrl-C, so that nothing half-written stays behind,
or at once where that takes too long.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time

from CovidSegLib.system.processes import PATIENCE_SECONDS

from .command import main


def end_with_parent() -> None:
    """Watch the input from now on; whoever else reads from it finds nothing."""
    parent, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    threading.Thread(target=_wait_for_end, args=(parent,), daemon=True).start()


def _wait_for_end(parent: int) -> None:
    os.read(parent, 1)
    _thread.interrupt_main()
    time.sleep(PATIENCE_SECONDS)
    os._exit(130)


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main())
