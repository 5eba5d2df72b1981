"""The module uses nothing that Slicer 5.10 lacks, unless it asks for it first.

The names were found by comparing the sources of v5.10.0 and v5.12.3: Base/Python/slicer, the modules Sample Data
and Segment Statistics, and the headers of the MRML classes and widgets that the module touches.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

MODULE = Path(__file__).resolve().parents[2] / "CovidSeg"

LACKS = frozenset(
    {
        # Base/Python/slicer: packaging.py came with 5.12, with all that is in it
        "packaging",
        "pip_ensure",
        "pip_check",
        "load_requirements",
        "load_pyproject_dependencies",
        "isPipInstallInProgress",
        # slicer.util
        "executePythonModule",
        "LazyImport",
        # Sample Data
        "registerCustomSampleDataCategory",
        "findCategoryWidget",
        "categoryTitle",
        # MRML and its widgets
        "GetPrivateStorableNodesDirectory",
        "GetPrivateStorableNodesModifiedSinceRead",
        "SavePrivateStorableNodes",
        "GetTransformedImageData",
        "nodeAddedByUserAction",
        "safeQStringFromUtf8Ptr",
    }
)

NEW_PARAMETERS = {"launchConsoleProcess": {"blocking", "logCallback", "completedCallback", "cwd"}}
"""Parameters that a function of slicer.util got after 5.10."""


def sources() -> list[Path]:
    """What runs in Slicer and speaks to it."""
    library = MODULE / "CovidSegLib"
    return [MODULE / "CovidSeg.py", *sorted(library.glob("gui/**/*.py")), *sorted(library.glob("mrml/*.py"))]


def unguarded(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of each use of :data:`LACKS` and :data:`NEW_PARAMETERS` that nothing in its function asks for."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in ast.walk(tree):
        around = [f for f in functions if f.lineno <= node.lineno <= f.end_lineno] if hasattr(node, "lineno") else []
        for name in _used(node) - set().union(*map(_asked_for, around)):
            yield node.lineno, name


def _used(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Attribute):
        return {node.attr} & LACKS
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = {alias.name.rpartition(".")[2] for alias in node.names}
        module = (getattr(node, "module", "") or "").rpartition(".")[2]
        return (names | {module}) & LACKS if "slicer" in ast.unparse(node) else set()
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return {keyword.arg or "" for keyword in node.keywords} & NEW_PARAMETERS.get(called, set())
    return set()


def _asked_for(function: ast.FunctionDef) -> set[str]:
    """Names in ``hasattr(x, "name")`` and ``getattr(x, "name", default)``."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    enough = {"hasattr": 2, "getattr": 3}
    return {
        call.args[1].value
        for call in calls
        if len(call.args) == enough.get(call.func.id) and isinstance(call.args[1], ast.Constant)
    }


@pytest.mark.parametrize("file", sources(), ids=lambda file: file.name)
def test_no_name_is_used_that_slicer_5_10_lacks(file: Path) -> None:
    assert list(unguarded(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n    slicer.packaging.pip_ensure('x')",
        "from slicer.packaging import pip_check",
        "import slicer.packaging",
        "slicer.util.launchConsoleProcess(args, blocking=False)",
        "def f():\n    SampleData.SampleDataLogic.registerCustomSampleDataCategory('x')",
    ],
)
def test_such_a_name_would_be_found(code: str) -> None:
    assert list(unguarded(code))


def test_a_name_that_is_asked_for_first_is_fine() -> None:
    code = "def f(p):\n    if hasattr(p, 'isPipInstallInProgress') and p.isPipInstallInProgress():\n        return 1"
    assert list(unguarded(code)) == []


def test_what_slicer_loads_is_python_that_5_10_can_read() -> None:
    """Slicer 5.10 and 5.12 bring Python 3.12; the library keeps to 3.10 for the command line."""
    for file in (MODULE / "CovidSegLib").rglob("*.py"):
        ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 10))


def test_the_readme_says_which_slicers_are_supported() -> None:
    text = (MODULE.parent / "README.md").read_text(encoding="utf-8")
    assert "5.10" in text
    assert "5.12" in text
