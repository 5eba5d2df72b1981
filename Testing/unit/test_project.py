"""What stands around the code: declared dependencies, what the extension installs, what may be in the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "CovidSeg"
LARGEST_FILE_MB, LARGEST_CLONE_MB, LARGEST_HISTORY_MB = 20, 80, 250
"""The first and the last of 10**6 bytes. The Extensions Index refuses a clone of more than 100 MB (of 2**20 bytes); of
an extension whose entry names no revision it clones the latest commit alone."""

RIVALS = ({"onnxruntime", "onnxruntime-gpu"}, {"tensorflow", "tensorflow-cpu"})
"""Distributions that write into the same folder: at most one of each set may be in an environment."""

MACHINES = (
    {"sys_platform": "linux", "platform_machine": "x86_64"},
    {"sys_platform": "linux", "platform_machine": "aarch64"},
    {"sys_platform": "darwin", "platform_machine": "arm64"},
    {"sys_platform": "win32", "platform_machine": "AMD64"},
)

FAKE_SLICER = """
cmake_minimum_required(VERSION 3.16)
project(FakeSlicer NONE)
set(BUILD_TESTING ON)
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(GIVEN "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  string(REPLACE ";" "\\n" scripts "${GIVEN_SCRIPTS}")
  string(REPLACE ";" "\\n" resources "${GIVEN_RESOURCES}")
  file(WRITE ${CMAKE_BINARY_DIR}/scripts.txt "${scripts}\\n")
  file(WRITE ${CMAKE_BINARY_DIR}/resources.txt "${resources}\\n")
endmacro()
macro(slicer_add_python_unittest)
endmacro()
"""


@pytest.fixture(scope="module")
def project() -> dict:
    """pyproject.toml."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Every file of the repository: those in git and the new ones that git does not ignore."""
    command = ["git", "-C", str(REPOSITORY), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("needs a git checkout")
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    return [REPOSITORY / name for name in names if name and (REPOSITORY / name).is_file()]


def _names(requirements: list[str], extras: dict[str, list[str]], machine: dict[str, str]) -> set[str]:
    """Distributions that ``requirements`` ask for on ``machine``, with extras of our own that they name resolved."""
    names = set()
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate(machine):
            if canonicalize_name(requirement.name) == "covidseg":
                inner = [line for extra in requirement.extras for line in extras[extra]]
                names |= _names(inner, extras, machine)
            else:
                names.add(canonicalize_name(requirement.name))
    return names


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: " ".join(machine.values()))
def test_no_extra_pulls_two_builds_of_one_runtime(project: dict, machine: dict[str, str]) -> None:
    extras = project["project"]["optional-dependencies"]
    for extra, requirements in extras.items():
        wanted = _names([*project["project"]["dependencies"], *requirements], extras, machine)
        assert all(len(wanted & rivals) < 2 for rivals in RIVALS), extra


def test_who_only_segments_gets_the_one_runtime_that_was_chosen_and_no_tensorflow(project: dict) -> None:
    core, extras = project["project"]["dependencies"], project["project"]["optional-dependencies"]
    assert _names(core, extras, MACHINES[0]) == {
        "numpy",
        "scipy",
        "simpleitk",
        "pydicom",
        "nibabel",
        "isal",
        "jinja2",
        "pillow",
    }
    assert _names(extras["cpu"], extras, MACHINES[0]) == {"onnxruntime"}
    assert _names(extras["gpu"], extras, MACHINES[0]) == {"onnxruntime-gpu"}


def test_the_check_of_wheels_asks_for_all_that_an_extra_brings(project: dict) -> None:
    import check_wheels

    extras = project["project"]["optional-dependencies"]
    for extra, lines in extras.items():
        asked = {
            canonicalize_name(Requirement(line).name) for line in check_wheels.requirements(extra, project["project"])
        }
        assert asked >= _names([*project["project"]["dependencies"], *lines], extras, MACHINES[0]), extra
        assert "covidseg" not in asked


def test_every_package_of_the_library_is_installed(project: dict) -> None:
    library = MODULE / "CovidSegLib"
    folders = {path.relative_to(MODULE).parent for path in library.rglob("*.py")} | {Path("covidseg")}
    folders |= {path.relative_to(REPOSITORY).parent for path in (REPOSITORY / "CovidSegTraining").rglob("*.py")}
    packages = set(project["tool"]["setuptools"]["packages"]) - {"CovidSegLib.Resources"}
    assert packages == {".".join(folder.parts) for folder in folders}
    roots = (MODULE, REPOSITORY)
    assert not [name for name in folders if not any((root / name / "__init__.py").exists() for root in roots)]


def test_an_installed_copy_finds_its_networks(project: dict, tmp_path: Path) -> None:
    """In a wheel Resources lies inside CovidSegLib: the layout that pyproject.toml asks for, made by hand."""
    settings = project["tool"]["setuptools"]
    assert settings["package-dir"]["CovidSegLib.Resources"] == "CovidSeg/Resources"
    assert "Models/*" in settings["package-data"]["CovidSegLib.Resources"]
    shutil.copytree(MODULE / "CovidSegLib", tmp_path / "CovidSegLib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(MODULE / "Resources", tmp_path / "CovidSegLib/Resources")
    program = "from CovidSegLib.network import models; print(len(models.installed()), models.__file__)"
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path)
    count, file = done.stdout.split(maxsplit=1)
    assert file.startswith(str(tmp_path))
    assert int(count) == len(list((MODULE / "Resources/Models").glob("*.json")))


@pytest.mark.parametrize("command", ["covidseg", "covidseg-train"])
def test_every_command_leads_to_a_function(project: dict, command: str) -> None:
    module, function = project["project"]["scripts"][command].split(":")
    program = f"import {module}; assert callable({module}.{function})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_extension_installs_every_file_of_the_module(tmp_path: Path, tracked: list[Path]) -> None:
    cmake = shutil.which("cmake", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if cmake is None:
        pytest.skip("needs cmake")
    (tmp_path / "CMakeLists.txt").write_text(FAKE_SLICER + f'add_subdirectory("{MODULE}" module)\n', encoding="utf-8")
    command = [cmake, "-S", str(tmp_path), "-B", str(tmp_path / "build")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    listed = {
        line
        for name in ("scripts.txt", "resources.txt")
        for line in (tmp_path / "build" / name).read_text(encoding="utf-8").split("\n")
    }
    wanted = {str(path.relative_to(MODULE)) for path in tracked if MODULE in path.parents}
    assert wanted - {"CMakeLists.txt"} <= listed
    assert not [line for line in listed if "__pycache__" in line]


def test_the_extension_says_what_the_index_asks_for() -> None:
    text = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r"^project\(CovidSeg\)", text, re.MULTILINE)
    for key in ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"):
        assert re.search(rf'^set\(EXTENSION_{key} "[^"]+"\)$', text, re.MULTILINE), key


def test_the_icon_has_the_size_that_slicer_shows() -> None:
    from PIL import Image

    with Image.open(MODULE / "Resources/Icons/CovidSeg.png") as icon:
        assert icon.size == (128, 128)
        assert icon.mode == "RGBA"


def test_no_file_names_a_folder_of_the_machine_it_was_written_on(tracked: list[Path]) -> None:
    # Put together from two parts, so that this file does not name it either.
    folder = b"/wor" + b"k/"
    pattern = re.compile(rb"(?<![\w.}/-])" + folder)
    assert not [str(path.relative_to(REPOSITORY)) for path in tracked if pattern.search(path.read_bytes())]


def test_no_file_is_too_large(tracked: list[Path]) -> None:
    sizes = {path: path.stat().st_size / 1e6 for path in tracked}
    assert not [path.name for path, size in sizes.items() if size > LARGEST_FILE_MB]


def test_a_clone_of_the_latest_commit_is_small_enough_for_the_extensions_index(tmp_path: Path) -> None:
    """The index adds up what then lies on the disk: files, and .git with its one commit."""
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("needs a git checkout")
    clone = ["git", "clone", "-q", "--depth", "1", REPOSITORY.as_uri(), str(tmp_path / "clone")]
    subprocess.run(clone, capture_output=True, check=True)
    size = sum(path.stat().st_size for path in (tmp_path / "clone").rglob("*") if path.is_file())
    assert size / 2**20 < LARGEST_CLONE_MB


def test_the_whole_history_stays_small_enough_to_clone(tracked: list[Path]) -> None:
    git = ["git", "-C", str(REPOSITORY)]
    shallow = [*git, "rev-parse", "--is-shallow-repository"]
    if subprocess.run(shallow, capture_output=True, text=True, check=True).stdout.strip() == "true":
        pytest.skip("needs the whole history")
    # What a clone would get; on this disk it may lie less tightly packed.
    packed = subprocess.run(
        [*git, "pack-objects", "--revs", "--stdout", "-q"], input=b"HEAD\n", capture_output=True, check=True
    )
    assert len(packed.stdout) < LARGEST_HISTORY_MB * 1e6


def test_the_readme_shows_no_gap_and_no_broken_link() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert not re.findall(r"TODO[\w-]*", text)
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert "LICENSE.txt" in links
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert not [link for link in links if link not in anchors and not (REPOSITORY / link).exists()]


def test_the_readmes_python_uses_names_that_exist() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    # What the book has is run by test_docs_examples.py and test_console_recipes.py.
    example, *_ = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    imports = "".join(f"{line}\n" for line in example.splitlines() if line.startswith(("from ", "import ")))
    compile(example, "README.md", "exec")
    done = subprocess.run([sys.executable, "-c", imports], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_the_makefile_names_exists() -> None:
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"Testing/\w+\.(?:py|sh)", text))
    assert named
    assert not [name for name in named if not (REPOSITORY / name).is_file()]
    assert os.access(REPOSITORY / ".ci/run", os.X_OK)
