"""The house's rules, read from the source: who may import what (pyproject.toml), files of a readable size, names."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = {"CovidSegLib": REPOSITORY / "CovidSeg/CovidSegLib", "CovidSegTraining": REPOSITORY / "CovidSegTraining"}
LONGEST_FILE, LONGEST_MODULE_FILE = 350, 80

AT_THE_TOP = {"numpy", "scipy", "SimpleITK", "pydicom", "CovidSegLib"}
"""What files of CovidSegLib may import when they load: what Slicer bundles. All else is imported where it is used."""


def test_the_page_on_architecture_shows_every_room_on_its_floor() -> None:
    text = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
    drawn = text[text.index("CovidSeg/CovidSegLib/   ") : text.index("CovidSeg/Resources/   ")].splitlines()[1:]
    rooms = [line.strip().split("   ")[0].replace("/", "").split() for line in drawn]
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    floors = [sorted(re.findall(r"\w+", floor)) for floor in reversed(contracts["contracts"][0]["layers"])]
    ground = len(rooms) - len(floors) + 1  # the lowest floor has several lines
    assert [sorted(room for line in rooms[:ground] for room in line), *map(sorted, rooms[ground:])] == floors


def test_files_import_only_what_the_house_allows() -> None:
    """From lower floors or their own room, in no circle, and packages with a place of their own only there."""
    pytest.importorskip("importlinter", reason="needs the pip package import-linter")
    _run("import importlinter.cli as linter, sys; sys.exit(linter.lint_imports(no_cache=True, no_logo=True))")


def _is_inside(module: str, place: str) -> bool:
    return module == place or module.startswith(place + ".")


@cache
def _files() -> dict[str, Path]:
    """Every module of both packages by its dotted name (a package by its folder's)."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join([package, *(part for part in parts if part != "__init__")])] = path
    return found


def _only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


@cache
def _imports(module: str, *, at_load: bool = False) -> set[str]:
    """Dotted names that ``module`` imports anywhere; with ``at_load`` only those that run when it is loaded."""
    path = _files()[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    names: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            names.update(_source_of(source, alias.name) for alias in node.names)
        if at_load and (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _only_for_types(node)):
            continue
        waiting.extend(ast.iter_child_nodes(node))
    return names


def _source_of(source: str, name: str) -> str:
    """The module behind ``from source import name``: a module ``source.name``, or ``source`` itself."""
    return f"{source}.{name}" if f"{source}.{name}" in _files() else source


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_name_stands_twice_in_one_package(package: str) -> None:
    places = defaultdict(list)
    for module in _files():
        if _is_inside(module, package) and not module.endswith("__main__"):
            places[module.split(".")[-1]].append(module)
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_no_class_has_the_name_of_another_one() -> None:
    """One word means one thing, in whichever room."""
    places = defaultdict(list)
    for module, path in _files().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(module)
    assert places["CtVolume"] == ["CovidSegLib.geometry.volume"]
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_the_kit_of_the_tests_is_imported_by_one_name() -> None:
    """By two names Python loads a file twice, and what the two hold is not the same."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in (REPOSITORY / "Testing").rglob("*.py")}
    assert not [name for name, text in texts.items() if re.search(r"^\s*(from|import) kit\b", text, re.MULTILINE)]


def test_imports_of_our_own_name_files_that_exist() -> None:
    missing = [
        f"{module} imports {name}"
        for module in _files()
        for name in _imports(module)
        if name.split(".")[0] in PACKAGES and name not in _files()
    ]
    assert not missing


def test_the_library_loads_nothing_that_slicer_does_not_bundle() -> None:
    wrong = []
    for module in _files():
        # The panel runs nowhere but in Slicer.
        if _is_inside(module, "CovidSegLib") and not _is_inside(module, "CovidSegLib.gui"):
            tops = {name.split(".")[0] for name in _imports(module, at_load=True)}
            wrong += [f"{module} imports {top}" for top in tops - AT_THE_TOP - set(sys.stdlib_module_names)]
    assert not wrong


def test_every_file_of_the_library_loads_where_only_slicers_packages_are() -> None:
    modules = [m for m in _files() if _is_inside(m, "CovidSegLib") and not _is_inside(m, "CovidSegLib.gui")]
    modules = [m for m in modules if not m.endswith("__main__")]
    absent = [
        "nibabel",
        "isal",
        "keras",
        "tensorflow",
        "onnxruntime",
        "onnx",
        "distributed",
        "slicer",
        "vtk",
        "qt",
        "ctk",
        "matplotlib",
        "PIL",
    ]
    absent += ["jinja2", "skimage", "CovidSegTraining"]
    program = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({absent!r}))\n"  # None: an import of it raises ImportError
        f"[importlib.import_module(name) for name in {modules!r}]\n"
    )
    _run(program)


def test_every_name_that_a_room_hands_out_is_there() -> None:
    """Rooms that load their files when a name is asked for have the places of names as texts, which no import holds."""
    library = PACKAGES["CovidSegLib"]
    folders = [path.parent.relative_to(library).parts for path in library.rglob("__init__.py")]
    rooms = [importlib.import_module(".".join(("CovidSegLib", *folder))) for folder in folders]
    assert any(room.__name__ == "CovidSegLib.mrml" for room in rooms)
    missing = [(room.__name__, one) for room in rooms for one in getattr(room, "__all__", ()) if not hasattr(room, one)]
    assert missing == []


def test_importing_the_library_is_light() -> None:
    heavy = {"nibabel", "tensorflow", "keras", "onnxruntime", "slicer", "vtk", "vtkmodules", "matplotlib", "PIL"}
    loaded = set(_run("import CovidSegLib, sys; print(*sys.modules)").split())
    assert "CovidSegLib" in loaded
    assert not loaded & heavy


def _run(program: str) -> str:
    """Standard output of ``program`` in a Python of its own (conftest.py sets its PYTHONPATH)."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_file_is_longer_than_one_can_read() -> None:
    lengths = {}
    for folder in (*PACKAGES.values(), REPOSITORY / "Testing", REPOSITORY / "Resources"):
        lengths.update({path: len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("*.py")})
    assert lengths
    assert not {path.name: length for path, length in lengths.items() if length > LONGEST_FILE}


def test_what_slicer_loads_only_delegates() -> None:
    tree = ast.parse((REPOSITORY / "CovidSeg/CovidSeg.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()  # what a user reads there may be long
    assert len(ast.unparse(tree).splitlines()) < LONGEST_MODULE_FILE
