"""The house's rules, read from the source: who may import what, files of a readable size, a light bare import.

A file imports from floors below its own, or from its own room (the same folder), without a circle.
"""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = {"CovidSegLib": REPOSITORY / "CovidSeg/CovidSegLib", "CovidSegTraining": REPOSITORY / "CovidSegTraining"}
LONGEST_FILE, LONGEST_MODULE_FILE = 350, 100

FLOORS = (
    ("", "errors", "i18n", "options", "progress", "visible", "words"),
    ("geometry", "system"),
    ("field_of_view", "mask_fit", "soft_tissue"),
    ("network", "reading", "segmentation"),
    ("corrections",),
    ("anatomy", "phantom"),
    ("device_trial", "measures"),
    ("segfiles",),
    ("hardware", "mrml", "pipeline"),
    ("report",),
    ("worker",),
    ("case",),
    ("batch", "CovidSegTraining"),
    ("api", "cli", "gui"),
)
"""Rooms (folders of CovidSegLib, or single files in it) by floor; "" is CovidSegLib/__init__.py."""

TRAINING_FLOORS = (
    ("", "needs", "progress_log", "tables"),
    ("data",),
    ("network",),
    ("fit",),
    ("judge",),
    ("ship", "studies"),
    ("cli",),
)
"""The same within CovidSegTraining, all of which stands above CovidSegLib's batch."""

ONLY_HERE = {
    "slicer": ("CovidSegLib.mrml", "CovidSegLib.gui", "CovidSegLib.report.pictures", "CovidSegLib.report.views"),
    "vtk": ("CovidSegLib.mrml", "CovidSegLib.gui", "CovidSegLib.report.pictures", "CovidSegLib.report.views"),
    "vtkmodules": ("CovidSegLib.mrml", "CovidSegLib.gui", "CovidSegLib.report.pictures", "CovidSegLib.report.views"),
    "qt": ("CovidSegLib.gui",),
    "ctk": ("CovidSegLib.gui",),
    "onnxruntime": ("CovidSegLib.network.providers",),
    "tensorflow": ("CovidSegLib.network.keras_engine", "CovidSegTraining"),
    "keras": ("CovidSegLib.network.keras_engine", "CovidSegTraining"),
    "CovidSegTraining": ("CovidSegTraining",),
    "distributed": ("CovidSegLib.batch.cluster",),
}
"""Packages that only these modules (and what is inside them) may import, wherever in the file."""

TWICE_YET = {"child", "corrections", "edits", "files", "jobs", "lesions", "lobes", "record", "report", "views"}
"""Names of files that still stand in two rooms; the next change takes them out."""

AT_THE_TOP = {"numpy", "scipy", "SimpleITK", "pydicom", "CovidSegLib"}
"""What files of CovidSegLib may import when they load: what Slicer bundles. All else is imported where it is used."""


def test_the_page_on_architecture_shows_every_room_on_its_floor() -> None:
    text = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
    drawn = text[text.index("CovidSeg/CovidSegLib/   ") : text.index("CovidSeg/Resources/   ")].splitlines()[1:]
    rooms = [line.strip().split("   ")[0].replace("/", "").split() for line in drawn]
    floors = [sorted(room for room in floor if room not in ("", "CovidSegTraining")) for floor in FLOORS]
    ground = len(rooms) - len(floors) + 1  # the lowest floor has several lines
    assert [sorted(room for line in rooms[:ground] for room in line), *map(sorted, rooms[ground:])] == floors


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


def _floor(module: str) -> tuple[int, int]:
    """The floor of a module, and that within CovidSegTraining."""
    package, room = module.split(".")[0], (module.split(".")[1:] or [""])[0]
    if package == "CovidSegTraining":
        return _number(package, FLOORS, module), _number(room, TRAINING_FLOORS, module)
    return _number(room, FLOORS, module), 0


def _number(room: str, floors: tuple[tuple[str, ...], ...], module: str) -> int:
    for number, rooms in enumerate(floors):
        if room in rooms:
            return number
    pytest.fail(f"{module} stands on no floor: add its room {room!r}")


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


def _inner_imports(module: str) -> set[str]:
    return {name for name in _imports(module) if name in _files() and name != module}


def test_files_import_only_from_lower_floors_or_their_own_room() -> None:
    wrong = []
    for module, path in _files().items():
        for imported in _inner_imports(module):
            same_room = _files()[imported].parent == path.parent
            if _floor(imported) > _floor(module) or (_floor(imported) == _floor(module) and not same_room):
                wrong.append(f"{module} imports {imported}")
    assert not wrong


def test_imports_run_in_no_circle() -> None:
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, f"a circle: {' -> '.join([*way[way.index(module) :], module])}"
        if module not in done:
            for imported in _inner_imports(module):
                visit(imported, (*way, module))
            done.add(module)

    for module in _files():
        visit(module, ())


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_name_stands_twice_in_one_package(package: str) -> None:
    places = defaultdict(list)
    for module in _files():
        if _is_inside(module, package) and not module.endswith("__main__"):
            places[module.split(".")[-1]].append(module)
    assert not {name: where for name, where in places.items() if len(where) > 1 and name not in TWICE_YET}


def test_imports_of_our_own_name_files_that_exist() -> None:
    missing = [
        f"{module} imports {name}"
        for module in _files()
        for name in _imports(module)
        if name.split(".")[0] in PACKAGES and name not in _files()
    ]
    assert not missing


@pytest.mark.parametrize("package", ["CovidSegLib.measures", "CovidSegLib.mrml"])
def test_what_a_package_hands_out_when_asked_stands_in_a_file_that_exists(package: str) -> None:
    places = importlib.import_module(package)._PLACES
    assert not {name: file for name, file in places.items() if f"{package}.{file}" not in _files()}


@pytest.mark.parametrize("package", ONLY_HERE)
def test_a_package_with_a_place_of_its_own_is_imported_nowhere_else(package: str) -> None:
    guests = {module for module in _files() if any(_is_inside(name, package) for name in _imports(module))}
    assert not {module for module in guests if not any(_is_inside(module, place) for place in ONLY_HERE[package])}


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
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_file_is_longer_than_one_can_read() -> None:
    lengths = {}
    for folder in (*PACKAGES.values(), REPOSITORY / "Testing", REPOSITORY / "Resources"):
        lengths.update({path: len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("*.py")})
    assert lengths
    assert not {path.name: length for path, length in lengths.items() if length > LONGEST_FILE}


def test_what_slicer_loads_only_delegates() -> None:
    assert len((REPOSITORY / "CovidSeg/CovidSeg.py").read_text(encoding="utf-8").splitlines()) < LONGEST_MODULE_FILE
