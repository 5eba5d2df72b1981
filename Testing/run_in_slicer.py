"""What run_in_slicer.sh lets Slicer do: open the module, run its own test, end with an exit code."""

from __future__ import annotations

import traceback

import slicer


def main() -> int:
    """0 passed, 1 failed, 2 the package that computes the network is not installed."""
    slicer.util.selectModule("CovidSeg")
    from CovidSegLib.gui.core import install

    if install.is_needed("auto"):
        print(
            f"This Slicer has no {install.PACKAGE}. Open the module CovidSeg, press Apply and answer Yes; then again."
        )
        return 2
    try:
        slicer.selfTests["CovidSeg"]()
    except Exception:
        traceback.print_exc()
        return 1
    print("CovidSeg: the module's own test passed.")
    return 0


slicer.util.exit(main())
