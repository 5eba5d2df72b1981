"""Do the declared dependencies have wheels for every Python that pyproject.toml allows?

For each Python and each extra, pip resolves the whole tree for Linux x86-64 from wheels alone, without installing any.
Prints a table; exit 1 when a combination does not resolve. Needs the package index and minutes (`make check-wheels`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
ALL_AT_ONCE = "cpu,training,pictures,test"
"""What `make install` installs, together."""
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64")
TOLD = ("numpy", "onnxruntime", "onnxruntime-gpu", "tensorflow", "tensorflow-cpu", "slicer-core", "vtk")
"""Packages whose version the table shows."""

# pip's --python-version picks the wheels, but markers ("python_version < '3.11'") still see the Python that runs pip.
# So pip is started with markers that see the other one.
PIP_FOR_ANOTHER_PYTHON = """
import sys
from pip._vendor.packaging import markers
version, own = sys.argv.pop(1), markers.default_environment
markers.default_environment = lambda: {**own(), "python_version": version, "python_full_version": version + ".9"}
from pip._internal.cli.main import main
sys.exit(main())
"""


def requirements(extra: str, project: dict) -> list[str]:
    """What `pip install covidseg[extra]` asks for (extra may be "": the core alone), as lines for pip."""
    extras = project["optional-dependencies"]
    lines: list[str] = []
    for name in filter(None, extra.split(",")):
        for line in extras[name]:
            inner = line[len("covidseg[") : -1] if line.startswith("covidseg[") else None
            lines += [line] if inner is None else requirements(inner, {**project, "dependencies": []})
    return [*project["dependencies"], *lines]


def resolve(python: str, lines: list[str]) -> dict[str, str] | str:
    """Names and versions that pip would install for ``python``, or its complaint."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-c", PIP_FOR_ANOTHER_PYTHON, python, "install", "--quiet", "--dry-run"]
        command += ["--ignore-installed", "--only-binary=:all:", "--implementation=cp", "--python-version", python]
        command += [f"--platform={platform}" for platform in PLATFORMS]
        command += ["--target", str(Path(folder) / "none"), "--report", str(report), *lines]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            complaints = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            return complaints[-1] if complaints else "pip failed"
        installs = json.loads(report.read_text(encoding="utf-8"))["install"]
    pairs = (item["metadata"] for item in installs)
    return {pair["name"].lower().replace("_", "-"): pair["version"] for pair in pairs}


def main() -> int:
    """Check the Pythons named on the command line (default: all)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", nargs="*", default=PYTHONS, help=f"default: {' '.join(PYTHONS)}")
    failures = 0
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    for python in parser.parse_args().python:
        for extra in ("", *project["optional-dependencies"], ALL_AT_ONCE):
            found = resolve(python, requirements(extra, project))
            failures += isinstance(found, str)
            told = [f"{name} {found[name]}" for name in TOLD if name in found] if isinstance(found, dict) else [found]
            count = f"{len(found):3d} wheels" if isinstance(found, dict) else "   FAILED "
            print(f"Python {python:5}  {extra or '(core)':26} {count}  {', '.join(told)}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
