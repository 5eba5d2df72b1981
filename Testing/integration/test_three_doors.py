"""A stranger's doors, as the README names them: the wheel in a new environment, its Python example, its commands."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nibabel
import pytest

from CovidSegLib.network.models import DEFAULT_NAME
from Testing.kit.dicom_files import write_series
from Testing.kit.small_phantom import small_phantom

COPIED = ("pyproject.toml", "README.md", "LICENSE.txt", "CovidSeg", "CovidSegTraining")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the README's commands are for sh; docs/install.md has Windows")


def run(*command: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``command`` in ``folder``, without this checkout on its path."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what a release holds, without a network."""
    if int(importlib.metadata.version("setuptools").split(".")[0]) < 77:
        pytest.skip("needs setuptools 77, of the extra test")
    source, wheels = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheels")
    for name in COPIED:
        if (repository / name).is_dir():
            leave = shutil.ignore_patterns("__pycache__", "folds")
            shutil.copytree(repository / name, source / name, ignore=leave)
        else:
            shutil.copy(repository / name, source / name)
    build = ("wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, source)
    run(sys.executable, "-m", "pip", *build, folder=source)
    (built,) = wheels.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def stranger(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``.venv``, where the wheel is installed, and the scans that the README names.

    The packages that it depends on are those of this environment: nothing is downloaded.
    """
    folder = tmp_path_factory.mktemp("stranger")
    run(sys.executable, "-m", "venv", "--without-pip", ".venv", folder=folder)
    python = folder / ".venv/bin/python"
    packages = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder).stdout[:-1]
    )
    install = ("install", "--quiet", "--no-index", "--no-deps", "--ignore-installed", wheel)
    run(sys.executable, "-m", "pip", "--python", python, *install, folder=folder)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    volume = small_phantom().volume
    image = nibabel.Nifti1Image(volume.voxels.T, volume.affine)
    (folder / "SCANS").mkdir()
    for name in ("CT.nii.gz", "SCANS/first.nii.gz", "SCANS/second.nii.gz"):
        nibabel.save(image, folder / name)
    height = abs(volume.affine[2, 2])
    write_series(folder / "CT_FOLDER", volume.voxels, [height * k for k in range(len(volume.voxels))])
    return folder


def blocks(repository: Path, language: str) -> list[str]:
    """The README's blocks of code in ``language``."""
    text = (repository / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_readmes_python_example_runs_where_the_wheel_is_installed(repository: Path, stranger: Path) -> None:
    (example,) = blocks(repository, "python")
    (stranger / "CT.seg.nrrd").unlink(missing_ok=True)
    where = "import CovidSegLib.network.models as models\nprint(covidseg.__file__, models.find('default').folder)"
    printed = run(".venv/bin/python", "-c", f"{example}\n{where}", folder=stranger).stdout.splitlines()
    assert float(printed[0].split()[0]) > 0
    assert all(str(stranger) in path for path in printed[1].split())
    assert (stranger / "CT.seg.nrrd").is_file()


def test_a_checker_of_types_knows_the_installed_package(stranger: Path) -> None:
    pytest.importorskip("mypy", reason="needs the extra test")
    script = (
        "import covidseg\n"
        "with covidseg.Segmenter(device='auto') as segmenter:\n"
        "    for result in segmenter.map(['CT.nii.gz']):\n"
        "        share: float | None = result.percent_infected\n"
        "        left: float = result.lungs.left.ml\n"
        "        names: list[str] = [lobe.name for lobe in result.lobes]\n"
        "result.report(3)\n"
    )
    (stranger / "script.py").write_text(script, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", "--python-executable", ".venv/bin/python"]
    done = subprocess.run([*command, "script.py"], cwd=stranger, capture_output=True, text=True, check=False)
    told = done.stdout.splitlines()
    assert told[0].startswith('script.py:7: error: Argument 1 to "report"')
    assert told[1].startswith("Found 1 error"), told


def test_the_readmes_commands_do_what_it_says(repository: Path, stranger: Path) -> None:
    lines = [line for block in blocks(repository, "sh") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith(".venv/bin/covidseg")]
    assert len(commands) == 3
    for line in commands:
        run("sh", "-c", line, folder=stranger)
    assert all((stranger / name).is_file() for name in ("CT.seg.nrrd", "chest.seg.nrrd"))
    assert "Research use only" in (stranger / "chest.html").read_text(encoding="utf-8")
    results = {path.name for path in (stranger / "RESULTS").iterdir()}
    assert results >= {"first.seg.nrrd", "second.seg.nrrd", "summary.csv", "index.html"}
    # The rest builds: what it names is there.
    other = [line.partition("#")[0].strip() for line in lines if line and line not in commands]
    assert other == ["make demo", 'python3 -m venv .venv && .venv/bin/pip install ".[cpu]"']
    assert "\ndemo:" in (repository / "Makefile").read_text(encoding="utf-8")


def test_the_demo_installs_no_more_than_it_needs_and_uses_what_is_there(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "Testing").mkdir()
    for name in ("Makefile", "pyproject.toml", "Testing/debian_packages.sh", "Testing/find_python.sh"):
        shutil.copy(repository / name, tmp_path / name)
    asked = ["make", "-n", "demo"]
    assert "covidseg[cpu,pictures];" in run(*asked, folder=tmp_path).stdout
    assert "covidseg[gpu,pictures];" in run(*asked, "EXTRAS=gpu,pictures", folder=tmp_path).stdout
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".installed-cpu-training-pictures-test").touch()
    assert "covidseg[cpu,pictures];" not in run(*asked, folder=tmp_path).stdout


def test_the_wheel_carries_the_weights_with_their_licence_and_says_so(wheel: Path, stranger: Path) -> None:
    program = "import importlib.metadata as m; d = m.metadata('covidseg'); print(d['License-Expression'], d['Version'])"
    expression, version = run(".venv/bin/python", "-c", program, folder=stranger).stdout.rsplit(maxsplit=1)
    assert expression == "Apache-2.0 AND CC-BY-NC-SA-4.0"
    assert wheel.name == f"covidseg-{version}-py3-none-any.whl"
    told = run(".venv/bin/covidseg", "models", "verify", folder=stranger).stdout
    assert DEFAULT_NAME in told
    licences = [path for path in (stranger / ".venv").rglob("LICENSE.txt") if "dist-info" in str(path)]
    assert any("NonCommercial" in path.read_text(encoding="utf-8") for path in licences)
