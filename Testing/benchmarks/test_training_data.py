"""What a sample costs, and that memory is flat from 2 to 200 volumes. Run with `make bench`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np

COUNTS = (2, 20, 200)
SAMPLES = 32
SHAPE = (512, 512, 12)

PROGRAM = """
import sys, time
from pathlib import Path
from CovidSegLib.progress import Progress
from CovidSegTraining.data.augmentation import Augmentation
from CovidSegTraining.data.cases import find_cases
from CovidSegTraining.data.streams import TrainingStream

data, cache = Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2] != "none" else None
cases = find_cases(data)[: int(sys.argv[3])]
started = time.process_time()
stream = TrainingStream(cases, Augmentation(), 0, Progress(), cache=cache)
ready = time.process_time() - started
started = time.process_time()
for number in range(int(sys.argv[4])):
    stream.sample(number)
cost = (time.process_time() - started) / int(sys.argv[4])
# Of this process alone: ru_maxrss would begin with what its parent had when it forked.
(peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(peak.split()[1]) / 1024, 1000 * cost, ready / len(stream) * 1000)
"""


def volumes(folder: Path) -> None:
    """One chest as large as a clinical slice, under 200 names."""
    from CovidSegLib.phantom import make_phantom

    phantom = make_phantom(seed=2, slices=SHAPE[2])
    for kind, array in (("images", phantom.volume.voxels), ("labels", phantom.truth)):
        (folder / kind).mkdir(parents=True)
        first = folder / kind / "case000.nii.gz"
        nibabel.save(nibabel.Nifti1Image(np.asarray(array).transpose(2, 1, 0), phantom.volume.affine), first)
        for number in range(1, max(COUNTS)):
            os.link(first, folder / kind / f"case{number:03}.nii.gz")


def measured(data: Path, cache: Path | None, count: int) -> tuple[float, float, float]:
    """Peak memory in MiB, and CPU time in ms of a sample and of making a slice ready."""
    command = [sys.executable, "-c", PROGRAM, str(data), str(cache or "none"), str(count), str(SAMPLES)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak, sample, ready = map(float, done.stdout.split())
    return peak, sample, ready


def test_memory_is_flat_from_2_to_200_volumes_and_a_sample_is_cheap(tmp_path):
    from CovidSegTraining.judge.figures import memory

    volumes(tmp_path / "data")
    peaks: dict[str, list[float]] = {}
    for name, cache in (("framed slices on disk (default)", tmp_path / "cache"), ("--cache none", None)):
        for count in COUNTS:
            peak, sample, ready = measured(tmp_path / "data", cache, count)
            peaks.setdefault(name, []).append(peak)
            print(
                f"\n{name}, {count} volumes: peak {peak:.0f} MiB, {sample:.1f} ms a sample, {ready:.1f} ms a slice once"
            )
    picture = Path("build") / "training_memory.png"
    memory(COUNTS, peaks, picture)
    print(f"plot: {picture}")
    for name, values in peaks.items():
        assert values[-1] < values[0] + 60, name
