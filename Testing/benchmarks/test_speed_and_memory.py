"""Speed of the pipeline as a ratio to the bare network, and its peak memory on a large scan. Run with `make bench`."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource, time
import numpy as np
from CovidSegLib.network.inputs import INPUT_SHAPE
from CovidSegLib.phantom import make_phantom
from CovidSegLib.pipeline import BATCH, Options, open_engine, segment
from CovidSegLib.progress import Progress

volume = make_phantom(seed=1, slices={slices}).volume
engine = open_engine(Options(device="cpu"), Progress())
inputs = np.zeros((BATCH, *INPUT_SHAPE, 3), np.float32)
engine.predict(inputs)
started = time.perf_counter()
for _ in range(20):
    engine.predict(inputs)
bare = (time.perf_counter() - started) / (20 * BATCH)
started = time.perf_counter()
result = segment(volume, Options(), Progress(), engine=engine)
whole = (time.perf_counter() - started) / len(volume.voxels)
print(whole, bare, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, result.provenance.seconds)
"""


def test_a_large_scan_takes_little_more_than_the_bare_network_and_stays_small():
    program = PROGRAM.format(slices=300)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    whole, bare, peak, seconds = done.stdout.split(maxsplit=3)
    print(
        f"\n512 x 512 x 300: {1000 * float(whole):.1f} ms a slice, {float(whole) / float(bare):.2f} times the bare "
        f"network ({1000 * float(bare):.1f} ms); peak {float(peak):.2f} GiB; {seconds.strip()}"
    )
    assert float(peak) < 1.5
