"""Do the shipped networks load and run in the oldest and in the newest onnxruntime?

Each version gets an environment of its own in a temporary folder (`make check-onnxruntime`; needs the package index).
Every `CovidSeg/Resources/Models/*.onnx` computes the same slices of noise in both, in the sizes of both looks. Prints
one line each; exit 1 when one fails or when the versions differ in more than one pixel of 10,000.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

MODELS = Path(__file__).resolve().parents[1] / "CovidSeg/Resources/Models"
OLDEST_BY_PYTHON = {(3, 13): "onnxruntime==1.20.*"}
"""The oldest version with wheels where that is not 1.19."""
MOST_DIFFERENT = 1e-4
"""Largest share of pixels whose class may differ between two versions."""

PROGRAM = """
import sys
import numpy as np
import onnxruntime

model, result = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
(wanted,) = session.get_inputs()
kind = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}[wanted.type]
top = 255 if kind is np.uint8 else 1
shapes, found = [(1, 224, 288, 3), (1, 256, 320, 3)], []
for shape in shapes:
    zeros = session.run(None, {wanted.name: np.zeros(shape, kind)})[0]
    noise = (np.random.default_rng(0).random(shape) * top).astype(kind)
    classes = session.run(None, {wanted.name: noise})[0]
    assert np.isfinite(zeros).all() and np.isfinite(classes).all(), "the network answers with NaN"
    assert classes.shape == shape
    found.append(classes.argmax(-1).astype(np.uint8).ravel())
np.save(result, np.concatenate(found))
print(f"onnxruntime {onnxruntime.__version__}, input {wanted.type} {shapes}", end="")
"""


def environment(folder: Path, requirement: str) -> Path:
    """Make an environment with ``requirement`` in ``folder``; returns its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    command = [str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:", requirement]
    subprocess.run(command, check=True)
    return python


def compute(python: Path, model: Path, result: Path) -> bool:
    """Run ``model`` once with ``python``, keep the classes in ``result`` (.npy); prints how it went."""
    command = [str(python), "-c", PROGRAM, str(model), str(result)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        print(f"ok      {model.name}: {done.stdout}")
        return True
    print(f"FAILED  {model.name}: {(done.stderr.strip() or 'no message').splitlines()[-1]}")
    return False


def share_that_differs(first: Path, second: Path) -> float:
    """Share of pixels whose class differs between two results of :func:`compute`."""
    import numpy as np

    return float((np.load(first) != np.load(second)).mean())


def main() -> int:
    """Check every network that is shipped."""
    models = sorted(MODELS.glob("*.onnx"))
    if not models:
        print("error: there is no .onnx file in CovidSeg/Resources/Models", file=sys.stderr)
        return 2
    oldest = OLDEST_BY_PYTHON.get(sys.version_info[:2], "onnxruntime==1.19.*")
    good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pythons = [environment(folder / key, line) for key, line in (("old", oldest), ("new", "onnxruntime"))]
        for model in models:
            results = [folder / f"{model.stem}_{number}.npy" for number in range(len(pythons))]
            if not all(compute(python, model, result) for python, result in zip(pythons, results, strict=True)):
                good = False
                continue
            share = share_that_differs(*results)
            good = good and share <= MOST_DIFFERENT
            print(f"{'ok' if share <= MOST_DIFFERENT else 'FAILED':7} {model.name}: {share:.6f} of the pixels differ")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
