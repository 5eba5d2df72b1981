"""How soon a command starts: what the process loads that talks to the user while a child computes."""

from __future__ import annotations

import subprocess
import sys

STARTS_A_CHILD = """
import sys
import CovidSegLib.batch, CovidSegLib.cli.main, CovidSegLib.network.models, CovidSegLib.report.report_formats
import CovidSegLib.segfiles, CovidSegLib.worker.parent
slow = ("scipy.ndimage", "scipy.sparse", "SimpleITK", "pydicom", "onnxruntime")
print([name for name in slow if name in sys.modules])
"""


def test_a_command_that_only_starts_a_child_loads_no_library_that_computes() -> None:
    ended = subprocess.run([sys.executable, "-c", STARTS_A_CHILD], capture_output=True, text=True, check=False)
    assert ended.stdout == "[]\n", ended.stderr
