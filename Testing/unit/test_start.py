"""How soon a command starts: what the process loads that talks to the user while a child computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from CovidSegLib.segfiles.labelmap import save_nifti

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


COMPUTES_ON_THE_CPU = """
import sys
from pathlib import Path
from CovidSegLib import pipeline
from CovidSegLib.case import SegmentCase
from CovidSegLib.options import Options
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
pipeline.open_engine(Options(device="cpu"), Progress())
read_ct(Path(sys.argv[1]), Progress())
needless = ("scipy.interpolate", "scipy.optimize", "CovidSegLib.phantom", "pydicom")
print([name for name in needless if name in sys.modules])
"""


def test_the_process_that_computes_loads_nothing_that_only_trials_of_devices_or_other_files_need(
    tmp_path: Path,
) -> None:
    scan = tmp_path / "ct.nii.gz"
    save_nifti(np.zeros((2, 3, 4), np.int16), np.eye(4), scan)
    call = [sys.executable, "-c", COMPUTES_ON_THE_CPU, str(scan)]
    ended = subprocess.run(call, capture_output=True, text=True, check=False)
    assert ended.stdout == "[]\n", ended.stderr
